import {
  constants,
  createCipheriv,
  createHmac,
  createPublicKey,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';

// A sender of every format of docs/encryption.md that knows each of its keys, which the library itself tells nobody.

export interface KnownMessage {
  contentKey: Buffer;
  plaintext: Buffer;
}

const header = (typ?: string): string =>
  Buffer.from(JSON.stringify({ alg: 'RSA-OAEP-256', enc: 'A256GCM', ...(typ && { typ }) })).toString('base64url');

export function publicKeyOf(token: string): KeyObject {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    'x-ms-runtime': { keys: { kid: string; n: string; e: string }[] };
  };
  const jwk = claims['x-ms-runtime'].keys.find(({ kid }) => kid === 'TpmEphemeralEncryptionKey');
  return createPublicKey({ key: { kty: 'RSA', n: jwk?.n ?? '', e: jwk?.e ?? '' }, format: 'jwk' });
}

export function wrap(publicKey: KeyObject, bytes: Buffer, scheme: 'RSA-OAEP' | 'RSAES' = 'RSA-OAEP'): Buffer {
  return scheme === 'RSAES'
    ? publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, bytes)
    : publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, bytes);
}

function gcm(key: Buffer, iv: Buffer, aad: Buffer, plaintext: Buffer): { ciphertext: Buffer; tag: Buffer } {
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { ciphertext, tag: cipher.getAuthTag() };
}

/** HKDF-Expand with SHA-512 (RFC 5869 section 2.3). */
function expand(key: Buffer, info: Buffer, size: number): Buffer {
  let block: Buffer = Buffer.alloc(0);
  const blocks: Buffer[] = [];
  for (let i = 1; blocks.length * 64 < size; i++) {
    block = createHmac('sha512', key)
      .update(Buffer.concat([block, info, Buffer.from([i])]))
      .digest();
    blocks.push(block);
  }
  return Buffer.concat(blocks).subarray(0, size);
}

/** One changed bit at the end: the tag of a JWE, a message or a chunk. */
export function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
  return copy;
}

export class KnownSender {
  constructor(readonly publicKey: KeyObject) {}

  jwe(plaintext: Buffer, typ?: string): KnownMessage & { jwe: string } {
    const contentKey = randomBytes(32);
    const iv = randomBytes(12);
    const { ciphertext, tag } = gcm(contentKey, iv, Buffer.from(header(typ)), plaintext);
    const parts = [wrap(this.publicKey, contentKey), iv, ciphertext, tag].map((part) => part.toString('base64url'));
    return { jwe: [header(typ), ...parts].join('.'), contentKey, plaintext };
  }

  envelope(plaintext: Buffer): KnownMessage & { encryptedData: Buffer; encryptionMetadata: Buffer; block: Buffer } {
    const contentKey = randomBytes(32);
    const iv = randomBytes(12);
    const { ciphertext, tag } = gcm(contentKey, iv, Buffer.from(header()), plaintext);
    const block = wrap(this.publicKey, contentKey);
    return {
      encryptedData: ciphertext,
      encryptionMetadata: envelopeMetadata(block, iv, tag),
      block,
      contentKey,
      plaintext,
    };
  }

  session(): KnownSession {
    return new KnownSession(this);
  }

  stream(plaintext: Buffer): KnownMessage & { sealed: Buffer; inputKey: Buffer; key: Buffer } {
    const inputKey = randomBytes(32);
    const { jwe, contentKey } = this.jwe(inputKey, 'cvm-stream+jwe');
    const context = Buffer.concat([Buffer.from('CVMSEAL\x01\0\0', 'latin1'), Buffer.from(jwe)]);
    context.writeUInt16BE(jwe.length, 8);
    const salt = randomBytes(24);
    const label = Buffer.from('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0', 'latin1');
    const material = expand(inputKey, Buffer.concat([label, salt, context]), 76);
    const key = material.subarray(0, 32);
    const chunks: Buffer[] = [];
    for (let i = 0; i * 16_384 <= plaintext.length; i++) {
      const nonce = Buffer.from(material.subarray(32, 44));
      nonce[11] = (nonce[11] ?? 0) ^ i;
      const { ciphertext, tag } = gcm(key, nonce, Buffer.alloc(0), plaintext.subarray(i * 16_384, (i + 1) * 16_384));
      chunks.push(ciphertext, tag);
    }
    return {
      sealed: Buffer.concat([context, salt, material.subarray(44), ...chunks]),
      inputKey,
      key,
      contentKey,
      plaintext,
    };
  }
}

/** A session that nobody but this test can have made: what the receiver derives from it is known. */
export class KnownSession {
  readonly metadata: Buffer;
  readonly contentKey: Buffer;
  readonly inputKey = randomBytes(32);
  readonly key: Buffer;
  readonly #fixed: Buffer;
  #next = 0;

  constructor(sender: KnownSender) {
    const { jwe, contentKey } = sender.jwe(this.inputKey, 'cvm-session+jwe');
    this.metadata = Buffer.from(jwe);
    this.contentKey = contentKey;
    const material = sessionMaterial(this.inputKey, this.metadata);
    this.key = material.subarray(0, 32);
    this.#fixed = material.subarray(32);
  }

  seal(message: Buffer): Buffer {
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(BigInt(this.#next++));
    const { ciphertext, tag } = gcm(this.key, Buffer.concat([this.#fixed, number]), Buffer.alloc(0), message);
    return Buffer.concat([number, ciphertext, tag]);
  }
}

/** Key (32) and fixed field (4) of a session. */
export function sessionMaterial(inputKey: Buffer, metadata: Buffer): Buffer {
  const label = Buffer.from('cvm-guest-attestation session v1\0', 'latin1');
  return expand(inputKey, Buffer.concat([label, metadata, Buffer.alloc(1)]), 36);
}

export function envelopeMetadata(block: Buffer, iv: Buffer, tag: Buffer): Buffer {
  const [encrypted_key, sentIv, sentTag] = [block, iv, tag].map((part) => part.toString('base64url'));
  const members = { protected: header(), encrypted_key, iv: sentIv, tag: sentTag };
  return Buffer.from(Buffer.from(JSON.stringify(members)).toString('base64'));
}
