import { createPublicKey, type KeyObject } from 'node:crypto';
import { nodeTransport } from '../../http/node-transport.js';
import type { Transport } from '../../http/transport.js';
import type { TokenCredential } from '../../maa/maa-client.js';
import { RELEASE_ALGORITHMS, type ReleaseAlgorithm } from '../../release/algorithm.js';
import type { ReleasePolicy } from '../../release/policy/policy.js';
import { wrappingKeyOfToken } from '../../release/wrapping-key.js';
import { type Answer, jsonAnswer } from '../http/behaviour.js';
import { LoopbackServer, type ReceivedRequest } from '../http/loopback-server.js';
import { type VaultFault, type VaultFaultName, vaultFaults } from './faults.js';
import { SimulatedIdentities, type SimulatedIdentity } from './identities.js';
import { VaultAuthority } from './pki.js';
import { draftRelease, finishRelease, type ReleaseDraft } from './release-draft.js';
import { bundleOf, changeKey, createdKey, type ImportRequest, importedKeyOptions } from './rest.js';
import { type SimulatedKeyOptions, type StoredKey, StoredKeys } from './stored-keys.js';
import { requirePolicy, verifyTarget } from './token-check.js';
import { badParameter, SERVICE_HEADERS, VaultRefusal } from './vault-refusal.js';

/** What an identity may do with the keys of a vault. */
export type VaultPermission = 'release' | 'get' | 'create' | 'import' | 'update';
const ALL_PERMISSIONS: readonly VaultPermission[] = ['release', 'get', 'create', 'import', 'update'];

export interface SimulatedKeyVaultOptions {
  /** Key Vault Premium (default), or Managed HSM: other headers, member order, types and policies. */
  flavour?: 'vault' | 'managed-hsm';
  /** Identities that ask for keys. Default: one of its own. */
  identities?: SimulatedIdentities;
  /** Certificate authorities that an attestation service's TLS is checked against: PEM, in place of Node's. */
  trust?: { ca?: string };
  /** Policy of keys that are created without one. */
  defaultPolicy?: ReleasePolicy;
  /** Vaults of the same name share the keys of their certificates. Default `default`. */
  authority?: string;
}

/** A key as a test sees it, private part included. */
export interface SimulatedKey {
  /** `https://VAULT/keys/NAME/VERSION`. */
  kid: string;
  name: string;
  version: string;
  /** Private key, or secret one. */
  keyObject: KeyObject;
}

const TENANT = '00000000-0000-0000-0000-000000000000';
const HOSTS = ['localhost'];

/**
 * A key vault on the loopback interface that releases keys as Azure's do: verifies attestation tokens by the keys that their
 * issuer publishes, evaluates the release policy, wraps to the token's key and signs the answer. HTTPS, with the
 * certificate that signs the answers, too.
 */
export class SimulatedKeyVault extends LoopbackServer {
  readonly flavour: 'vault' | 'managed-hsm';
  readonly identities: SimulatedIdentities;
  readonly #authority: VaultAuthority;
  readonly #keys = new StoredKeys();
  readonly #permissions = new Map<string, readonly VaultPermission[]>();
  readonly #transport: Transport;
  readonly #defaultPolicy: ReleasePolicy | undefined;
  readonly #faults: { fault: VaultFault; left: number }[] = [];
  #earlier: string | undefined;

  private constructor(authority: VaultAuthority, options: SimulatedKeyVaultOptions) {
    const { certificate, privateKey, chain } = authority.leaf;
    const pem = chain
      .slice(0, -1)
      .map((one) => one.pem)
      .join('');
    const privateKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    super({ ca: authority.root, certificate: { ...certificate, pem }, privateKeyPem });
    this.#authority = authority;
    this.flavour = options.flavour ?? 'vault';
    this.identities = options.identities ?? new SimulatedIdentities();
    this.#transport = nodeTransport({ proxy: false, ...(options.trust?.ca !== undefined && { ca: options.trust.ca }) });
    this.#defaultPolicy = options.defaultPolicy;
  }

  /** Starts a vault that listens on `https://localhost`. The caller closes it. */
  static async start(options: SimulatedKeyVaultOptions = {}): Promise<SimulatedKeyVault> {
    const authority = await VaultAuthority.create(options.authority ?? 'default', HOSTS);
    const vault = new SimulatedKeyVault(authority, options);
    await vault.listen();
    return vault;
  }

  /** Certificates that its own lead to, for `trustedRoots`: PEM. */
  get trustedRoots(): string[] {
    return [this.#authority.root.pem];
  }

  /** What access tokens have to be for, as Azure's. */
  get resource(): string {
    return this.flavour === 'vault' ? 'https://vault.azure.net' : 'https://managedhsm.azure.net';
  }

  get host(): string {
    return new URL(this.url).host;
  }

  /** Makes a key, or a new version of it. */
  createKey(name: string, options: SimulatedKeyOptions = {}): SimulatedKey {
    const policy = options.policy ?? (options.exportable === false ? undefined : this.#defaultPolicy);
    return this.#shown(this.#keys.create(name, { ...options, ...(policy && { policy }) }, this.flavour));
  }

  /** Changes what an identity may do; every identity may do everything until it is told otherwise. */
  permit(clientId: string, permissions: readonly VaultPermission[]): void {
    this.#permissions.set(clientId, permissions);
  }

  /** Makes the next releases go wrong in this way, `times` of them. */
  fail(name: VaultFaultName, times = 1): void {
    const fault: VaultFault = vaultFaults[name];
    if (fault.behaviour === undefined) this.#faults.push({ fault, left: times });
    else this.respond('*', { ...fault.behaviour, times });
  }

  /** Forgets every fault: answers are right again. */
  recover(): void {
    this.#faults.length = 0;
    this.clearBehaviours();
  }

  /** A credential of one of the identities, the first by default, for any client of Azure's. */
  credential(identity: SimulatedIdentity | undefined = this.identities.list[0]): TokenCredential {
    return {
      getToken: async (scopes: string | string[]) => {
        if (identity === undefined) return null;
        const resource = String(Array.isArray(scopes) ? scopes[0] : scopes).replace(/\/\.default$/, '');
        const { token, grant } = this.identities.issue(identity, resource);
        return { token, expiresOnTimestamp: grant.expires };
      },
    };
  }

  protected override async answer(request: ReceivedRequest): Promise<Answer> {
    try {
      const answer = await this.#route(request);
      return { ...answer, headers: { ...answer.headers, ...SERVICE_HEADERS() } };
    } catch (error) {
      if (error instanceof VaultRefusal) return error.answer();
      throw error;
    }
  }

  async #route(request: ReceivedRequest): Promise<Answer> {
    const identity = this.#authorized(request);
    // Clients that name no version write /keys/NAME//release and /keys/NAME/.
    const [root, name = '', ...rest] = request.url.pathname.split('/').filter((part) => part !== '');
    if (root !== 'keys' || name === '') throw new VaultRefusal(404, 'NotFound', 'There is no such resource.');
    const verb = rest.at(-1) === 'release' || rest.at(-1) === 'create' ? rest.pop() : undefined;
    const [version] = rest;
    if (!request.url.searchParams.has('api-version')) throw badParameter('The api-version query parameter is missing.');
    const { body } = request;
    switch (`${request.method} ${verb ?? ''}`) {
      case 'POST release':
        this.#require(identity, 'release');
        return jsonAnswer(200, { value: await this.#release(name, version, jsonOf(body)) });
      case 'POST create':
        this.#require(identity, 'create');
        return this.#bundle(this.#keys.create(name, createdKey(jsonOf(body)), this.flavour));
      case 'PUT ':
        this.#require(identity, 'import');
        return this.#bundle(this.#keys.create(name, importedKeyOptions(jsonOf(body) as ImportRequest), this.flavour));
      case 'GET ':
        this.#require(identity, 'get');
        return this.#bundle(this.#keys.find(name, version));
      case 'PATCH ':
        this.#require(identity, 'update');
        return this.#bundle(changeKey(this.#keys.find(name, version), jsonOf(body), version));
      default:
        throw new VaultRefusal(405, 'MethodNotAllowed', `${request.method} is not allowed.`);
    }
  }

  /** The identity of the access token. @throws VaultRefusal 401 with the challenge that Azure's clients wait for */
  #authorized({ headers }: ReceivedRequest): SimulatedIdentity {
    const challenge = {
      'www-authenticate': `Bearer authorization="https://login.windows.net/${TENANT}", resource="${this.resource}"`,
    };
    const [, token] = /^Bearer ([\x21-\x7e]+)$/.exec(headers.authorization ?? '') ?? [];
    if (token === undefined) {
      const missing = 'AKV10000: Request is missing a Bearer or PoP token.';
      throw new VaultRefusal(401, 'Unauthorized', missing, undefined, challenge);
    }
    const grant = this.identities.grantOf(token);
    if (grant === undefined) {
      throw new VaultRefusal(401, 'Unauthorized', 'AKV10009: The token is not valid.', undefined, challenge);
    }
    if (![this.resource, this.url].includes(grant.resource.replace(/\/$/, ''))) {
      const invalid = 'AKV10022: Invalid audience.';
      throw new VaultRefusal(401, 'Unauthorized', invalid, undefined, challenge);
    }
    return grant.identity;
  }

  #require({ clientId, objectId }: SimulatedIdentity, permission: VaultPermission): void {
    if ((this.#permissions.get(clientId) ?? ALL_PERMISSIONS).includes(permission)) return;
    const message =
      this.flavour === 'vault'
        ? `The user, group or application 'appid=${clientId};oid=${objectId}' does not have keys ${permission} permission on key vault 'simulated'.`
        : `Caller is not authorized to perform action 'keys/${permission}'.`;
    throw new VaultRefusal(403, 'Forbidden', message, this.flavour === 'vault' ? 'AccessDenied' : 'ForbiddenByRbac');
  }

  async #release(name: string, version: string | undefined, body: Record<string, unknown>): Promise<string> {
    const key = this.#keys.find(name, version);
    const { target, nonce, enc = 'CKM_RSA_AES_KEY_WRAP' } = body;
    if (typeof target !== 'string' || target === '') throw badParameter('The target property is required.');
    if (nonce !== undefined && typeof nonce !== 'string') throw badParameter('The nonce property must be a string.');
    if (typeof enc !== 'string' || !Object.hasOwn(RELEASE_ALGORITHMS, enc)) {
      throw badParameter('The enc property is not supported.');
    }
    if (!key.attributes.exportable || key.policy === undefined) throw badParameter('The key is not exportable.');
    if (!key.attributes.enabled)
      throw new VaultRefusal(403, 'Forbidden', 'Operation release is not allowed on a disabled key.', 'KeyDisabled');
    const claims = await verifyTarget(target, key.policy, this.#transport);
    requirePolicy(key.policy, claims);
    const wrapping = wrappingKeyOfToken(claims);
    if (wrapping === undefined) throw badParameter('The attestation has no RSA key that the key can be wrapped with.');
    const jwk = { kty: 'RSA', n: Buffer.from(wrapping.n).toString('base64url'), e: 'AQAB' };
    const kid = `${this.url}/keys/${key.name}`;
    return this.#finish({
      flavour: this.flavour,
      key,
      kid: `${kid}/${key.version}`,
      request: {
        'api-version': '7.4',
        enc,
        kid: version === undefined ? kid : `${kid}/${version}`,
        ...(nonce !== undefined && { nonce }),
      },
      enc: enc as ReleaseAlgorithm,
      wrappingKey: { kid: wrapping.kid, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) },
      certificate: this.#authority.leaf,
    });
  }

  #finish(parts: Parameters<typeof draftRelease>[0]): string {
    const draft: ReleaseDraft = draftRelease(parts);
    const entry = this.#faults[0];
    if (entry !== undefined && --entry.left <= 0) this.#faults.shift();
    entry?.fault.change?.(draft, { authority: this.#authority, hosts: HOSTS, earlier: this.#earlier });
    const value = finishRelease(draft);
    if (entry === undefined) this.#earlier = value;
    return value;
  }

  #bundle(key: StoredKey): Answer {
    return jsonAnswer(200, bundleOf(key, `${this.url}/keys/${key.name}/${key.version}`, this.flavour));
  }

  #shown({ name, version, keyObject }: StoredKey): SimulatedKey {
    return { kid: `${this.url}/keys/${name}/${version}`, name, version, keyObject };
  }
}

function jsonOf(body: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Not JSON.
  }
  throw badParameter('The request body is not valid JSON.');
}
