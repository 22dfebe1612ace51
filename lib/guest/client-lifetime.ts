import { setMaxListeners } from 'node:events';
import { abortError, throwIfAborted, withSignals } from '../base/abort.js';
import { AttestationError, ErrorCode, VerificationError } from '../base/errors.js';
import { checkOptions, type OptionTable } from '../base/options.js';

/** What every call of a client shares: it has to be open, its options are checked, and few kinds of errors leave it. */
export class ClientLifetime {
  #closed = false;
  /** Ends the HTTP exchanges of calls in progress, which closing the TPM does not reach. */
  readonly #closing = new AbortController();

  constructor() {
    setMaxListeners(0, this.#closing.signal);
  }

  end(): void {
    this.#closed = true;
    this.#closing.abort();
  }

  /** @throws AttestationError 8 */
  requireOpen(): void {
    if (this.#closed) throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the client is closed');
  }

  /** Checks the options of a call, and lets nothing but an error of this package's or an AbortError leave it. */
  async guarded<O extends { signal?: AbortSignal }, T>(
    name: string,
    options: O,
    table: OptionTable<O>,
    work: (checked: O) => Promise<T>,
  ): Promise<T> {
    this.requireOpen();
    const checked = checkOptions(name, options, table);
    const { signal } = checked;
    throwIfAborted(signal);
    // Any number of calls may share a signal: Node would take the eleventh listener for a leak.
    if (signal instanceof EventTarget) setMaxListeners(0, signal);
    try {
      return await work(checked);
    } catch (error) {
      if (signal?.aborted) throw abortError(signal);
      if (error instanceof AttestationError || error instanceof VerificationError) throw error;
      if (this.#closed && error instanceof Error && error.name === 'AbortError') throw closedUnderWay(error);
      const message = error instanceof Error ? error.message : String(error);
      throw new AttestationError(ErrorCode.TPM_INTERNAL_FAILURE, message, { cause: error });
    }
  }

  /** Runs work with a signal that also aborts when the client is closed. */
  untilClosed<T>({ signal }: { signal?: AbortSignal }, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withSignals(signal === undefined ? [this.#closing.signal] : [signal, this.#closing.signal], work);
  }
}

const closedUnderWay = (cause: unknown): AttestationError =>
  new AttestationError(ErrorCode.TPM_INTERNAL_FAILURE, 'the client was closed during the call', { cause });
