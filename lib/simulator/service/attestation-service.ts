import { randomBytes } from 'node:crypto';
import { type Answer, jsonAnswer } from '../http/behaviour.js';
import { LoopbackServer, type ReceivedRequest } from '../http/loopback-server.js';
import type { LoopbackTls } from '../pki/tls.js';
import { type PublishedKey, type TokenSigner, unsignedToken } from '../pki/token-signer.js';
import { policyHash } from './claims.js';
import { type EnvelopeOptions, sealToken } from './envelope.js';
import { attestGuest } from './guest-attestation.js';
import { parseGuestRequest } from './guest-request.js';
import type { JsonObject } from './json.js';
import { attestPlatform, attestTdPlatform } from './platform-attestation.js';
import { ServiceRefusal } from './refusal.js';
import type { ServiceTrust } from './trust.js';

/** Paths of the attestation service. */
export const attestationPaths = {
  guest: '/attest/AzureGuest',
  platform: '/attest/SevSnpVm',
  tdPlatform: '/attest/TdxVm',
  keys: '/certs',
  openIdConfiguration: '/.well-known/openid-configuration',
} as const;

const apiVersions: Record<string, readonly string[]> = {
  [attestationPaths.guest]: ['2020-10-01'],
  [attestationPaths.platform]: ['2022-08-01', '2023-04-01-preview', '2025-06-01'],
  [attestationPaths.tdPlatform]: ['2023-04-01-preview', '2025-06-01'],
};

const defaultPolicy = 'version= 1.0; authorizationrules{=> permit();}; issuancerules{};';

export interface AttestationServiceOptions {
  trust: ServiceTrust;
  signer: TokenSigner;
  tls?: LoopbackTls | undefined;
  /** Default eight hours. */
  tokenLifetimeSeconds?: number | undefined;
  /** When set, attesting takes this bearer token, as private instances do. */
  bearerToken?: string | undefined;
}

/**
 * A stand-in for an Azure Attestation instance that verifies all of the evidence it gets, by code of its own, and
 * refuses what is wrong with a 400 and the reason.
 */
export class SimulatedAttestationService extends LoopbackServer {
  readonly #options: AttestationServiceOptions;
  readonly #envelopes: { options: EnvelopeOptions; left: number }[] = [];
  /** Signs the tokens from now on; its key replaces the published one. */
  signer: TokenSigner;
  /** Claims that are added to every token from now on, or replace what the service would say. */
  extraClaims: JsonObject = {};

  constructor(options: AttestationServiceOptions) {
    super(options.tls);
    this.#options = options;
    this.signer = options.signer;
  }

  /** The published keys, with modulus and exponent. */
  get tokenKeys(): { keys: PublishedKey[] } {
    return { keys: [this.signer.publishedKey] };
  }

  /** Makes the next guest tokens come in envelopes of these kinds, `times` each. */
  sealNext(...envelopes: EnvelopeOptions[]): void {
    this.#envelopes.push(...envelopes.map((options) => ({ options, left: options.times ?? 1 })));
  }

  protected override async answer(request: ReceivedRequest): Promise<Answer> {
    try {
      return await this.#route(request);
    } catch (error) {
      if (error instanceof ServiceRefusal) return cloudError(400, error.code, error.message);
      throw error;
    }
  }

  async #route(request: ReceivedRequest): Promise<Answer> {
    const path = Object.values(attestationPaths).find(
      (known) => known.toLowerCase() === request.url.pathname.toLowerCase(),
    );
    switch (path) {
      case attestationPaths.keys:
        return jsonAnswer(200, { keys: this.tokenKeys.keys.map(({ kid, kty, use, x5c }) => ({ kid, kty, use, x5c })) });
      case attestationPaths.openIdConfiguration:
        return jsonAnswer(200, this.#openIdConfiguration());
      case attestationPaths.guest:
      case attestationPaths.platform:
      case attestationPaths.tdPlatform:
        return this.#checkAttestCall(request, path) ?? (await this.#attest(request, path));
      default:
        return cloudError(404, 'NotFound', `no resource ${request.url.pathname}`);
    }
  }

  /** What is wrong with an attest call before its body is looked at. */
  #checkAttestCall({ method, headers, url }: ReceivedRequest, path: string): Answer | undefined {
    if (method !== 'POST') return cloudError(405, 'MethodNotAllowed', `${method} is not allowed`);
    const { bearerToken } = this.#options;
    if (bearerToken !== undefined && headers.authorization !== `Bearer ${bearerToken}`) {
      return cloudError(401, 'Unauthorized', 'this instance wants a bearer token');
    }
    if (!/^application\/json\b/i.test(headers['content-type'] ?? '')) {
      return cloudError(415, 'UnsupportedMediaType', 'the body has to be application/json');
    }
    const version = url.searchParams.get('api-version');
    if (!version || !apiVersions[path]?.includes(version)) {
      return cloudError(400, 'UnsupportedApiVersion', `api-version ${version ?? 'is missing'}`);
    }
    return undefined;
  }

  async #attest({ body }: ReceivedRequest, path: string): Promise<Answer> {
    if (path !== attestationPaths.guest) {
      const attest = path === attestationPaths.platform ? attestPlatform : attestTdPlatform;
      const { claims, draftPolicy } = await attest(body, this.#options.trust);
      const complete = this.#complete(claims, draftPolicy ?? defaultPolicy);
      return jsonAnswer(200, { token: draftPolicy === undefined ? this.#sign(complete) : unsignedToken(complete) });
    }
    const { claims, evidence } = await attestGuest(parseGuestRequest(body), this.#options.trust);
    const token = this.#sign(this.#complete(claims, defaultPolicy));
    return jsonAnswer(200, { token: sealToken(token, evidence.encryptionKey, this.#takeEnvelope()) });
  }

  #takeEnvelope(): EnvelopeOptions | undefined {
    const entry = this.#envelopes[0];
    if (entry && --entry.left <= 0) this.#envelopes.shift();
    return entry?.options;
  }

  /** Adds who says it and for how long; members in the order of their names, as the service writes them. */
  #complete(claims: JsonObject, policy: string): JsonObject {
    const issuedAt = Math.floor(this.#options.trust.now().getTime() / 1000);
    const all: JsonObject = {
      ...claims,
      exp: issuedAt + (this.#options.tokenLifetimeSeconds ?? 8 * 3600),
      iat: issuedAt,
      iss: this.url,
      jti: randomBytes(32).toString('hex'),
      nbf: issuedAt,
      'x-ms-policy-hash': policyHash(policy),
      'x-ms-ver': '1.0',
      ...this.extraClaims,
    };
    return Object.fromEntries(
      Object.keys(all)
        .sort()
        .map((name) => [name, all[name]]),
    );
  }

  #sign(claims: JsonObject): string {
    return this.signer.sign(claims, { jku: `${this.url}/certs` });
  }

  #openIdConfiguration(): JsonObject {
    return {
      issuer: this.url,
      jwks_uri: `${this.url}/certs`,
      response_types_supported: ['token', 'none'],
      id_token_signing_alg_values_supported: ['RS256'],
      claims_supported: ['iss', 'iat', 'exp', 'nbf', 'jti', 'nonce', 'x-ms-attestation-type', 'x-ms-isolation-tee'],
    };
  }
}

function cloudError(status: number, code: string, message: string): Answer {
  return jsonAnswer(status, { error: { code, message } });
}
