import {
  constants,
  createCipheriv,
  createHash,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
  sign,
} from 'node:crypto';
import { newKeyPair } from '../../node/key-pair.js';
import type { ProvisioningAuthority } from '../pki/provisioning-authority.js';

/** How a secret is protected; the defaults make a signed and encrypted one of Azure's kind. */
export interface ProtectSecretOptions {
  /** How the transport key is encrypted to the guest key. Default `rsaes`, as Azure's header says by default. */
  padding?: 'rsaes' | 'rsaes-oaep';
  /** Machine that the secret is for: UUID. Default: this one. */
  vmId?: string;
  /** Default true; false leaves the signature and the certificates out, and says `alg: none`. */
  signed?: boolean;
  /** Default true; false makes a token of mode `SigningOnly`, whose `signedData` is the secret as text. */
  encrypted?: boolean;
  /** `iat`. Default: the clock. */
  issuedAt?: Date;
  /** Default 1800, as Azure's. */
  lifetimeSeconds?: number;
  /** Common name of the signer, where it is not to be a provisioning service's. */
  signerCommonName?: string;
  /** Key that it is encrypted to, where that is not to be this machine's. RSA. */
  guestKey?: KeyObject;
  /** Changes the header before it is signed. */
  header?: (header: Record<string, unknown>) => Record<string, unknown>;
  /** Changes the claims before they are signed. */
  claims?: (claims: Record<string, unknown>) => Record<string, unknown>;
}

interface Recipient {
  vmId: string;
  guestKey: KeyObject;
  authority: ProvisioningAuthority;
}

/** A token that carries a secret to one confidential VM (key-release.md 2.2 and 2.3): compact JWS. */
export function protectSecret(secret: Uint8Array, options: ProtectSecretOptions, recipient: Recipient): string {
  const { padding = 'rsaes', signed = true, encrypted = true, lifetimeSeconds = 1800, issuedAt = new Date() } = options;
  const { authority } = recipient;
  const iat = Math.floor(issuedAt.getTime() / 1000);
  const leaf = authority.serviceCertificate(options.signerCommonName);
  const header: Record<string, unknown> = {
    alg: signed ? 'RS256' : 'none',
    typ: 'JWT',
    'x-az-cvm-purpose': 'secrets-provisioning',
    'x-az-rsa-padding': padding,
    ...(signed ? { x5c: [leaf, authority.intermediate].map(({ der }) => der.toString('base64')) } : {}),
    ...(encrypted ? {} : { protectionSettings: { mode: 'SigningOnly' } }),
  };
  const content = encrypted
    ? seal(secret, padding, options.vmId ?? recipient.vmId, options.guestKey ?? recipient.guestKey)
    : { signedData: Buffer.from(secret).toString('utf8') };
  const claims: Record<string, unknown> = { ...content, iat, exp: iat + lifetimeSeconds };
  const input = [options.header?.(header) ?? header, options.claims?.(claims) ?? claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${input}.${signed ? sign('sha256', Buffer.from(input), authority.signingKey).toString('base64url') : ''}`;
}

/** The encrypted claims; binary ones in standard base64. */
function seal(secret: Uint8Array, padding: string, vmId: string, guestKey: KeyObject): Record<string, string> {
  const [transportKey, salt, keyNonce, dataNonce] = [32, 32, 12, 12].map((size) => randomBytes(size)) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const wrapped =
    padding === 'rsaes-oaep'
      ? publicEncrypt({ key: guestKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, transportKey)
      : publicEncrypt({ key: guestKey, padding: constants.RSA_PKCS1_PADDING }, transportKey);
  const [guest, sender] = [newKeyPair(p256), newKeyPair(p256)];
  const shared = diffieHellman({ privateKey: guest.privateKey, publicKey: sender.publicKey });
  // The hash of the shared secret, not the secret itself: Windows' BCRYPT_KDF_HASH.
  const input = createHash('sha256').update(shared).digest();
  const key = Buffer.from(hkdfSync('sha256', input, salt, Buffer.from(vmId.toLowerCase(), 'utf8'), 32));
  const guestPrivateKey = guest.privateKey.export({ type: 'pkcs8', format: 'der' });
  const claims = {
    salt,
    dataNonce,
    keyNonce,
    wrappedAesTransportKey: wrapped,
    encryptedGuestEcdhPrivateKey: encrypt(transportKey, keyNonce, guestPrivateKey),
    ephemeralEcdhPublicKey: sender.publicKey.export({ type: 'spki', format: 'der' }),
    encryptedSecret: encrypt(key, dataNonce, secret),
  };
  return Object.fromEntries(Object.entries(claims).map(([name, bytes]) => [name, bytes.toString('base64')]));
}

const p256 = { namedCurve: 'P-256' };

/** AES-256-GCM without additional data: ciphertext, then the tag of 16 bytes. */
function encrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}
