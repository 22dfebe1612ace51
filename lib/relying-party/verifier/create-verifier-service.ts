import { EVIDENCE_JSON_LIMITS } from '../../abi/evidence-json.js';
import { answerWithin } from '../../base/abort.js';
import { AttestationError, ErrorCode, VerificationError } from '../../base/errors.js';
import { type Logger, silentLogger } from '../../base/logger.js';
import { checkOptions } from '../../base/options.js';
import { explainToken } from '../../node/token.js';
import { type Challenges, createChallenges } from '../challenges.js';
import { publishedVerification } from '../diagnostics.js';
import { digestOf, requireNamedMachines } from '../evidence-examination.js';
import { isUnavailable } from '../refusals.js';
import { RevocationLists } from '../revocation-lists.js';
import { type PlainAnswer, type PlainRequest, webHandler } from '../server/exchange.js';
import { type AppraisalTerms, type AppraisedRequest, Appraiser, CHALLENGE_CONTEXT, publicCheck } from './appraise.js';
import { EAR_PROFILE, type EarSubmodule, evidenceSubmodule, tokenSubmodule } from './attestation-result.js';
import { BodyBudget, busy } from './body-budget.js';
import { fetchedCollateral } from './fetched-collateral.js';
import { ServiceMetrics } from './metrics.js';
import { openApiDocument } from './openapi.js';
import { VERIFIER_SERVICE, type VerifierServiceOptions } from './options.js';
import { parseTokenRequest, ServiceRefusal } from './requests.js';
import { publicKeySet, type SigningKey, signResult } from './signing-keys.js';
import { WorkerPool, workerEnded } from './worker-pool.js';

/** A verifier service: the handler of web `Request`s, and what ends its threads. */
export interface VerifierService {
  (request: Request): Promise<Response>;
  /** Begins no more verifications, lets those in progress end within ten seconds, and ends the threads. */
  close(): Promise<void>;
}

/** What evidence may have as JSON, and the request's own members. */
const DEFAULT_BODY_BYTES = EVIDENCE_JSON_LIMITS.bytes + 64 * 1024;
/** How many bodies may be in memory before they are verified, if all are as large as they may be; `maxConcurrent` if it is more. */
const BODIES = 64;
/** For verifications in progress when the service is closed. */
const GRACE_MS = 10_000;
const DEVELOPER = 'cvm-guest-attestation';

/**
 * A verifier for others: evidence or a token in, a signed attestation result (EAR) out. `POST /v1/challenge`,
 * `POST /v1/evidence`, `POST /v1/token`, `GET /.well-known/jwks.json`, `/openapi.json`, `/healthz`, `/readyz`, `/metrics`.
 *
 * A result is good for five minutes at most and for one audience. `nonce` stands in it only when it was proven: as a challenge
 * of this service, or as the quote's nonce under one of `contexts`; evidence without is not affirmed. It is a bearer token:
 * whoever takes it checks `typ` (`ear+jwt`), `aud`, `exp` and `nonce`.
 *
 * @throws {AttestationError} 8 when the options are wrong, and for a policy that does not name machines.
 */
export function createVerifierService(options: VerifierServiceOptions): VerifierService {
  const checked = checkOptions<VerifierServiceOptions>('createVerifierService', options, VERIFIER_SERVICE);
  requireNamedMachines('createVerifierService', checked.policy, checked.allowAnyMachine === true);
  const service = new Verifier(checked);
  const { logger = silentLogger } = checked;
  const answered = async (request: PlainRequest): Promise<PlainAnswer> => {
    try {
      return await service.answer(request);
    } catch (error) {
      return serviceRefusal(error, (message) => logger.error(message)).toAnswer();
    }
  };
  const handler = async (request: PlainRequest): Promise<PlainAnswer> => {
    if (request.method !== 'HEAD') return answered(request);
    const { path } = request;
    return withoutBody(await answered({ method: 'GET', path, body: (maxBytes) => request.body(maxBytes) }));
  };
  return Object.assign(webHandler(handler), { close: () => service.close() });
}

class Verifier {
  readonly #options: VerifierServiceOptions;
  readonly #issuer: string;
  readonly #keys: readonly SigningKey[];
  readonly #appraiser: Pick<Appraiser, 'appraise'>;
  readonly #policyId: string;
  readonly #challenges: Challenges;
  readonly #metrics = new ServiceMetrics();
  readonly #workers: WorkerPool | undefined;
  readonly #crls: RevocationLists | undefined;
  readonly #bodies: BodyBudget;
  readonly #running = new Set<Promise<VerifierAnswer>>();
  readonly #maxConcurrent: number;
  readonly #deadlineMs: number;
  readonly #logger: Logger;
  #closed = false;

  constructor(options: VerifierServiceOptions) {
    const {
      policy,
      trustedRoots,
      crls,
      now,
      allowAnyMachine,
      store,
      clockToleranceMs,
      collateral,
      workers = 0,
      maxConcurrent = 64,
      maxBodyBytes = DEFAULT_BODY_BYTES,
    } = options;
    this.#options = options;
    this.#issuer = (options.issuer as URL).href.replace(/\/$/, '');
    this.#keys = options.signingKeys as unknown as SigningKey[];
    const terms: AppraisalTerms = {
      audiences: options.audiences,
      contexts: options.contexts ?? [],
      demands: {
        ...(policy && { policy }),
        ...(trustedRoots && { trustedRoots }),
        ...(crls && typeof crls !== 'function' && { crls }),
        ...(now && { now }),
      },
      ...(collateral && typeof collateral !== 'function' && { collateral }),
    };
    this.#policyId = `sha-256:${digestOf({ policy, trustedRoots, crls, allowAnyMachine }).toString('base64url')}`;
    this.#challenges = createChallenges({
      secret: options.secret,
      store,
      ...(clockToleranceMs !== undefined && { clockToleranceMs }),
    });
    this.#maxConcurrent = maxConcurrent;
    this.#bodies = new BodyBudget(maxBodyBytes, Math.max(BODIES, maxConcurrent));
    this.#deadlineMs = options.collateralDeadlineMs ?? 10_000;
    this.#logger = options.logger ?? silentLogger;
    this.#crls = typeof crls === 'function' ? new RevocationLists(crls, this.#deadlineMs, this.#logger) : undefined;
    // Also before workers read the same: they could tell nobody.
    const appraiser = new Appraiser(terms);
    this.#workers = workers > 0 ? new WorkerPool(workers, terms) : undefined;
    this.#appraiser = this.#workers ?? appraiser;
  }

  async close(): Promise<void> {
    this.#closed = true;
    // Here and not in the pool: what lacks collateral or a list is appraised twice.
    await answerWithin(GRACE_MS, Promise.allSettled(this.#running)).catch(() => {});
    await this.#workers?.close();
  }

  async answer(request: PlainRequest): Promise<PlainAnswer> {
    switch (`${request.method} ${request.path}`) {
      case 'POST /v1/challenge':
        return json({ challenge: this.#challenges.issue(CHALLENGE_CONTEXT) });
      case 'POST /v1/evidence':
        return this.#measured(request, (text) => this.#evidence(text));
      case 'POST /v1/token':
        return this.#measured(request, (text) => this.#token(text));
      case 'GET /.well-known/jwks.json':
        return json(publicKeySet(this.#keys), { 'Cache-Control': 'public, max-age=300' });
      case 'GET /openapi.json':
        return json(openApiDocument(this.#issuer));
      case 'GET /healthz':
        return json({ status: 'ok' });
      case 'GET /readyz':
        if (this.#closed) throw closing();
        if (this.#workers?.ready === false) throw workerEnded();
        return json({ status: 'ok' });
      case 'GET /metrics':
        return {
          status: 200,
          headers: { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8', 'Cache-Control': 'no-store' },
          body: this.#metrics.text(),
        };
      default:
        throw nothingHere(request);
    }
  }

  /** A request is in progress from when all of it is there: one that does not come on keeps nobody out. */
  async #measured(request: PlainRequest, work: (text: string) => Promise<VerifierAnswer>): Promise<PlainAnswer> {
    this.#admit();
    const text = await this.#bodies.read(request);
    this.#admit();
    const answered = this.#metrics.measure(
      () => work(text),
      ({ result, error }) => (result === undefined ? codeOf(error) : (result.code ?? 'ok')),
    );
    this.#running.add(answered);
    const settled = () => this.#running.delete(answered);
    answered.then(settled, settled);
    const { ear } = await publishedVerification(
      'verifier-service',
      () => answered,
      ({ code }) => code,
    );
    // A JWS has nothing that JSON would escape.
    return json(`{"ear":"${ear}"}`);
  }

  #admit(): void {
    if (this.#closed) throw closing();
    if (this.#metrics.inProgress >= this.#maxConcurrent) throw busy();
  }

  async #evidence(text: string): Promise<VerifierAnswer> {
    const { audience, challenge, nonce, appraisal } = await this.#appraise(text);
    const issued = challenge === undefined ? undefined : this.#challenges.check(challenge, CHALLENGE_CONTEXT);
    // After everything else is verified, and before a result says so.
    if (appraisal.nonceProven) await issued?.claim();
    return this.#result(evidenceSubmodule(appraisal), {
      audience,
      nonce: appraisal.nonceProven ? (challenge ?? nonce) : undefined,
      notAfter: appraisal.notAfter,
      thumbprint: appraisal.nonceProven ? appraisal.akThumbprint : undefined,
    });
  }

  async #appraise(text: string): Promise<AppraisedRequest> {
    const { collateral } = this.#options;
    const crls = this.#crls?.current;
    const appraised = await this.#appraiser.appraise(text, crls && { crls });
    const { lacksCollateral, lacksCrl } = appraised;
    if (lacksCrl !== undefined && this.#crls !== undefined) {
      return this.#appraiser.appraise(text, { crls: [await this.#crls.get(lacksCrl)] });
    }
    if (lacksCollateral === undefined || typeof collateral !== 'function') return appraised;
    const quote = Uint8Array.from(Buffer.from(lacksCollateral, 'base64'));
    const fetched = await fetchedCollateral(collateral, quote, this.#deadlineMs, this.#logger);
    return fetched === undefined ? appraised : this.#appraiser.appraise(text, { crls, collateral: fetched });
  }

  async #token(text: string): Promise<VerifierAnswer> {
    const { audiences, tokens } = this.#options;
    const { token, audience } = parseTokenRequest(text, audiences);
    if (tokens === undefined) throw new ServiceRefusal(404, 'ERR_NOT_FOUND', 'no tokens are taken here');
    const { now } = this.#options;
    const result = await explainToken(token, now === undefined ? tokens : Object.assign({}, tokens, { now }));
    const unavailable = result.checks.find(({ code }) => code === 'ERR_TOKEN_KEYS_UNAVAILABLE');
    if (unavailable !== undefined) {
      throw new ServiceRefusal(503, 'ERR_TOKEN_KEYS_UNAVAILABLE', 'the issuer’s keys cannot be had');
    }
    return this.#result(tokenSubmodule(result.ok, result.checks.map(publicCheck)), {
      audience,
      notAfter: result.ok ? result.claims.exp * 1000 : undefined,
    });
  }

  async #result(
    submodule: EarSubmodule,
    { audience, nonce, notAfter, thumbprint }: ResultFacts,
  ): Promise<VerifierAnswer> {
    const { resultLifetimeMs = 300_000 } = this.#options;
    const now = Date.now();
    const end = Math.min(now + resultLifetimeMs, notAfter ?? Number.POSITIVE_INFINITY);
    const ear = await signResult(this.#keys, {
      eat_profile: EAR_PROFILE,
      iss: this.#issuer,
      aud: audience,
      iat: Math.floor(now / 1000),
      exp: Math.floor(end / 1000),
      'ear.verifier-id': { developer: DEVELOPER, build: this.#issuer },
      submods: { cvm: { 'ear.appraisal-policy-id': this.#policyId, ...submodule } },
      ...(nonce !== undefined && { nonce, eat_nonce: nonce }),
      ...(thumbprint !== undefined && { cnf: { jkt: thumbprint } }),
    });
    const failed = submodule['cvm-guest-attestation.checks'].find(({ ok }) => !ok);
    return { ear, code: failed?.code };
  }
}

const POSTED: readonly string[] = ['/v1/challenge', '/v1/evidence', '/v1/token'];
const READ: readonly string[] = ['/.well-known/jwks.json', '/openapi.json', '/healthz', '/readyz', '/metrics'];

function nothingHere({ path }: PlainRequest): ServiceRefusal {
  const allow = POSTED.includes(path) ? 'POST' : READ.includes(path) ? 'GET, HEAD' : undefined;
  if (allow !== undefined) return new ServiceRefusal(405, 'ERR_METHOD', `this path takes ${allow}`, allow);
  return new ServiceRefusal(404, 'ERR_NOT_FOUND', 'there is nothing here: see /openapi.json');
}

/** To HEAD: what GET would be answered. */
function withoutBody({ status, headers, body }: PlainAnswer): PlainAnswer {
  return { status, headers: { 'Content-Length': String(Buffer.byteLength(body)), ...headers }, body: '' };
}

const closing = (): ServiceRefusal => new ServiceRefusal(503, 'ERR_CLOSING', 'the service is closing');

interface VerifierAnswer {
  ear: string;
  /** Of the first check that failed. */
  code: string | undefined;
}

interface ResultFacts {
  audience: string;
  nonce?: string | undefined;
  notAfter?: number | undefined;
  thumbprint?: string | undefined;
}

/** @param body a text is JSON already */
function json(body: object | string, headers: Record<string, string> = { 'Cache-Control': 'no-store' }): PlainAnswer {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status: 200, headers: { 'Content-Type': 'application/json', ...headers }, body: text };
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : typeof code === 'number' ? `ERR_${code}` : 'ERR_INTERNAL';
}

function serviceRefusal(error: unknown, log: (message: string) => void): ServiceRefusal {
  if (error instanceof ServiceRefusal) return error;
  if (error instanceof VerificationError) {
    const status = isUnavailable(error.code) ? 503 : 401;
    return new ServiceRefusal(status, error.code, error.message);
  }
  const isUnreadable =
    error instanceof AttestationError &&
    (error.code === ErrorCode.HCL_REPORT_PARSING_FAILURE || error.code === ErrorCode.HCL_REPORT_EMPTY);
  if (isUnreadable) return new ServiceRefusal(400, 'ERR_EVIDENCE', 'the evidence cannot be read');
  log(`the verifier failed: ${error instanceof Error ? error.message : String(error)}`);
  return new ServiceRefusal(500, 'ERR_INTERNAL', 'the request could not be answered');
}
