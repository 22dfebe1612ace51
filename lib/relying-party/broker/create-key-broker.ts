import { importTrusteeEvidence } from '../../abi/evidence-import.js';
import { canonicalJson } from '../../base/canonical-json.js';
import { AttestationError, ErrorCode, VerificationError } from '../../base/errors.js';
import { silentLogger } from '../../base/logger.js';
import { checkOptions } from '../../base/options.js';
import { evaluateReleasePolicy } from '../../release/policy/evaluate.js';
import { type Challenges, createChallenges } from '../challenges.js';
import { publishedVerification } from '../diagnostics.js';
import { digestOf, requireNamedMachines } from '../evidence-examination.js';
import { type ProvenClaims, provenClaims } from '../proven-claims.js';
import { isUnavailable } from '../refusals.js';
import { BrokerEvidence } from './broker-evidence.js';
import { type BrokerTokenContent, BrokerTokens } from './broker-token.js';
import { KEY_BROKER, type KeyBrokerOptions, type ResourcePolicy } from './options.js';
import {
  BrokerRefusal,
  type BrokerTee,
  brokerTeeOf,
  JSON_HEADERS,
  KBS_PREFIX,
  malformed,
  parseAttest,
  parseAuth,
  parseResourcePath,
  type ResourcePath,
  readJson,
  reportData,
} from './protocol.js';
import { encryptToRecipient, recipientKey } from './recipient-key.js';
import { noSession, SESSION_MS, SessionCookies } from './session-cookie.js';

const NONCE_CONTEXT = 'kbs-v1';
const EVIDENCE_VERSION = 2;

/**
 * A key broker for attested machines: the server of trustee's protocol (RCAR) 0.4, with the profiles of this hardware. Nothing
 * is kept between requests but used nonces, so any replica answers any request.
 *
 * `POST /kbs/v0/auth` gives a nonce, `POST /kbs/v0/attest` verifies the evidence that answers it, and
 * `GET /kbs/v0/resource/{repository}/{type}/{tag}` answers with a JWE to the key that the evidence is bound to.
 *
 * @throws {AttestationError} 8 when the options are wrong, and for a policy that does not name machines.
 */
export function createKeyBroker(options: KeyBrokerOptions): (request: Request) => Promise<Response> {
  const checked = checkOptions<KeyBrokerOptions>('createKeyBroker', options, KEY_BROKER);
  requireNamedMachines('createKeyBroker', checked.policy, checked.allowAnyMachine === true);
  const broker = new KeyBroker(checked);
  const { logger = silentLogger } = checked;
  return async (request) => {
    try {
      return await broker.answer(request);
    } catch (error) {
      return brokerRefusal(error, (message) => logger.error(message)).toResponse();
    }
  };
}

class KeyBroker {
  readonly #options: KeyBrokerOptions;
  readonly #evidence: BrokerEvidence;
  readonly #challenges: Challenges;
  readonly #cookies: SessionCookies;
  readonly #tokens: BrokerTokens;

  constructor(options: KeyBrokerOptions) {
    const { name, store, policy, trustedRoots, crls, allowAnyMachine, resourcePolicies } = options;
    const { clockToleranceMs, secureCookie = true } = options;
    const secrets = options.secret as Uint8Array[];
    this.#options = options;
    this.#evidence = new BrokerEvidence(options);
    const digest = digestOf({
      policy,
      trustedRoots,
      crls,
      allowAnyMachine,
      resourcePolicies: resourcePolicies && Object.entries(resourcePolicies).map(policyText).sort(),
    });
    this.#challenges = createChallenges({
      secret: secrets,
      store,
      lifetimeMs: SESSION_MS,
      ...(clockToleranceMs !== undefined && { clockToleranceMs }),
    });
    this.#cookies = new SessionCookies(secrets, name, digest, secureCookie);
    this.#tokens = new BrokerTokens(secrets, name, digest);
  }

  async answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith(`${KBS_PREFIX}/`)) throw new BrokerRefusal(404, 'NotFound', 'there is nothing here');
    const [step = '', ...rest] = pathname.slice(KBS_PREFIX.length + 1).split('/');
    const isPost = request.method === 'POST';
    if (step === 'auth' && rest.length === 0 && isPost) return this.#auth(request);
    if (step === 'attest' && rest.length === 0 && isPost) {
      return publishedVerification('key-broker', () => this.#attest(request));
    }
    if (step === 'resource' && request.method === 'GET') return this.#resource(request, rest.join('/'));
    const isStep = ['auth', 'attest', 'resource'].includes(step);
    throw isStep
      ? new BrokerRefusal(405, 'MethodNotAllowed', 'auth and attest are POST, resource is GET')
      : new BrokerRefusal(404, 'NotFound', 'there is nothing here');
  }

  async #auth(request: Request): Promise<Response> {
    const tee = parseAuth(await readJson(request));
    const nonce = this.#challenges.issue(NONCE_CONTEXT);
    const cookie = this.#cookies.seal('challenged', { nonce, tee, exp: Date.now() + SESSION_MS });
    return jsonAnswer({ nonce, 'extra-params': {} }, cookie);
  }

  async #attest(request: Request): Promise<Response> {
    const session = this.#cookies.open('challenged', request.headers.get('cookie'));
    const { nonce, teePubkey, primaryEvidence, additionalEvidence } = parseAttest(await readJson(request));
    if (nonce !== session.nonce) throw noSession('the nonce is not of this session');
    const challenge = this.#challenges.check(nonce, NONCE_CONTEXT);
    const recipient = recipientKey(teePubkey);
    if (recipient === undefined) {
      throw new BrokerRefusal(401, 'TeePubkey', 'tee-pubkey must be RSA of 2048 bits or more, P-256, P-384 or P-521');
    }
    const bound = reportData(nonce, teePubkey, additionalEvidence);
    const claims = await this.#verify(session.tee, primaryEvidence, bound);
    await challenge.claim();
    const content = { key: recipient.jwk, claims };
    const cookie = this.#cookies.seal('attested', { ...content, exp: Date.now() + SESSION_MS });
    return jsonAnswer({ token: await this.#tokens.issue(content) }, cookie);
  }

  async #verify(tee: BrokerTee, primary: Record<string, unknown>, bound: Uint8Array): Promise<ProvenClaims> {
    // Taken for an older version, evidence of version 2 would prove less.
    if (primary.version !== EVIDENCE_VERSION) throw new VerificationError('ERR_KBS_EVIDENCE_VERSION', 'not version 2');
    const result = await this.#evidence.verify(importTrusteeEvidence(JSON.stringify(primary)), bound);
    if (brokerTeeOf(result.tee) !== tee) throw new VerificationError('ERR_KBS_TEE', 'evidence of another TEE');
    return provenClaims(result, this.#options.name);
  }

  async #resource(request: Request, place: string): Promise<Response> {
    const session = await this.#session(request);
    const path = parseResourcePath(place);
    if (path === undefined) throw new BrokerRefusal(404, 'ResourceNotFound', 'there is no such resource');
    if (!(await this.#isAllowed(path, session.claims))) {
      throw new BrokerRefusal(403, 'PolicyDeny', 'the policy does not give this resource to this machine');
    }
    const resource = await this.#options.resources(path);
    if (resource === undefined) throw new BrokerRefusal(404, 'ResourceNotFound', 'there is no such resource');
    const recipient = recipientKey(session.key);
    if (recipient === undefined) throw noSession('the session has no key');
    const {
      protected: header,
      encrypted_key,
      iv,
      ciphertext,
      tag,
    } = await encryptToRecipient(recipient.key, recipient.jwk.alg, resource);
    return jsonAnswer({ protected: header, encrypted_key, iv, ciphertext, tag });
  }

  async #session(request: Request): Promise<BrokerTokenContent> {
    const authorization = request.headers.get('authorization');
    if (authorization === null) return this.#cookies.open('attested', request.headers.get('cookie'));
    const [scheme = '', token = '', ...rest] = authorization.split(' ');
    if (scheme.toLowerCase() !== 'bearer' || rest.length > 0) throw noSession('the token cannot be read');
    return this.#tokens.open(token);
  }

  async #isAllowed(path: ResourcePath, claims: ProvenClaims): Promise<boolean> {
    const { resourcePolicies } = this.#options;
    if (resourcePolicies === undefined) return true;
    const names = [path.repository, path.type, path.tag];
    let isNamed = false;
    for (const [pattern, policy] of Object.entries(resourcePolicies)) {
      const isAbout = pattern.split('/').every((segment, index) => segment === '*' || segment === names[index]);
      if (!isAbout) continue;
      isNamed = true;
      const isMet =
        typeof policy === 'function'
          ? (await policy(claims, path)) === true
          : evaluateReleasePolicy(policy, claims).released;
      if (!isMet) return false;
    }
    return isNamed;
  }
}

/** A resource's policy as text, of a function its source: replicas of one version have the same. */
function policyText([pattern, policy]: [string, ResourcePolicy]): string {
  return `${pattern} ${typeof policy === 'function' ? `function ${String(policy)}` : canonicalJson(policy)}`;
}

function jsonAnswer(body: object, cookie?: string): Response {
  const headers = new Headers(JSON_HEADERS);
  if (cookie !== undefined) headers.set('Set-Cookie', cookie);
  return new Response(JSON.stringify(body), { status: 200, headers });
}

/** Every way in which a step can fail, as the protocol says it. What was expected is not told. */
function brokerRefusal(error: unknown, log: (message: string) => void): BrokerRefusal {
  if (error instanceof BrokerRefusal) return error;
  if (error instanceof VerificationError) {
    if (isUnavailable(error.code)) return new BrokerRefusal(503, 'Unavailable', 'try again', error.code);
    return new BrokerRefusal(401, 'AttestationFailed', `the evidence is refused: ${error.code}`, error.code);
  }
  if (error instanceof AttestationError) {
    const { HCL_REPORT_PARSING_FAILURE, HCL_REPORT_EMPTY } = ErrorCode;
    if (error.code === HCL_REPORT_PARSING_FAILURE || error.code === HCL_REPORT_EMPTY) return malformed();
  }
  log(`the key broker failed: ${error instanceof Error ? error.message : String(error)}`);
  return new BrokerRefusal(500, 'Internal', 'the request could not be answered');
}
