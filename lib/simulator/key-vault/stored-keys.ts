import { createPrivateKey, createSecretKey, type JsonWebKey, type KeyObject, randomBytes } from 'node:crypto';
import { newKeyPair, publicHalf } from '../../node/key-pair.js';
import { encodeReleasePolicy } from '../../release/policy/encode.js';
import { parseReleasePolicy } from '../../release/policy/parse.js';
import { PolicyError, type ReleasePolicy } from '../../release/policy/policy.js';
import { badParameter, VaultRefusal } from './vault-refusal.js';

export type VaultKeyType = 'RSA-HSM' | 'EC-HSM' | 'oct-HSM' | 'RSA' | 'EC' | 'oct';
export type VaultCurve = 'P-256' | 'P-256K' | 'P-384' | 'P-521';

/** How a key of a simulated vault is made. */
export interface SimulatedKeyOptions {
  /** Default `RSA-HSM`; the others than `-HSM` are software keys, which cannot be released. */
  kty?: VaultKeyType;
  /** Bits of an RSA key (2048, 3072, 4096; default 2048) or a symmetric one (128, 192, 256, 512; default 256). */
  keySize?: number;
  /** Default P-256. */
  crv?: VaultCurve;
  /** Release policy. Default: that of the vault, which for a machine's own vault is every compliant machine. */
  policy?: ReleasePolicy;
  /** The policy can never be changed. Default false. */
  immutable?: boolean;
  /** Default true. */
  exportable?: boolean;
  /** Default true. */
  enabled?: boolean;
  operations?: readonly string[];
  tags?: Readonly<Record<string, string>>;
  notBefore?: Date;
  expires?: Date;
  /** A key that exists: private, or secret for `oct-HSM`. */
  key?: KeyObject | JsonWebKey;
}

/** One version of a key. */
export interface StoredKey {
  readonly name: string;
  readonly version: string;
  readonly kty: VaultKeyType;
  /** Private key, or secret one. */
  readonly keyObject: KeyObject;
  readonly operations: readonly string[];
  readonly attributes: {
    enabled: boolean;
    exportable: boolean;
    created: number;
    updated: number;
    nbf?: number;
    exp?: number;
  };
  policy: ReleasePolicy | undefined;
  immutable: boolean;
  tags: Readonly<Record<string, string>> | undefined;
}

const CURVES: Readonly<Record<VaultCurve, string>> = {
  'P-256': 'P-256',
  'P-256K': 'secp256k1',
  'P-384': 'P-384',
  'P-521': 'P-521',
};

const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);

/** The keys of a vault by name, each version newest last. Names are compared without case. */
export class StoredKeys {
  readonly #keys = new Map<string, StoredKey[]>();

  /** Makes a new version of a key. @throws VaultRefusal for what the service does not make */
  create(name: string, options: SimulatedKeyOptions, flavour: 'vault' | 'managed-hsm'): StoredKey {
    const { kty = 'RSA-HSM', exportable = true, enabled = true, policy, immutable = false } = options;
    if (!/^[0-9A-Za-z-]{1,127}$/.test(name)) throw badParameter('The request URI contains an invalid name');
    if (kty.startsWith('oct') && flavour === 'vault') throw badParameter(`Key type ${kty} is not supported`);
    checkExportable(kty, exportable, policy);
    const now = seconds(new Date());
    const stored: StoredKey = {
      name,
      version: randomBytes(16).toString('hex'),
      kty,
      keyObject: keyOf(kty, options),
      operations: options.operations ?? defaultOperations(kty),
      attributes: {
        enabled,
        ...(options.notBefore && { nbf: seconds(options.notBefore) }),
        ...(options.expires && { exp: seconds(options.expires) }),
        created: now,
        updated: now,
        exportable,
      },
      policy: policy && checkedPolicy(policy),
      immutable,
      tags: options.tags,
    };
    const versions = this.#keys.get(name.toLowerCase()) ?? [];
    this.#keys.set(name.toLowerCase(), [...versions, stored]);
    return stored;
  }

  /** @throws VaultRefusal 404 */
  find(name: string, version?: string): StoredKey {
    const versions = this.#keys.get(name.toLowerCase()) ?? [];
    const found = version === undefined ? versions.at(-1) : versions.find((one) => one.version === version);
    if (found !== undefined) return found;
    const what = version === undefined ? name : `${name}/${version}`;
    throw new VaultRefusal(404, 'KeyNotFound', `A key with (name/id) ${what} was not found in this key vault.`);
  }

  /** Any key but this one, for faults that need another. */
  other(key: StoredKey): StoredKey | undefined {
    return [...this.#keys.values()].flat().find((one) => one !== key && one.kty === key.kty);
  }
}

/** The texts of the service for keys that cannot be made (AKV.SKR.1004 to 1006). */
function checkExportable(kty: VaultKeyType, exportable: boolean, policy: ReleasePolicy | undefined): void {
  if (exportable && policy === undefined) throw badParameter('AKV.SKR.1004: Exportable keys must have release policy.');
  if (!exportable && policy !== undefined) {
    throw badParameter('AKV.SKR.1005: Non-exportable keys must not have release policy.');
  }
  if (exportable && !kty.endsWith('-HSM')) throw badParameter('AKV.SKR.1006: Software keys cannot be exportable.');
}

/** @throws VaultRefusal for what is not a policy */
export function checkedPolicy(policy: unknown): ReleasePolicy {
  try {
    return parseReleasePolicy(policy as ReleasePolicy);
  } catch (error) {
    if (error instanceof PolicyError) throw badParameter(`AKV.SKR.1008: ${error.message}`);
    throw error;
  }
}

function keyOf(kty: VaultKeyType, { key, keySize, crv = 'P-256' }: SimulatedKeyOptions): KeyObject {
  const type = kty.replace('-HSM', '');
  if (key !== undefined) return importedKey(type, key);
  if (type === 'oct') {
    const bits = keySize ?? 256;
    if (![128, 192, 256, 512].includes(bits)) throw badParameter(`Key size ${bits} is not supported`);
    return createSecretKey(randomBytes(bits / 8));
  }
  if (type === 'EC') {
    const namedCurve = Object.hasOwn(CURVES, crv) ? CURVES[crv] : undefined;
    if (namedCurve === undefined) throw badParameter(`Curve ${String(crv)} is not supported`);
    return newKeyPair({ namedCurve }).privateKey;
  }
  const modulusLength = keySize ?? 2048;
  if (type !== 'RSA' || ![2048, 3072, 4096].includes(modulusLength))
    throw badParameter(`Key type ${kty} is not supported`);
  return newKeyPair({ modulusLength }).privateKey;
}

function importedKey(type: string, key: KeyObject | JsonWebKey): KeyObject {
  if ('type' in key && (key as KeyObject).type !== undefined) return key as KeyObject;
  const jwk = key as JsonWebKey;
  if (type === 'oct') return createSecretKey(Buffer.from(String(jwk.k), 'base64url'));
  const crv = jwk.crv === 'P-256K' ? 'secp256k1' : jwk.crv;
  return createPrivateKey({ key: { ...jwk, kty: type, ...(crv !== undefined && { crv }) }, format: 'jwk' });
}

const defaultOperations = (kty: VaultKeyType): string[] => {
  if (kty.startsWith('EC')) return ['sign', 'verify'];
  if (kty.startsWith('oct')) return ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];
  return ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'];
};

/** Public members of a key's JWK; nothing for a symmetric one. */
export function publicMembers({ keyObject, kty }: Pick<StoredKey, 'keyObject' | 'kty'>): Record<string, string> {
  if (kty.startsWith('oct')) return {};
  const { n, e, crv, x, y } = publicHalf(keyObject).export({ format: 'jwk' });
  if (kty.startsWith('RSA')) return { n: String(n), e: String(e) };
  return { crv: crv === 'secp256k1' ? 'P-256K' : String(crv), x: String(x), y: String(y) };
}

/** `release_policy` on the wire. Key Vault writes the members in an order of its own. */
export function encodedPolicy({ policy, immutable }: StoredKey, flavour: 'vault' | 'managed-hsm') {
  if (policy === undefined) return undefined;
  const encoded = encodeReleasePolicy(policy, { immutable });
  if (flavour === 'managed-hsm') return encoded;
  const text = JSON.stringify({
    version: policy.version,
    anyOf: policy.anyOf.map(({ authority, ...group }) => ({ ...group, authority })),
  });
  return { ...encoded, data: Buffer.from(text).toString('base64url') };
}
