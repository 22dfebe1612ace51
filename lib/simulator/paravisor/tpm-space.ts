/** Something of a client's in the TPM: a transient object or a session. */
export interface Held {
  kind: 'object' | 'session';
  /** What the client calls it: a virtual handle of an object, the TPM's own of a session. */
  handle: number;
  space: TpmSpace;
  /** Handle in the TPM while it is loaded there. */
  loaded: number | undefined;
  /** TPMS_CONTEXT while it is not. */
  context: Buffer | undefined;
  /** Whether the client has saved this session itself: then it has to load it again before use. */
  savedByClient?: boolean;
}

/** First virtual handle; the next ones count down, as the kernel's do. */
const firstVirtualHandle = 0x80ffffff;

/**
 * All that one client holds in a TPM. Nobody else sees it, and it is flushed when the client is gone (Linux,
 * drivers/char/tpm/tpm2-space.c).
 */
export class TpmSpace {
  /** Most objects, and most sessions, that it may hold. */
  readonly limit: number;
  readonly #held = new Map<number, Held>();

  /** @param limit 3 in the kernel's spaces */
  constructor(limit = Number.POSITIVE_INFINITY) {
    this.limit = limit;
  }

  get held(): Held[] {
    return [...this.#held.values()];
  }

  find(handle: number): Held | undefined {
    return this.#held.get(handle);
  }

  ofKind(kind: Held['kind']): Held[] {
    return this.held.filter((one) => one.kind === kind);
  }

  isFull(kind: Held['kind']): boolean {
    return this.ofKind(kind).length >= this.limit;
  }

  /** The highest virtual handle that is not in use. */
  freeHandle(): number {
    let handle = firstVirtualHandle;
    while (this.#held.has(handle)) handle--;
    return handle;
  }

  add(held: Held): void {
    held.space = this;
    this.#held.set(held.handle, held);
  }

  remove(held: Held): void {
    this.#held.delete(held.handle);
  }
}
