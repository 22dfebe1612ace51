import { randomBytes } from 'node:crypto';
import { encodeBase64 } from '../base/base64url.js';
import { type Logger, silentLogger } from '../base/logger.js';
import {
  abortSignal,
  bytesOrText,
  callable,
  listOf,
  logger,
  milliseconds,
  text,
  textLike,
  unchecked,
  withMethods,
} from '../base/option-kinds.js';
import { checkOptions, type OptionTable, required } from '../base/options.js';
import { fetchTransport } from '../http/fetch-transport.js';
import { nodeTransport } from '../http/node-transport.js';
import { HTTP_RETRIES, type HttpSettings, type RetryOptions, retrySettings } from '../http/retry.js';
import type { TokenCredential } from '../maa/maa-client.js';
import { DEFAULT_RELEASE_ALGORITHM, type ReleaseAlgorithm } from './algorithm.js';
import { type ReleaseErrorCode, refuseRelease } from './errors.js';
import { releaseAlgorithm, rootsOf } from './options.js';
import { accessTokenFor, askVault, MAX_VAULT_ANSWER_BYTES, type VaultConnection } from './vault-exchange.js';
import { locateKey, type VaultKey } from './vault-host.js';

/** Version of the REST API that answers are expected in; secure key release exists since 7.3. */
export const DEFAULT_VAULT_API_VERSION = '7.4';

export interface KeyVaultClientOptions {
  /** Who asks: `@azure/identity`, or anything of its shape. */
  credential: TokenCredential;
  /** Hosts besides Azure's that are a vault. */
  allowedHosts?: readonly string[];
  /** Scope of the access token, where the host is neither Azure's nor allowed. */
  scope?: string;
  /** Default `7.4`. */
  apiVersion?: string;
  /** Certificates (PEM or DER) that the vault's must lead to, in place of Node's. Not with `fetch`. */
  trustedRoots?: readonly (string | Uint8Array)[];
  /** In place of own connections: for a proxy or client certificates. */
  fetch?: typeof fetch;
  /** Repeats 408, 429 and server errors. */
  retry?: RetryOptions;
  /** One exchange, in milliseconds. Default 30,000. */
  timeoutMs?: number;
  logger?: Logger;
}

/** What is asked of a vault. */
export interface ReleaseRequest {
  keyName: string;
  /** Absent: the newest. */
  keyVersion?: string;
  /** The attestation token, a compact JWT. */
  target: string;
  /** Default `RSA_AES_KEY_WRAP_256`; the service's own default would be SHA-1. */
  algorithm?: ReleaseAlgorithm;
  /** Default: 32 fresh random bytes in base64url. */
  nonce?: string;
}

export interface ReleaseAnswerValue {
  /** The signed answer, for `verifyReleaseResponse`. */
  value: string;
  /** What was sent as `nonce`. */
  nonce: string;
}

const CLIENT_OPTIONS: OptionTable<KeyVaultClientOptions> = {
  credential: required(withMethods<TokenCredential>('getToken')),
  allowedHosts: listOf(text),
  scope: text,
  apiVersion: textLike(/^[\w.-]{1,40}$/, 'a version such as 7.4'),
  trustedRoots: listOf(bytesOrText, 1),
  fetch: callable<typeof fetch>(),
  retry: unchecked<RetryOptions>(),
  timeoutMs: milliseconds,
  logger,
};

const REQUEST: OptionTable<ReleaseRequest> = {
  keyName: required(text),
  keyVersion: text,
  target: required(text),
  algorithm: releaseAlgorithm,
  nonce: text,
};

const SIGNAL: OptionTable<{ signal?: AbortSignal }> = { signal: abortSignal };

/**
 * Client of a vault for the one call that no other client needs a confidential VM for: releasing a key. Works with Key Vault
 * Premium and Managed HSM. What comes back is not verified here.
 */
export class KeyVaultClient {
  readonly #connection: VaultConnection;
  readonly #vault: { vaultUrl: string; allowedHosts?: readonly string[]; scope?: string };

  /** @throws AttestationError 8 for wrong options, or for a host that may not be shown an access token */
  constructor(vaultUrl: string, options: KeyVaultClientOptions) {
    const { credential, apiVersion, allowedHosts, scope, ...rest } = checkOptions(
      'KeyVaultClient',
      options,
      CLIENT_OPTIONS,
    );
    this.#vault = { vaultUrl, ...(allowedHosts && { allowedHosts }), ...(scope !== undefined && { scope }) };
    locateKey({ ...this.#vault, keyName: 'any' });
    this.#connection = {
      credential,
      apiVersion: apiVersion ?? DEFAULT_VAULT_API_VERSION,
      settings: vaultSettings(rest),
    };
  }

  /**
   * `POST /keys/NAME[/VERSION]/release`.
   *
   * @throws ReleaseRefusedError (a `VerificationError`) with `reason`, `status`, `vaultCode` and `requestId`;
   * VerificationError `ERR_RELEASE_JWS` for a malformed answer; AttestationError 3 without an access token, 4 when the
   * vault stays busy, 5 and 7 as for every exchange; an `AbortError`
   */
  async release(request: ReleaseRequest, options: { signal?: AbortSignal } = {}): Promise<ReleaseAnswerValue> {
    const { signal } = checkOptions('release', options, SIGNAL);
    const { keyName, keyVersion, target, algorithm, nonce } = checkOptions('release', request, REQUEST);
    const key = locateKey({ ...this.#vault, keyName, ...(keyVersion !== undefined && { keyVersion }) });
    const accessToken = await accessTokenFor(this.#connection, key, signal);
    const sent = { target, algorithm: algorithm ?? DEFAULT_RELEASE_ALGORITHM, nonce: nonce ?? freshNonce() };
    return { value: await release(this.#connection, key, accessToken, sent, signal), nonce: sent.nonce };
  }
}

/** 32 random bytes in base64url. */
export const freshNonce = (): string => randomBytes(32).toString('base64url');

/** Sends one release request and takes `value` out of the answer. */
export async function release(
  connection: VaultConnection,
  key: VaultKey,
  accessToken: string,
  { target, algorithm, nonce }: { target: string; algorithm: ReleaseAlgorithm; nonce: string },
  signal?: AbortSignal,
): Promise<string> {
  const body = { target, nonce, enc: algorithm };
  const { value } = await askVault(
    connection,
    key,
    accessToken,
    { method: 'POST', path: `${pathOf(key)}/release`, body },
    signal,
  );
  if (typeof value === 'string') return value;
  const code: ReleaseErrorCode = 'ERR_RELEASE_JWS';
  const why = 'the answer has no value';
  throw refuseRelease(
    code,
    [{ name: 'answer of the vault', ok: false, code, subject: 'released-key', actual: why }],
    why,
  );
}

/** `release_policy` of a key, for identities that have the right keys/get. */
export async function fetchReleasePolicy(
  connection: VaultConnection,
  key: VaultKey,
  accessToken: string,
  signal?: AbortSignal,
): Promise<unknown> {
  const answer = await askVault(connection, key, accessToken, { method: 'GET', path: pathOf(key) }, signal);
  return answer.release_policy;
}

const pathOf = ({ keyName, keyVersion }: VaultKey): string =>
  keyVersion === undefined ? `/keys/${keyName}` : `/keys/${keyName}/${keyVersion}`;

/** How a vault is connected to: own connections that trust `trustedRoots`, or the caller's `fetch`. */
export function vaultSettings(options: {
  trustedRoots?: readonly (string | Uint8Array)[];
  fetch?: typeof fetch;
  proxy?: string | false;
  retry?: RetryOptions;
  timeoutMs?: number;
  connectTimeoutMs?: number;
  logger?: Logger;
}): HttpSettings {
  const { trustedRoots, fetch: fetchFunction, proxy, timeoutMs = 30_000, connectTimeoutMs = timeoutMs } = options;
  const connection = {
    ...(trustedRoots !== undefined && { ca: pemOf(trustedRoots) }),
    ...(proxy !== undefined && { proxy }),
  };
  return {
    transport: fetchFunction === undefined ? nodeTransport(connection) : fetchTransport(fetchFunction),
    limits: { connectTimeoutMs, timeoutMs, maxBodyBytes: MAX_VAULT_ANSWER_BYTES },
    retry: retrySettings(options.retry, HTTP_RETRIES.vault.defaults),
    retryOn: HTTP_RETRIES.vault.retryOn,
    retryFailures: HTTP_RETRIES.vault.retryFailures,
    logger: options.logger ?? silentLogger,
  };
}

function pemOf(roots: readonly (string | Uint8Array)[]): string {
  const certificates = rootsOf(roots)();
  return certificates
    .map(({ der }) => `-----BEGIN CERTIFICATE-----\n${encodeBase64(der)}\n-----END CERTIFICATE-----\n`)
    .join('');
}
