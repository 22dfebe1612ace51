import {
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { firstElementSize } from '../abi/der.js';
import { AttestationError, type Check } from '../base/errors.js';
import { invalid, readArguments } from '../base/options.js';
import { isJsonObject } from '../base/strict-json.js';
import { readPrivateKey } from '../node/private-key.js';
import { NotUnwrapped } from './errors.js';
import type { ReleasePolicy } from './policy/policy.js';
import { curveOf, type EcKeyCurve, type ReleasedPublicKey, releasedPublicKey } from './public-key.js';
import type { Secret } from './secret.js';

/** What the vault signed about a key. */
export interface ReleasedKeyFacts {
  /** `https://VAULT/keys/NAME/VERSION`. */
  readonly kid: string;
  readonly keyName: string;
  readonly keyVersion: string;
  readonly keyType: 'RSA' | 'EC' | 'oct';
  /** Of an EC key. */
  readonly curve?: EcKeyCurve;
  /** `key_ops`: what the key may be used for. */
  readonly operations: readonly string[];
  /** As the vault has them: `enabled`, `created`, `updated`, `exportable`, … Times are seconds since 1970. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly tags?: Readonly<Record<string, unknown>>;
  /** Absent where the answer has none, or one that is not read here. */
  readonly releasePolicy?: ReleasePolicy;
}

/** Zeroes the bytes that were handed out of a key that nobody freed, once it is collected. */
const forgotten = new FinalizationRegistry<Uint8Array>((bytes) => bytes.fill(0));

/**
 * A key that a vault released to this machine. Its bytes are in one locked buffer of the addon's, which {@link free}
 * zeroes together with what {@link pkcs8} or {@link raw} handed out; the `KeyObject` is OpenSSL's, which cleanses it when
 * it is collected, and not before. Text, as of {@link jwk}, cannot be zeroed.
 */
export class ReleasedKey implements ReleasedKeyFacts, Disposable {
  readonly kid: string;
  readonly keyName: string;
  readonly keyVersion: string;
  readonly keyType: 'RSA' | 'EC' | 'oct';
  readonly curve?: EcKeyCurve;
  readonly operations: readonly string[];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly tags?: Readonly<Record<string, unknown>>;
  readonly releasePolicy?: ReleasePolicy;
  /** Every check of the answer, all of them passed. */
  readonly checks: readonly Check[];
  #material: KeyMaterial | undefined;
  #bytes: Buffer | undefined;

  /** Not public: keys come from `releaseKey` and `unwrapReleasedKey`. */
  constructor(facts: ReleasedKeyFacts, material: KeyMaterial, checks: readonly Check[]) {
    if (!readArguments('ReleasedKey', () => isJsonObject(facts) && typeof facts.kid === 'string')) {
      throw invalid('a ReleasedKey comes from releaseKey or unwrapReleasedKey');
    }
    this.kid = facts.kid;
    this.keyName = facts.keyName;
    this.keyVersion = facts.keyVersion;
    this.keyType = facts.keyType;
    if (facts.curve !== undefined) this.curve = facts.curve;
    this.operations = facts.operations;
    this.attributes = facts.attributes;
    if (facts.tags !== undefined) this.tags = facts.tags;
    if (facts.releasePolicy !== undefined) this.releasePolicy = facts.releasePolicy;
    this.checks = checks;
    this.#material = material;
  }

  /** The key for node:crypto: a private key, or a secret one for `oct`. */
  get keyObject(): KeyObject {
    return this.#use().keyObject;
  }

  /** DER PrivateKeyInfo of an RSA or EC key, the same Buffer each time; {@link free} zeroes it. @throws AttestationError 8 */
  pkcs8(): Buffer {
    if (this.keyType === 'oct') throw invalid('a symmetric key has no PKCS#8: use raw()');
    return this.#copy();
  }

  /** The private or secret key as a JWK, whose texts nobody can zero. */
  jwk(): JsonWebKey {
    const jwk = this.#use().keyObject.export({ format: 'jwk' });
    return { ...jwk, kid: this.kid };
  }

  /** Bytes of a symmetric key, the same Buffer each time; {@link free} zeroes it. @throws AttestationError 8 for RSA and EC */
  raw(): Buffer {
    if (this.keyType !== 'oct') throw invalid(`an ${this.keyType} key has no raw bytes: use pkcs8()`);
    return this.#copy();
  }

  /** Zeroes the bytes and lets go of the `KeyObject`. Safe twice. */
  free(): void {
    this.#material?.secret.destroy();
    this.#material = undefined;
    this.#bytes?.fill(0);
    this.#bytes = undefined;
    forgotten.unregister(this);
  }

  [Symbol.dispose](): void {
    this.free();
  }

  /** Shown by `console.log`, without any of the key. */
  toJSON(): ReleasedKeyFacts & { checks: readonly Check[] } {
    return { ...this };
  }

  #copy(): Buffer {
    const { secret } = this.#use();
    if (this.#bytes === undefined) {
      const copy = secret.copy();
      this.#bytes = Buffer.from(copy.buffer, copy.byteOffset, copy.byteLength);
      forgotten.register(this, copy, this);
    }
    return this.#bytes;
  }

  #use(): KeyMaterial {
    if (this.#material === undefined) throw invalid('the released key was freed');
    return this.#material;
  }
}

/** The bytes of a key, and the key that was made of them. */
export interface KeyMaterial {
  readonly secret: Secret;
  readonly keyObject: KeyObject;
}

/** Why a key is not the one that it must be, in words for a check. */
export class WrongKey extends Error {
  override readonly name = 'WrongKey';
}

/** Lengths of symmetric keys. */
const OCT_BYTES: readonly number[] = [16, 24, 32, 64];

/** Imports what was unwrapped: PKCS#8 with nothing behind it, or the bytes of a symmetric key. @throws NotUnwrapped */
export function importKey(secret: Secret, kty: ReleasedPublicKey['kty']): KeyObject {
  const copy = secret.copy();
  const bytes = Buffer.from(copy.buffer, copy.byteOffset, copy.byteLength);
  try {
    return kty === 'oct' ? importSymmetric(bytes) : importPkcs8(bytes);
  } finally {
    bytes.fill(0);
  }
}

function importSymmetric(bytes: Buffer): KeyObject {
  if (!OCT_BYTES.includes(bytes.length)) throw new NotUnwrapped(`${bytes.length} bytes are not a symmetric key`);
  return createSecretKey(bytes);
}

function importPkcs8(bytes: Buffer): KeyObject {
  // Node's parser takes bytes behind the structure.
  if (derSize(bytes) !== bytes.length) throw new NotUnwrapped('it is not one PKCS#8 structure');
  try {
    return readPrivateKey(bytes, 'pkcs8');
  } catch {
    throw new NotUnwrapped('it is not PKCS#8');
  }
}

function derSize(bytes: Uint8Array): number | undefined {
  try {
    return bytes[0] === 0x30 ? firstElementSize(bytes, 'PKCS#8') : undefined;
  } catch (error) {
    if (error instanceof AttestationError) return undefined;
    throw error;
  }
}

/**
 * Whether a private key is the one whose public part the vault signed: the same numbers, and it makes signatures that those
 * verify. @throws WrongKey
 */
export function compareKeys(key: KeyObject, signed: ReleasedPublicKey): void {
  if (signed.kty === 'oct') return;
  const type = key.asymmetricKeyType?.toUpperCase();
  if (type !== signed.kty) throw new WrongKey(`it is an ${type} key, not ${signed.kty}`);
  const jwk = createPublicKey(key).export({ format: 'jwk' });
  const own = releasedPublicKey(jwk.kty === 'EC' ? { ...jwk, crv: curveOf(jwk.crv) } : { ...jwk });
  if (JSON.stringify(own) !== JSON.stringify(signed))
    throw new WrongKey('its public key is not the one that was signed');
  const probe = randomBytes(32);
  let proven = false;
  try {
    proven = verify('sha256', probe, createPublicKey({ key: jwk, format: 'jwk' }), sign('sha256', probe, key));
  } catch {
    // A private exponent that does not match.
  }
  if (!proven) throw new WrongKey('it does not belong to the public key that was signed');
}
