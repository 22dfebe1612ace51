import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { silentLogger } from '../../base/logger.js';
import { callable } from '../../base/option-kinds.js';
import { checkOptions, invalid, type OptionTable } from '../../base/options.js';
import type { TokenPolicy } from '../../token/policy.js';
import type { ChannelAttestation } from './channel.js';
import { type CheckedRequest, GUARD_OPTIONS, type GuardOptions, RequestGuard } from './check-request.js';
import type { RefusedRequest } from './refused-request.js';
import { headerValues } from './request-headers.js';
import { type RefusalHook, rememberAttestation, reportRefusal } from './request-observer.js';

/** A request of node:http, of http2's compatibility API, or of Express. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;
export type NodeResponse = ServerResponse | Http2ServerResponse;

export type ExpectHook<Request> = (request: Request) => TokenPolicy | Promise<TokenPolicy>;

export interface AdapterOptions<Request> extends GuardOptions {
  /**
   * What this very request's token must say besides, for instance the nonce that its session was given: an object with at
   * least one expectation. Anything else, and what relaxes (`allowDebug: true`, `requireTpm: false`, `attestationType`), is an
   * internal error (500), never a pass.
   */
  expect?: ExpectHook<Request>;
  /** Told of every refusal, 500 included. */
  onRefusal?: RefusalHook<Request>;
}

export type RequireAttestationOptions = AdapterOptions<NodeRequest>;

/**
 * Lets a request through or answers it. Resolves with whether it was let through; calls `next` then, or with the error
 * when something went wrong that is neither the client's nor the issuer's fault.
 */
export type AttestationGuard = (
  request: NodeRequest,
  response: NodeResponse,
  next?: (error?: unknown) => void,
) => Promise<boolean>;

/**
 * Guards a server: only requests that {@link GuardOptions} describes pass. The others are answered 401, or 503 when the
 * issuer's keys or the replay store cannot be had, with `{"error":{"code":"ERR_…","message":"…"}}`. What was expected is not
 * said, so that nobody learns the policy by it. Headers that were set before survive.
 *
 * Works on `node:http` and http2 (`if (!(await guard(request, response))) return;`, and do not forget the `await`) and as
 * Express middleware (`app.use(guard)`); for Fastify there is `fastifyAttestation`.
 *
 * @throws {AttestationError} 8 when the options are wrong.
 */
export function requireAttestation(options: RequireAttestationOptions): AttestationGuard {
  const { guard, expect, report } = adapter<NodeRequest>('requireAttestation', options);
  return (request, response, next) => {
    const view = requestView(request);
    if (typeof response?.setHeader !== 'function') throw misuse();
    return decide();

    async function decide(): Promise<boolean> {
      try {
        const claims = await guard.check(view, expect && (() => expect(request)));
        rememberAttestation(claims, request);
      } catch (error) {
        const refusal = error as RefusedRequest;
        report(refusal, request);
        if (refusal.code === 'ERR_INTERNAL' && next !== undefined) next(refusal.cause);
        else answer(response, refusal);
        return false;
      }
      next?.();
      return true;
    }
  };
}

interface Adapter<Request> {
  guard: RequestGuard;
  expect: ExpectHook<Request> | undefined;
  /** Tells `onRefusal`, where there is one. */
  report: (refusal: RefusedRequest, request: Request) => void;
}

/** What every adapter makes of its options. @throws {AttestationError} 8 when they are wrong. */
export function adapter<Request>(what: string, options: AdapterOptions<Request>): Adapter<Request> {
  const table = { ...GUARD_OPTIONS, expect: callable(), onRefusal: callable() };
  const { expect, onRefusal, ...guard } = checkOptions(
    what,
    options,
    table as unknown as OptionTable<AdapterOptions<Request>>,
  );
  const { logger = silentLogger } = guard as GuardOptions;
  return {
    guard: new RequestGuard(guard as GuardOptions),
    expect,
    report: (refusal, request) => reportRefusal(onRefusal, refusal, request, logger),
  };
}

/** What the decision needs of a request of node:http or http2. */
export function requestView(request: NodeRequest): CheckedRequest {
  if (!Array.isArray(request?.rawHeaders) || typeof request.url !== 'string') throw misuse();
  const socket = request.socket as { attestation?: ChannelAttestation } | undefined;
  // A router of Express takes the path that it is mounted at off `url`.
  const { originalUrl } = request as { originalUrl?: unknown };
  return {
    headers: headerValues(request.rawHeaders),
    method: request.method,
    target: typeof originalUrl === 'string' ? originalUrl : request.url,
    channel: socket?.attestation,
  };
}

function answer(response: NodeResponse, refusal: RefusedRequest): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
  response.statusCode = refusal.status;
  response.end(refusal.body);
}

function misuse(): Error {
  return invalid(
    'requireAttestation(options) takes a request and a response of node:http, http2 or Express: for Fastify use ' +
      'fastifyAttestation, for a web Request attestationFetchGuard',
  );
}
