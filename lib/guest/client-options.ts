import { X509Certificate } from 'node:crypto';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { type Logger, silentLogger } from '../base/logger.js';
import { type OptionNames, refuseUnknownOptions } from '../base/option-names.js';
import { KeyCache, type KeyCacheOptions } from '../content/key-cache.js';
import { fetchTransport } from '../http/fetch-transport.js';
import { nodeTransport } from '../http/node-transport.js';
import { HTTP_RETRIES, type HttpSettings, type RetryOptions, retrySettings } from '../http/retry.js';
import { type Imds, imdsOf } from '../imds/imds.js';
import { MAX_SERVICE_ANSWER_BYTES } from '../maa/guest-service.js';
import type { KeyFetchOptions } from '../token/keys-remote.js';
import type { NativeTpmOptions, ParameterEncryption } from '../tpm/native-tpm.js';
import { DEFAULT_EVENT_LOG_PATH } from './event-log-file.js';

export interface AttestationClientOptions {
  /**
   * tpm2-tss TCTI string of the TPM, for instance `device:/dev/tpmrm0` or `swtpm:path=…`. Default: the environment
   * variable `TSS2_TCTI`, else `device:/dev/tpmrm0`. The TPM is opened by the first call that needs it.
   */
  tcti?: string;
  /** How long the TPM may take for one command, in milliseconds. Default 30,000. */
  tpmTimeoutMs?: number;
  /**
   * Encrypts and authenticates what RSA_Decrypt answers between the TPM and this process: for a TPM whose transport is
   * not trusted. Default false, as the reference client does it; a confidential VM's vTPM is inside what the hardware
   * protects. See docs/tpm.md.
   */
  parameterEncryption?: boolean | ParameterEncryption;
  /** Base URL of instance metadata. Default `http://169.254.169.254`. Always reached directly, never through a proxy. */
  imdsUrl?: string;
  /** Default: nothing is logged. */
  logger?: Logger;
  /** Repetition of requests that the attestation service or instance metadata are too busy for. */
  retry?: RetryOptions;
  /** One HTTP exchange, from connecting to the last byte, in milliseconds. Default 60,000. */
  timeoutMs?: number;
  /** Connecting, TLS included, in milliseconds. Default 10,000. */
  connectTimeoutMs?: number;
  /** Used for the attestation service in place of own connections: for a proxy or client certificates. */
  fetch?: typeof fetch;
  /** Certificates in PEM that the attestation service's is checked against, in place of Node's. Not with `fetch`. */
  ca?: string | Uint8Array;
  /** Plain `http` to an attestation service that is not on this machine. Default false. */
  allowInsecureHttp?: boolean;
  /** Default `/sys/kernel/security/tpm0/binary_bios_measurements`. */
  eventLogPath?: string;
  /** Default `/etc/os-release`. */
  osReleasePath?: string;
  /**
   * Keeps unwrapped content keys in locked memory, so that a second decryption under the same wrapped key needs no TPM.
   * Off by default, because a kept key opens for up to `maxAgeMs` (60 seconds unless given) after the PCRs changed, when
   * the TPM itself would refuse. `true` for the default bounds.
   */
  keyCache?: KeyCacheOptions | boolean;
  /** Whether attest() renews an attestation key certificate that expires within 90 days. Default true. */
  renewAkCertificate?: boolean;
}

const OPTION_NAMES = {
  tcti: true,
  tpmTimeoutMs: true,
  parameterEncryption: true,
  imdsUrl: true,
  logger: true,
  retry: true,
  timeoutMs: true,
  connectTimeoutMs: true,
  fetch: true,
  ca: true,
  allowInsecureHttp: true,
  eventLogPath: true,
  osReleasePath: true,
  keyCache: true,
  renewAkCertificate: true,
} satisfies OptionNames<AttestationClientOptions>;

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
  renewAkCertificate: boolean;
  keyCache: KeyCache | undefined;
}

/** Longer times do not fit a Node timer. */
const MAX_MILLISECONDS = 2 ** 31 - 1;

/** Checks every option. @throws AttestationError 8, and 1 for certificates that cannot be loaded. */
export function clientSettings(options: AttestationClientOptions): ClientSettings {
  if (typeof options !== 'object' || options === null) throw invalid('the options must be an object');
  refuseUnknownOptions(options, OPTION_NAMES);
  for (const name of ['tcti', 'imdsUrl', 'eventLogPath', 'osReleasePath'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && (typeof value !== 'string' || value === '')) throw invalid(`${name} must be a string`);
  }
  for (const name of ['timeoutMs', 'connectTimeoutMs', 'tpmTimeoutMs'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && !(Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_MILLISECONDS)) {
      throw invalid(`${name} must be an integer of milliseconds, from 1`);
    }
  }
  const { timeoutMs = 60_000, connectTimeoutMs = 10_000, tcti, tpmTimeoutMs, parameterEncryption } = options;
  const logger = checkedLogger(options.logger);
  return {
    tpm: {
      ...(tcti !== undefined && { tcti }),
      ...(tpmTimeoutMs !== undefined && { commandTimeoutMs: tpmTimeoutMs }),
      ...(parameterEncryption !== undefined && { parameterEncryption: checkedEncryption(parameterEncryption) }),
    },
    imds: imdsOf({ ...options, logger }),
    service: {
      transport: serviceTransport(options),
      limits: { connectTimeoutMs, timeoutMs, maxBodyBytes: MAX_SERVICE_ANSWER_BYTES },
      retry: retrySettings(options.retry, HTTP_RETRIES.attestation.defaults),
      retryOn: HTTP_RETRIES.attestation.retryOn,
      logger,
    },
    keyFetch: {
      timeoutMs,
      allowInsecureHttp: options.allowInsecureHttp === true,
      ...(options.fetch !== undefined && { fetch: options.fetch }),
      ...(options.ca !== undefined && { ca: loadableCertificates(options.ca) }),
    },
    logger,
    allowInsecureHttp: options.allowInsecureHttp === true,
    eventLogPath: options.eventLogPath ?? DEFAULT_EVENT_LOG_PATH,
    osReleasePath: options.osReleasePath ?? '/etc/os-release',
    renewAkCertificate: options.renewAkCertificate !== false,
    keyCache: keyCache(options.keyCache),
  };
}

function keyCache(option: KeyCacheOptions | boolean | undefined): KeyCache | undefined {
  if (option === undefined || option === false) return undefined;
  if (option === true) return new KeyCache();
  if (typeof option !== 'object' || option === null) throw invalid('keyCache must be an object or a boolean');
  return new KeyCache(option);
}

function serviceTransport({ fetch: fetchFunction, ca }: AttestationClientOptions): HttpSettings['transport'] {
  if (fetchFunction === undefined) return nodeTransport(ca === undefined ? {} : { ca: loadableCertificates(ca) });
  if (typeof fetchFunction !== 'function') throw invalid('fetch must be a function');
  if (ca !== undefined) throw invalid('ca has no effect on a fetch of your own: configure its own trust');
  return fetchTransport(fetchFunction);
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

function checkedEncryption(value: unknown): boolean | ParameterEncryption {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'object' || value === null) throw invalid('parameterEncryption must be a boolean or an object');
  const { keyHandle, keyName } = value as { keyHandle?: unknown; keyName?: unknown };
  if (keyHandle !== undefined && !(Number.isInteger(keyHandle) && Number(keyHandle) >>> 24 === 0x81)) {
    throw invalid('parameterEncryption.keyHandle must be a persistent handle, 0x81000000 to 0x81ffffff');
  }
  if (keyName !== undefined && !(keyName instanceof Uint8Array && keyName.length === 34)) {
    throw invalid('parameterEncryption.keyName must be a Uint8Array of 34 bytes');
  }
  return {
    ...(keyHandle !== undefined && { keyHandle: Number(keyHandle) }),
    ...(keyName !== undefined && { keyName }),
  };
}

function checkedLogger(logger: Logger | undefined): Logger {
  if (logger === undefined) return silentLogger;
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    if (typeof logger?.[level] !== 'function') throw invalid(`logger must have the method ${level}`);
  }
  return logger;
}

const invalid = (message: string): AttestationError => new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message);
