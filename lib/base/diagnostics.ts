import { AttestationError } from './errors.js';
import { traced } from './tracing.js';

/** Operations that are published, on `cvm-guest-attestation:` and their name. */
export type ObservedOperation = 'attest' | 'encrypt' | 'decrypt' | 'evidence' | 'release';

/** What a subscriber of `cvm-guest-attestation:<operation>` gets when an operation has ended. */
export interface OperationEvent {
  operation: ObservedOperation;
  durationMs: number;
  ok: boolean;
  /** Code of the AttestationError; absent when the operation succeeded or was aborted. */
  code?: number;
  /** TSS2_RC where a TPM call failed. */
  tpmErrorCode?: number;
}

/** Takes the events; `wanted` says whether anybody listens to those of an operation. */
export interface EventPublisher {
  wanted(operation: ObservedOperation): boolean;
  publish(event: OperationEvent): void;
}

let publisher: EventPublisher | undefined;

/** Where events go from now on: what loads this package in Node hands in its diagnostics channels. */
export function publishEventsTo(newPublisher: EventPublisher): void {
  publisher = newPublisher;
}

/**
 * Runs an operation, as a traced step, and publishes how it went, where somebody listens. Neither data nor tokens are
 * published.
 */
export function observed<T>(operation: ObservedOperation, work: () => Promise<T>): Promise<T> {
  return traced({ name: operation }, () => published(operation, work));
}

async function published<T>(operation: ObservedOperation, work: () => Promise<T>): Promise<T> {
  const observer = publisher;
  if (!observer?.wanted(operation)) return work();
  const started = performance.now();
  const publish = (outcome: Omit<OperationEvent, 'operation' | 'durationMs'>): void =>
    observer.publish({ operation, durationMs: performance.now() - started, ...outcome });
  try {
    const result = await work();
    publish({ ok: true });
    return result;
  } catch (error) {
    publish({
      ok: false,
      ...(error instanceof AttestationError && { code: error.code, tpmErrorCode: error.tpmErrorCode }),
    });
    throw error;
  }
}
