import { createPublicKey, diffieHellman, hkdfSync, type KeyObject } from 'node:crypto';
import { firstElementSize } from '../abi/der.js';
import { AttestationError } from '../base/errors.js';
import { sha2 } from '../base/sha2.js';
import { isNativeError, type NativeContentKey, native } from '../native.js';
import { readPrivateKey } from '../node/private-key.js';
import type { Secret } from './secret.js';
import { refuseSecret } from './secret-token.js';
import type { SealedSecret } from './verify-secret.js';

const KEY_BYTES = 32;
const TAG_BYTES = 16;
const NO_DATA = new Uint8Array();

/**
 * Opens a secret with the transport key that the TPM unwrapped: the guest's half of an ECDH exchange is under it, and the
 * secret under what that gives for this VM. The transport key is destroyed.
 *
 * @param vmId in lower case, as SMBIOS has it
 * @throws VerificationError `ERR_SECRET_DECRYPTION`
 */
export function openSecret(sealed: SealedSecret, transportKey: Secret, vmId: string): Buffer {
  const guestKey = guestKeyOf(sealed, transportKey);
  const senderKey = publicKeyOf(sealed.ephemeralEcdhPublicKey);
  const key = derivedKey(guestKey, senderKey, sealed.salt, vmId);
  // Takes the bytes over and zeroes them.
  const secretKey = new (native().ContentKey)(key);
  return open(secretKey, sealed.dataNonce, sealed.encryptedSecret);
}

function guestKeyOf({ keyNonce, encryptedGuestEcdhPrivateKey }: SealedSecret, transportKey: Secret): KeyObject {
  if (transportKey.size !== KEY_BYTES) {
    transportKey.destroy();
    throw refuseSecret('ERR_SECRET_DECRYPTION', 'the transport key is not one of AES-256');
  }
  const { ContentKey, SecretBuffer } = native();
  const contentKey = new ContentKey(transportKey instanceof SecretBuffer ? transportKey : transportKey.copy());
  transportKey.destroy();
  const der = open(contentKey, keyNonce, encryptedGuestEcdhPrivateKey);
  try {
    return privateKeyOf(der);
  } finally {
    der.fill(0);
  }
}

/** PKCS#8 or SEC 1, with nothing behind it. */
function privateKeyOf(der: Buffer): KeyObject {
  for (const type of ['pkcs8', 'sec1'] as const) {
    try {
      if (firstElementSize(der, 'private key') !== der.length) break;
      const key = readPrivateKey(der, type);
      if (isP256(key)) return key;
    } catch {
      // The other form may be it.
    }
  }
  throw refuseSecret('ERR_SECRET_DECRYPTION', "the guest's key of the exchange is not a P-256 key");
}

function publicKeyOf(der: Uint8Array): KeyObject {
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
    if (firstElementSize(der, 'public key') === der.length && isP256(key)) return key;
  } catch {
    // Refused below.
  }
  throw refuseSecret('ERR_SECRET_CLAIMS', 'ephemeralEcdhPublicKey is not a P-256 key');
}

const isP256 = ({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean =>
  asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1';

/** HKDF-SHA-256 over the hash of the shared secret (Windows' BCRYPT_KDF_HASH), for the id of the VM. */
function derivedKey(privateKey: KeyObject, publicKey: KeyObject, salt: Uint8Array, vmId: string): Uint8Array {
  const shared = diffieHellman({ privateKey, publicKey });
  const input = sha2('SHA-256', shared);
  shared.fill(0);
  try {
    return new Uint8Array(hkdfSync('sha256', input, salt, Buffer.from(vmId, 'utf8'), KEY_BYTES));
  } finally {
    input.fill(0);
  }
}

/** AES-256-GCM without additional data. The key is destroyed. */
function open(key: NativeContentKey, iv: Uint8Array, sealed: Uint8Array): Buffer {
  const end = sealed.length - TAG_BYTES;
  const output = Buffer.alloc(end);
  try {
    key.open(iv, NO_DATA, sealed.subarray(end), sealed.subarray(0, end), output);
    return output;
  } catch (error) {
    output.fill(0);
    if (error instanceof AttestationError || !isNativeError(error) || error.kind !== 'crypto') throw error;
    throw refuseSecret('ERR_SECRET_DECRYPTION', 'it is for another machine, or was changed');
  } finally {
    key.destroy();
  }
}
