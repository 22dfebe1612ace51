import { messageOf } from '../base/errors.js';
import { isJsonObject, parseStrictJson } from '../base/strict-json.js';
import { malformed } from './input.js';

/** A key of the runtime claims: RSA, `e` and `n` in base64url. */
export interface RuntimeClaimsKey {
  kid: string;
  kty: string;
  key_ops?: string[];
  e: string;
  n: string;
  [member: string]: unknown;
}

/** The JSON that the HCL hashes into the report's report_data. */
export interface RuntimeClaims {
  keys: RuntimeClaimsKey[];
  'vm-configuration'?: {
    'secure-boot'?: boolean;
    'tpm-enabled'?: boolean;
    'tpm-persisted'?: boolean;
    'console-enabled'?: boolean;
    'current-time'?: number;
    'root-cert-thumbprint'?: string;
    vmUniqueId?: string;
    [member: string]: unknown;
  };
  /** 128 hex digits: what the guest wrote to NV 0x01400002, zero-padded. */
  'user-data'?: string;
  [member: string]: unknown;
}

/**
 * The runtime claims as JSON: UTF-8, no doubled member name, `keys` a list of RSA keys.
 *
 * @throws {AttestationError} `HCL_REPORT_PARSING_FAILURE` (20).
 */
export function parseRuntimeClaims(bytes: Uint8Array): RuntimeClaims {
  let value: unknown;
  try {
    value = parseStrictJson(bytes);
  } catch (cause) {
    throw refused(messageOf(cause), cause);
  }
  if (!isJsonObject(value)) throw refused('not an object');
  const { keys } = value;
  if (!Array.isArray(keys)) throw refused('no keys');
  for (const key of keys as unknown[]) {
    const isKey = isJsonObject(key) && [key.kid, key.kty, key.n, key.e].every((member) => typeof member === 'string');
    if (!isKey) throw refused('a malformed key');
  }
  const configuration = value['vm-configuration'];
  if (configuration !== undefined && !isJsonObject(configuration)) throw refused('malformed vm-configuration');
  const userData = value['user-data'];
  if (userData !== undefined && !(typeof userData === 'string' && /^[0-9a-fA-F]{0,128}$/.test(userData))) {
    throw refused('malformed user-data');
  }
  return value as RuntimeClaims;
}

function refused(why: string, cause?: unknown): Error {
  return malformed('runtime claims', why, cause);
}
