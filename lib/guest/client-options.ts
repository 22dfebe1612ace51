import type { Logger } from '../base/logger.js';
import {
  bytes,
  bytesOrText,
  callable,
  custom,
  either,
  flag,
  integer,
  listOf,
  logger,
  milliseconds,
  oneOf,
  text,
  unchecked,
} from '../base/option-kinds.js';
import { checkOptions, invalid, nested, type OptionTable } from '../base/options.js';
import type { KeyCacheOptions } from '../content/key-cache.js';
import { proxyAddress } from '../http/proxy.js';
import type { RetryOptions } from '../http/retry.js';
import type { ParameterEncryption } from '../tpm/native-tpm.js';

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
  /**
   * Whether an attestation key certificate that expires within 90 days is renewed through instance metadata. `true`, the
   * default: a renewed one is used from memory, and NV is left as it is. `'nv'`: it is written to NV as well, once the
   * attestation service has accepted evidence that carries it.
   */
  renewAkCertificate?: boolean | 'nv';
  /**
   * Roots that a renewed attestation key certificate has to chain to, in place of Azure's pinned one: certificates in DER
   * or PEM. For a simulated machine.
   */
  trustedRoots?: readonly (Uint8Array | string)[];
  /** How vaults are reached that `releaseKey` is asked for a key of: what a call leaves out comes from here. */
  keyVault?: KeyVaultDefaults;
  /** Roots that sign provisioned secrets, in place of Azure's pinned ones: certificates in DER or PEM. For a simulated machine. */
  secretRoots?: readonly (Uint8Array | string)[];
  /** Where the id of this VM is. Default `/sys/class/dmi/id/product_uuid`, which root alone may read. */
  productUuidPath?: string;
  /**
   * HTTP or HTTPS proxy for the attestation service, key sets and intermediate certificates: its URL, with user and
   * password where it wants them; `false` for none. Default: the environment's `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`.
   * Instance metadata is always reached directly. Not with `fetch`.
   */
  proxy?: string | false;
}

/** Vaults that are not Azure's, for instance a simulated one. */
export interface KeyVaultDefaults {
  /** Hosts (`host` or `host:port`) besides Azure's that are a vault and may be shown an access token. */
  allowedHosts?: readonly string[];
  /** Scope of access tokens, for hosts whose own is not known. */
  scope?: string;
  /** Certificates that the vault's must lead to, in place of Node's roots: DER or PEM. */
  trustedRoots?: readonly (Uint8Array | string)[];
}

/** What only its user can judge, with a code of its own or in its own words, is `unchecked` here. */
const CLIENT_OPTIONS: OptionTable<AttestationClientOptions> = {
  tcti: text,
  tpmTimeoutMs: milliseconds,
  parameterEncryption: {
    check: (value, name) => (typeof value === 'boolean' ? value : PARAMETER_ENCRYPTION.check(value, name)),
  },
  imdsUrl: text,
  logger,
  retry: nested<RetryOptions>({
    retries: unchecked(),
    baseDelayMs: unchecked(),
    maxDelayMs: unchecked(),
    jitter: unchecked(),
    maxRetryAfterMs: unchecked(),
    outageMs: unchecked(),
  }),
  timeoutMs: milliseconds,
  connectTimeoutMs: milliseconds,
  fetch: callable(),
  ca: unchecked(),
  allowInsecureHttp: flag,
  eventLogPath: text,
  osReleasePath: text,
  keyCache: { check: (value, name) => (typeof value === 'boolean' ? value : KEY_CACHE.check(value, name)) },
  renewAkCertificate: either(flag, oneOf('nv'), "true, false or 'nv'"),
  trustedRoots: listOf(bytesOrText, 1),
  keyVault: nested<KeyVaultDefaults>({ allowedHosts: listOf(text), scope: text, trustedRoots: listOf(bytesOrText, 1) }),
  secretRoots: listOf(bytesOrText, 1),
  productUuidPath: text,
  proxy: custom(proxyAddress),
};

const PARAMETER_ENCRYPTION = nested<ParameterEncryption>({
  keyHandle: integer(0x8100_0000, 0x81ff_ffff),
  keyName: bytes(34, 34),
});

const KEY_CACHE = nested<KeyCacheOptions>({ maxKeys: integer(1, 65_536), maxAgeMs: integer(1, 86_400_000) });

/** @throws AttestationError 8 */
export function checkClientOptions(given: AttestationClientOptions): AttestationClientOptions {
  const options = checkOptions('AttestationClient', given, CLIENT_OPTIONS);
  for (const name of ['ca', 'proxy'] as const) {
    if (options.fetch !== undefined && options[name] !== undefined) {
      throw invalid(`AttestationClient: ${name} has no effect on a fetch of your own`);
    }
  }
  return options;
}
