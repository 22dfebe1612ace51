import { messageOf } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { tell } from '../../base/tell.js';
import type { AttestationClaims } from '../../token/claims.js';
import type { RefusedRequest } from './refused-request.js';

/**
 * Told of every refusal, with the request as the framework has it. What it throws, or its promise rejects with, is logged and
 * changes nothing; the answer does not wait for it.
 */
export type RefusalHook<Request> = (refusal: RefusedRequest, request: Request) => void | Promise<void>;

const attested = new WeakMap<object, AttestationClaims>();

/** Claims of the token that a guard of this package has let a request through with. */
export function attestationOf(request: object): AttestationClaims | undefined {
  return attested.get(request);
}

export function rememberAttestation(claims: AttestationClaims, ...requests: readonly object[]): void {
  for (const request of requests) attested.set(request, claims);
}

/** Calls the hook, if there is one. */
export function reportRefusal<Request>(
  hook: RefusalHook<Request> | undefined,
  refusal: RefusedRequest,
  request: Request,
  logger: Logger,
): void {
  tell(
    () => hook?.(refusal, request),
    (error) => logger.error(`onRefusal failed: ${messageOf(error)}`),
  );
}
