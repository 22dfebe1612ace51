import { invalid } from '../../base/options.js';
import { targetOf } from '../server/exchange.js';
import type { ChannelAttestation } from './channel.js';
import { type AdapterOptions, adapter } from './node-guard.js';
import type { RefusedRequest } from './refused-request.js';
import { headerValues } from './request-headers.js';
import { rememberAttestation } from './request-observer.js';

export type FetchGuardOptions = AdapterOptions<Request>;

/** The answer to a request that does not pass, or undefined for one that does. */
export type FetchGuard = (
  request: Request,
  connection?: { readonly attestation?: ChannelAttestation },
) => Promise<Response | undefined>;

/**
 * Guards a handler of web `Request`s: `const refused = await guard(request); if (refused) return refused;`.
 * `attestationOf(request)` tells the claims.
 *
 * @throws {AttestationError} 8 when the options are wrong.
 */
export function attestationFetchGuard(options: FetchGuardOptions): FetchGuard {
  const { guard, expect, report } = adapter<Request>('attestationFetchGuard', options);
  return (request, connection) => {
    if (typeof request?.url !== 'string' || typeof request.headers?.get !== 'function') {
      throw invalid('attestationFetchGuard(options) takes a web Request: for node:http use requireAttestation');
    }
    const { ofUrl, raw = ofUrl } = targetOf(request);
    const view = {
      headers: headerValues(request.headers),
      method: request.method,
      target: raw,
      isTargetChanged: raw !== ofUrl,
      channel: connection?.attestation,
    };
    return guard.check(view, expect && (() => expect(request))).then(
      (claims) => {
        rememberAttestation(claims, request);
        return undefined;
      },
      (refusal: RefusedRequest) => {
        report(refusal, request);
        return responseOf(refusal);
      },
    );
  };
}

/** A refusal as a web Response. */
export function responseOf({ status, headers, body }: RefusedRequest): Response {
  return new Response(body, { status, headers: { ...headers } });
}
