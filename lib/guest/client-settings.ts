import { X509Certificate } from 'node:crypto';
import { namesIssuer, parseCertificates } from '../abi/x509.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/logger.js';
import { invalid } from '../base/options.js';
import { KeyCache, type KeyCacheOptions } from '../content/key-cache.js';
import { fetchTransport } from '../http/fetch-transport.js';
import { nodeTransport } from '../http/node-transport.js';
import { HTTP_RETRIES, type HttpSettings, retrySettings } from '../http/retry.js';
import { type Imds, imdsOf } from '../imds/imds.js';
import { MAX_SERVICE_ANSWER_BYTES } from '../maa/guest-service.js';
import { nodeContext } from '../node/context.js';
import type { vaultSettings } from '../release/vault-client.js';
import type { KeyFetchOptions } from '../token/keys-remote.js';
import type { NativeTpmOptions } from '../tpm/native-tpm.js';
import { azureVtpmAuthorities } from './azure-issuers.js';
import { type AttestationClientOptions, checkClientOptions, type KeyVaultDefaults } from './client-options.js';
import { DEFAULT_EVENT_LOG_PATH } from './event-log-file.js';
import type { IssuerSources } from './issuer-certificates.js';

/** A client's options, checked, with their defaults, and made into what its parts take. */
export interface ClientSettings {
  tpm: NativeTpmOptions;
  imds: Imds;
  service: HttpSettings;
  /** How the service's signing keys are fetched, where a token is verified. */
  keyFetch: KeyFetchOptions;
  logger: Logger;
  allowInsecureHttp: boolean;
  eventLogPath: string;
  osReleasePath: string;
  renewAkCertificate: boolean | 'nv';
  /** What a renewed certificate of the attestation key has to chain to. */
  vtpmAuthorities: IssuerSources;
  keyCache: KeyCache | undefined;
  /** How vaults are talked to. */
  vault: { http: Parameters<typeof vaultSettings>[0]; defaults: KeyVaultDefaults };
  secretRoots: readonly (Uint8Array | string)[] | undefined;
  productUuidPath: string;
}

/** Checks every option. @throws AttestationError 8, and 1 for certificates that cannot be loaded. */
export function clientSettings(given: AttestationClientOptions): ClientSettings {
  const options = checkClientOptions(given);
  const { timeoutMs = 60_000, connectTimeoutMs = 10_000, logger = silentLogger, allowInsecureHttp = false } = options;
  const { tcti, tpmTimeoutMs, parameterEncryption, imdsUrl, retry, proxy, fetch: fetchFunction } = options;
  const ca = options.ca === undefined ? undefined : loadableCertificates(options.ca);
  const connection = { ...(ca !== undefined && { ca }), ...(proxy !== undefined && { proxy }) };
  return {
    tpm: {
      ...(tcti !== undefined && { tcti }),
      ...(tpmTimeoutMs !== undefined && { commandTimeoutMs: tpmTimeoutMs }),
      ...(parameterEncryption !== undefined && { parameterEncryption }),
    },
    imds: imdsOf(nodeContext, {
      timeoutMs,
      connectTimeoutMs,
      logger,
      ...(imdsUrl !== undefined && { imdsUrl }),
      ...(retry !== undefined && { retry }),
    }),
    service: {
      transport: fetchFunction === undefined ? nodeTransport(connection) : fetchTransport(fetchFunction),
      limits: { connectTimeoutMs, timeoutMs, maxBodyBytes: MAX_SERVICE_ANSWER_BYTES },
      retry: retrySettings(retry, HTTP_RETRIES.attestation.defaults),
      retryOn: HTTP_RETRIES.attestation.retryOn,
      logger,
    },
    keyFetch: {
      timeoutMs,
      allowInsecureHttp,
      ...connection,
      ...(fetchFunction !== undefined && { fetch: fetchFunction }),
    },
    logger,
    allowInsecureHttp,
    eventLogPath: options.eventLogPath ?? DEFAULT_EVENT_LOG_PATH,
    osReleasePath: options.osReleasePath ?? '/etc/os-release',
    renewAkCertificate: options.renewAkCertificate ?? true,
    vtpmAuthorities: vtpmAuthorities(options.trustedRoots),
    keyCache: keyCache(options.keyCache),
    vault: {
      http: { timeoutMs, connectTimeoutMs, logger, ...vaultConnection(options, ca) },
      defaults: options.keyVault ?? {},
    },
    secretRoots: options.secretRoots,
    productUuidPath: options.productUuidPath ?? '/sys/class/dmi/id/product_uuid',
  };
}

/** The client's own `ca` holds for vaults as well, unless a call names roots. */
function vaultConnection({ retry, proxy, fetch: fetchFunction }: AttestationClientOptions, ca: string | undefined) {
  return {
    ...(retry !== undefined && { retry }),
    ...(proxy !== undefined && { proxy }),
    ...(fetchFunction !== undefined && { fetch: fetchFunction }),
    ...(ca !== undefined && { trustedRoots: [ca] }),
  };
}

function vtpmAuthorities(trustedRoots: AttestationClientOptions['trustedRoots']): IssuerSources {
  if (trustedRoots === undefined) return { ...azureVtpmAuthorities(), simulated: false };
  try {
    const given = trustedRoots.flatMap((root) => parseCertificates(root));
    const roots = given.filter((certificate) => namesIssuer(certificate, certificate));
    // What did not issue itself completes paths, as Azure's own issuers that are at hand do.
    return roots.length === 0
      ? { roots: given, intermediates: [], simulated: true }
      : { roots, intermediates: given.filter((certificate) => !roots.includes(certificate)), simulated: true };
  } catch (cause) {
    throw invalid('AttestationClient: a certificate in trustedRoots cannot be parsed', cause);
  }
}

function keyCache(option: KeyCacheOptions | boolean = false): KeyCache | undefined {
  if (option === false) return undefined;
  return option === true ? new KeyCache() : new KeyCache(option);
}

/** Node takes a `ca` without any certificate in it, and trusts nobody then. @throws AttestationError 1 */
function loadableCertificates(ca: unknown): string {
  const pem = typeof ca === 'string' ? ca : ca instanceof Uint8Array ? Buffer.from(ca).toString('latin1') : '';
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    if (blocks.length === 0) throw new RangeError('no certificate in PEM');
    for (const block of blocks) new X509Certificate(block);
  } catch (cause) {
    throw new AttestationError(ErrorCode.CURL_INITIALIZATION, 'the certificates in ca cannot be loaded', { cause });
  }
  return pem;
}
