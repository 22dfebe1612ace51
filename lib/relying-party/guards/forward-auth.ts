import { oneOf, textLike } from '../../base/option-kinds.js';
import { checkOptions, invalid, readArguments } from '../../base/options.js';
import { isJsonObject } from '../../base/strict-json.js';
import type { AttestationClaims } from '../../token/claims.js';
import { targetOf } from '../server/exchange.js';
import type { CheckedRequest } from './check-request.js';
import { responseOf } from './fetch-guard.js';
import { type AdapterOptions, adapter } from './node-guard.js';
import { REQUEST_REFUSALS, RefusedRequest } from './refused-request.js';
import { type HeaderValues, headerValues } from './request-headers.js';

export interface ForwardAuthOptions extends AdapterOptions<Request> {
  /** Which proxy asks: it decides where method and target of the original request stand. */
  proxy: 'nginx' | 'envoy' | 'traefik' | 'caddy';
  /** For Envoy: its `path_prefix`, which it puts before the target. */
  pathPrefix?: string;
}

/** Headers in which the proxies tell the original request. Each must overwrite what a client sends. */
const ORIGINAL = {
  nginx: { method: 'x-original-method', target: 'x-original-uri' },
  traefik: { method: 'x-forwarded-method', target: 'x-forwarded-uri' },
  caddy: { method: 'x-forwarded-method', target: 'x-forwarded-uri' },
} as const;

/** Identity headers of an accepted request, which the proxy copies upstream and deletes from what clients send. */
export const IDENTITY_HEADERS = Object.freeze([
  'Attestation-Issuer',
  'Attestation-Type',
  'Attestation-Tee',
  'Attestation-Vm-Id',
] as const);

/**
 * Answers the question of a proxy whether a request may pass: Envoy's ext_authz in HTTP mode, nginx' auth_request, Traefik's
 * ForwardAuth, Caddy's forward_auth. 200 with {@link IDENTITY_HEADERS}, or the refusal with its headers. The proxy ends the
 * TLS connection, so an attested channel does not reach here: proof of possession or `bearer: true`. For Envoy serve it with
 * `serveRequests` or `nodeListener`: elsewhere the target is that of the request's URL, not the request line's.
 *
 * @throws {AttestationError} 8 when the options are wrong.
 */
export function forwardAuth(options: ForwardAuthOptions): (request: Request) => Promise<Response> {
  if (typeof options !== 'object' || options === null) throw invalid('forwardAuth: the options must be an object');
  const given = readArguments('forwardAuth', () => ({ ...options }));
  const { proxy, pathPrefix, ...others } = given;
  const own = checkOptions<{ proxy?: ForwardAuthOptions['proxy']; pathPrefix?: string }>(
    'forwardAuth',
    Object.fromEntries(Object.entries({ proxy, pathPrefix }).filter(([name]) => name in given)),
    { proxy: oneOf('nginx', 'envoy', 'traefik', 'caddy'), pathPrefix: textLike(/^\/[\w./-]*$/, 'a path') },
  );
  if (own.proxy === undefined) throw invalid('forwardAuth: proxy must be given');
  if (own.pathPrefix !== undefined && own.proxy !== 'envoy') throw invalid('forwardAuth: pathPrefix is for envoy');
  if (others.bearer !== true && others.proofOfPossession === undefined) {
    throw invalid('forwardAuth: proofOfPossession or bearer: true must be given, since the proxy ends the connection');
  }
  const { guard, expect, report } = adapter<Request>('forwardAuth', others);
  const original = own.proxy === 'envoy' ? envoyRequest(own.pathPrefix ?? '') : headersOf(ORIGINAL[own.proxy]);
  return async (request) => {
    try {
      const headers = headerValues(request.headers);
      const view = { ...original(request, headers), headers, channel: undefined };
      const claims = await guard.check(view, expect && (() => expect(request)));
      return new Response(null, { status: 200, headers: identityHeaders(claims) });
    } catch (error) {
      const refusal =
        error instanceof RefusedRequest
          ? error
          : new RefusedRequest('ERR_INTERNAL', REQUEST_REFUSALS.ERR_INTERNAL, { cause: error });
      report(refusal, request);
      return responseOf(refusal);
    }
  };
}

type OriginalRequest = (request: Request, headers: HeaderValues) => Pick<CheckedRequest, 'method' | 'target'>;

function headersOf(names: { method: string; target: string }): OriginalRequest {
  return (_, headers) => {
    const [method, ...moreMethods] = headers(names.method);
    // A target may contain commas, which are taken for the end of a value.
    const targets = headers(names.target);
    return {
      method: moreMethods.length === 0 ? method : undefined,
      target: targets.length === 0 ? undefined : targets.join(','),
    };
  };
}

function envoyRequest(prefix: string): OriginalRequest {
  return (request) => {
    // What Envoy passes on is the target that it tells, not a URL that is made of it here.
    const { ofUrl, raw: target = ofUrl } = targetOf(request);
    if (!target.startsWith(prefix)) return { method: undefined, target: undefined };
    return { method: request.method, target: target.slice(prefix.length) };
  };
}

function identityHeaders(claims: AttestationClaims): Record<string, string> {
  const tee = claims['x-ms-isolation-tee'];
  const values: Record<(typeof IDENTITY_HEADERS)[number], unknown> = {
    'Attestation-Issuer': claims.iss,
    'Attestation-Type': claims['x-ms-attestation-type'],
    'Attestation-Tee': isJsonObject(tee) ? tee['x-ms-attestation-type'] : claims['x-ms-attestation-type'],
    'Attestation-Vm-Id': claims['x-ms-azurevm-vmid'],
  };
  // Always all of them, so that a proxy that copies them never leaves one of the client's in place.
  return Object.fromEntries(
    IDENTITY_HEADERS.map((name) => [name, isHeaderValue(values[name]) ? (values[name] as string) : '-']),
  );
}

function isHeaderValue(value: unknown): boolean {
  return typeof value === 'string' && /^[\x21-\x7e]{1,512}$/.test(value);
}
