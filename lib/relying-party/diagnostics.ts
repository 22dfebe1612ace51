import { channel } from 'node:diagnostics_channel';

/** What a subscriber of `cvm-guest-attestation:verification` gets for each verification on behalf of somebody else. */
export interface VerificationEvent {
  /** A guard's request, an `attest` of a key broker, or a call of a verifier service. */
  operation: 'request' | 'key-broker' | 'verifier-service';
  durationMs: number;
  ok: boolean;
  /** Stable code of the refusal, for instance `ERR_TOKEN_EXPIRED`; absent when it passed. */
  code?: string;
}

const verifications = channel('cvm-guest-attestation:verification');

/**
 * Runs a verification and publishes how it went. Neither tokens nor claims are published.
 *
 * @param refusalOf the code of the refusal that an answer tells of, where one is an answer and no error
 */
export async function publishedVerification<T>(
  operation: VerificationEvent['operation'],
  work: () => Promise<T>,
  refusalOf?: (result: T) => string | undefined,
): Promise<T> {
  const started = performance.now();
  const publish = (outcome: Pick<VerificationEvent, 'ok' | 'code'>): void => {
    if (!verifications.hasSubscribers) return;
    verifications.publish({
      operation,
      durationMs: performance.now() - started,
      ...outcome,
    } satisfies VerificationEvent);
  };
  try {
    const result = await work();
    const refusal = refusalOf?.(result);
    publish(refusal === undefined ? { ok: true } : { ok: false, code: refusal });
    return result;
  } catch (error) {
    const code = (error as { code?: unknown } | null)?.code;
    publish({ ok: false, code: typeof code === 'string' ? code : 'ERR_INTERNAL' });
    throw error;
  }
}
