import {
  abortSignal,
  bytesOrText,
  date,
  flag,
  listOf,
  text,
  textLike,
  unchecked,
  withMethods,
} from '../base/option-kinds.js';
import { checkOptions, invalid, nested, type OptionTable, required } from '../base/options.js';
import { parseServiceUrl } from '../http/service-url.js';
import { type ManagedIdentity, ManagedIdentityCredential } from '../imds/managed-identity.js';
import { encodeClientPayload } from '../maa/client-payload.js';
import type { TokenCredential } from '../maa/maa-client.js';
import { DEFAULT_RELEASE_ALGORITHM, type ReleaseAlgorithm } from '../release/algorithm.js';
import { releaseAlgorithm } from '../release/options.js';
import { parseReleasePolicy } from '../release/policy/parse.js';
import type { ReleasePolicy } from '../release/policy/policy.js';
import { DEFAULT_VAULT_API_VERSION, freshNonce, vaultSettings } from '../release/vault-client.js';
import type { VaultConnection } from '../release/vault-exchange.js';
import { locateKey, type VaultKey } from '../release/vault-host.js';
import type { VerifyTokenOptions } from '../token/options.js';
import type { AttestationService } from './attest.js';
import type { ClientSettings } from './client-settings.js';
import { ownTokenOptions } from './token-verification.js';

/** Options of a call that takes nothing but a signal. */
export const RELEASE_OPTIONS: OptionTable<{ signal?: AbortSignal }> = { signal: abortSignal };

/** Which key, and how it is asked for. */
export interface ReleaseKeyParameters {
  /** `https://contoso.vault.azure.net/keys/NAME[/VERSION]`; or `vaultUrl` and `keyName`. */
  keyId?: string;
  vaultUrl?: string;
  keyName?: string;
  /** Default: the newest version. */
  keyVersion?: string;
  /** The attestation service: an authority of the key's release policy. */
  attestationUrl: string;
  /** Who asks. Default: the managed identity of this VM. */
  credential?: TokenCredential;
  /** Which managed identity, where the VM has several. */
  managedIdentity?: ManagedIdentity;
  /** How the key is wrapped on its way. Default `RSA_AES_KEY_WRAP_256`; `CKM_RSA_AES_KEY_WRAP` is SHA-1. */
  algorithm?: ReleaseAlgorithm;
  /** Default: 32 fresh random bytes in base64url. */
  nonce?: string;
  /** Refuses an answer that does not repeat the nonce. Default false: services are not known to. */
  requireNonceEcho?: boolean;
  /** As for `attest`. Default: a fresh nonce. */
  clientPayload?: string | Record<string, unknown>;
  /** A token of `attest()` of this machine, in place of a new one. When it has gone stale a new one is asked for. */
  token?: string;
  /** Of the vault's REST API. Default `7.4`. */
  apiVersion?: string;
  /** Certificates (PEM or DER) that the vault's must lead to. Default: those of the client. */
  trustedRoots?: readonly (Uint8Array | string)[];
  /** Hosts besides Azure's that are a vault. Default: those of the client. */
  allowedHosts?: readonly string[];
  /** Scope of the access token, for hosts that are neither Azure's nor allowed. */
  scope?: string;
  /** The release policy of the key, for the explanation of a refusal. Default: the vault is asked for it then. */
  releasePolicy?: ReleasePolicy | string | { readonly data: string };
  /** The time to verify at; the current one by default. */
  now?: Date;
}

const PARAMETERS: OptionTable<ReleaseKeyParameters> = {
  keyId: text,
  vaultUrl: text,
  keyName: text,
  keyVersion: text,
  attestationUrl: required(unchecked<string>()),
  credential: withMethods<TokenCredential>('getToken'),
  managedIdentity: nested<ManagedIdentity>({ clientId: text, objectId: text, resourceId: text }),
  algorithm: releaseAlgorithm,
  nonce: textLike(/^[\x21-\x7e]{1,1024}$/, 'a string of printable ASCII'),
  requireNonceEcho: flag,
  clientPayload: unchecked(),
  token: text,
  apiVersion: textLike(/^[\w.-]{1,40}$/, 'a version such as 7.4'),
  trustedRoots: listOf(bytesOrText, 1),
  allowedHosts: listOf(text),
  scope: text,
  releasePolicy: unchecked(),
  now: date,
};

/** A checked request for a key, with everything that it takes to send and to verify it. */
export interface ReleaseKeyRequest {
  readonly key: VaultKey;
  readonly connection: VaultConnection;
  readonly service: AttestationService;
  readonly clientPayload: Record<string, string> | null;
  readonly verification: VerifyTokenOptions;
  readonly algorithm: ReleaseAlgorithm;
  readonly nonce: string;
  readonly requireNonceEcho: boolean;
  readonly token?: string;
  readonly trustedRoots?: readonly (Uint8Array | string)[];
  readonly releasePolicy?: ReleasePolicy;
  readonly now?: Date;
}

/** Checks the parameters of `releaseKey` before anything is sent. @throws AttestationError 8 and 27 */
export function releaseRequest(params: ReleaseKeyParameters, settings: ClientSettings): ReleaseKeyRequest {
  if (params === undefined) throw invalid('releaseKey takes an object with the key and the attestationUrl');
  const checked = checkOptions('releaseKey', params, PARAMETERS);
  const { credential, managedIdentity, token, releasePolicy, now } = checked;
  if (credential !== undefined && managedIdentity !== undefined) {
    throw invalid('releaseKey: credential and managedIdentity exclude each other');
  }
  const { defaults, http } = settings.vault;
  const trustedRoots = checked.trustedRoots ?? defaults.trustedRoots ?? http.trustedRoots;
  const url = parseServiceUrl(checked.attestationUrl, settings);
  const nonce = checked.nonce ?? freshNonce();
  const clientPayload = encodeClientPayload(checked.clientPayload ?? { nonce: freshNonce() });
  return {
    key: locateKey({ ...defaults, ...checked }),
    connection: {
      credential: credential ?? managedIdentityOf(settings, managedIdentity),
      apiVersion: checked.apiVersion ?? DEFAULT_VAULT_API_VERSION,
      settings: vaultSettings({ ...http, ...(trustedRoots !== undefined && { trustedRoots }) }),
    },
    service: { url, settings: settings.service },
    clientPayload,
    verification: ownVerification(url, token === undefined ? clientPayload : null, settings, now),
    algorithm: checked.algorithm ?? DEFAULT_RELEASE_ALGORITHM,
    nonce,
    requireNonceEcho: checked.requireNonceEcho ?? false,
    ...(token !== undefined && { token }),
    ...(trustedRoots !== undefined && { trustedRoots }),
    ...(releasePolicy !== undefined && { releasePolicy: parseReleasePolicy(releasePolicy) }),
    ...(now !== undefined && { now }),
  };
}

/** Whether the machine is good enough is the vault's to say: here it is whose token this is, and whether it is about us. */
function ownVerification(
  url: URL,
  clientPayload: Record<string, string> | null,
  { keyFetch }: ClientSettings,
  now: Date | undefined,
): VerifyTokenOptions {
  const lenient = { requireCompliance: false, allowDebug: true, allowMigration: true };
  return ownTokenOptions({ keyFetch, ...lenient, ...(now !== undefined && { now }) }, url, clientPayload);
}

/** Access tokens are kept with the identity, so there is one of each kind for a client. */
const identities = new WeakMap<ClientSettings, Map<string, ManagedIdentityCredential>>();

function managedIdentityOf(settings: ClientSettings, identity: ManagedIdentity = {}): ManagedIdentityCredential {
  const known = identities.get(settings) ?? new Map<string, ManagedIdentityCredential>();
  identities.set(settings, known);
  const name = JSON.stringify(identity);
  const credential = known.get(name) ?? new ManagedIdentityCredential(settings.imds, identity);
  known.set(name, credential);
  return credential;
}
