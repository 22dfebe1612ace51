import { createHmac, randomBytes } from 'node:crypto';
import { newKeyPair } from '../../node/key-pair.js';
import type { Behaviour } from '../http/behaviour.js';
import type { VaultAuthority } from './pki.js';
import { aesWrap, plaintextOf, type ReleaseDraft } from './release-draft.js';

/** What a fault may need besides the answer that it changes. */
export interface FaultContext {
  authority: VaultAuthority;
  hosts: string[];
  /** An answer that this vault gave before. */
  earlier: string | undefined;
}

/** A wrong answer of a vault, which `releaseKey` must refuse. */
export interface VaultFault {
  description: string;
  /** Changes the answer before it is signed. */
  change?: (draft: ReleaseDraft, context: FaultContext) => void;
  /** Trouble on the wire instead. */
  behaviour?: Behaviour;
}

const always = { times: Number.POSITIVE_INFINITY };

const flip = (at: (length: number) => number) => (whole: Buffer) => {
  const copy = Buffer.from(whole);
  const index = at(copy.length);
  copy[index] = (copy[index] ?? 0) ^ 1;
  return copy;
};

/** Replaces the alternative initial value and the padding of AES-KWP by what the fault says. */
const wrappedAs = (initialValue: (length: number) => Buffer, padding: number) => (draft: ReleaseDraft) => {
  draft.wrap = (transportKey, plaintext) => {
    const filler = Buffer.alloc((8 - (plaintext.length % 8)) % 8 || 8, padding);
    return aesWrap('id-aes256-wrap', transportKey, initialValue(plaintext.length), Buffer.concat([plaintext, filler]));
  };
};

const kwp = (length: number): Buffer => {
  const value = Buffer.from('a65959a600000000', 'hex');
  value.writeUInt32BE(length, 4);
  return value;
};

const truncated = (length: number): VaultFault => ({
  description: `The wrapped key is cut to ${length} bytes.`,
  change: (draft) => {
    draft.ciphertext = (whole) => whole.subarray(0, length);
  },
});

const transportKeyOf = (bits: 128 | 192): VaultFault => ({
  description: `The transport key is one of AES-${bits}.`,
  change: (draft) => {
    draft.transportKey = randomBytes(bits / 8);
    draft.wrap = (key, plaintext) => aesWrap(`id-aes${bits}-wrap-pad`, key, Buffer.from('a65959a6', 'hex'), plaintext);
  },
});

const malformed = (value: string): VaultFault => ({
  description: `The answer is ${JSON.stringify(value)}.`,
  change: (draft) => {
    draft.jws = () => value;
  },
});

const withoutHeader = (
  header: (members: Record<string, unknown>) => Record<string, unknown>,
  description: string,
): VaultFault => ({
  description,
  change: (draft) => {
    draft.header = header;
  },
});

const signedBy = (
  issue: (authority: VaultAuthority, hosts: string[]) => ReleaseDraft['certificate'],
  description: string,
): VaultFault => ({
  description,
  change: (draft, { authority, hosts }) => {
    draft.certificate = issue(authority, hosts);
  },
});

const renamed = (change: (url: URL) => void, description: string): VaultFault => ({
  description,
  change: (draft) => {
    const url = new URL(draft.kid);
    change(url);
    draft.kid = url.href;
  },
});

const behaves = (behaviour: Behaviour, description: string): VaultFault => ({ description, behaviour });

/** Every wrong answer that a simulated vault gives when it is told to, by name. */
export const vaultFaults = {
  'kwp-bit-flip': {
    description: 'A bit of the wrapped key is flipped.',
    change: (draft) => {
      draft.ciphertext = flip(() => 256);
    },
  },
  'kwp-last-bit-flip': {
    description: 'The last bit of the wrapped key is flipped.',
    change: (draft) => {
      draft.ciphertext = flip((length) => length - 1);
    },
  },
  'rsa-wrong-hash': {
    description: 'The transport key is wrapped with OAEP of another hash than the algorithm says.',
    change: (draft) => {
      draft.hash = draft.hash === 'SHA-1' ? 'SHA-256' : 'SHA-1';
    },
  },
  'rsa-other-key': {
    description: 'The transport key is wrapped to another RSA key.',
    change: (draft) => {
      draft.wrappingKey = {
        ...draft.wrappingKey,
        publicKey: newKeyPair({ modulusLength: 2048 }).publicKey,
      };
    },
  },
  'truncated-1': truncated(1),
  'truncated-255': truncated(255),
  'truncated-257': truncated(257),
  'truncated-264': truncated(264),
  'trailing-bytes': {
    description: 'Bytes follow the wrapped key.',
    change: (draft) => {
      draft.ciphertext = (whole) => Buffer.concat([whole, Buffer.alloc(8)]);
    },
  },
  'aes-key-128': transportKeyOf(128),
  'aes-key-192': transportKeyOf(192),
  'kwp-plain-kw-iv': {
    description: 'The key is wrapped as RFC 3394 has it, without padding.',
    change: wrappedAs(() => Buffer.alloc(8, 0xa6), 0),
  },
  'kwp-mli-too-large': {
    description: 'The wrapped key says that it is longer than it is.',
    change: wrappedAs((length) => kwp(length + 64), 0),
  },
  'kwp-nonzero-pad': { description: 'The padding of the wrapped key is not zero.', change: wrappedAs(kwp, 1) },
  'not-pkcs8': {
    description: 'What is wrapped is not a key.',
    change: (draft) => {
      draft.plaintext = Buffer.from('this is not a private key, whatever its wrapping says');
    },
  },
  'pkcs8-trailing-bytes': {
    description: 'Bytes follow the PKCS#8 structure inside the wrapping.',
    change: (draft) => {
      draft.plaintext = Buffer.concat([draft.plaintext, Buffer.alloc(8, 1)]);
    },
  },
  'substituted-key': {
    description: 'The wrapped key is not the one whose public part is signed.',
    change: (draft) => {
      draft.plaintext = anotherKey(draft);
    },
  },
  'kty-mismatch': {
    description: 'The wrapped key is of another type than the one that is signed.',
    change: (draft) => {
      const rsa = draft.key.kty.startsWith('RSA');
      const { privateKey } = rsa ? newKeyPair({ namedCurve: 'P-256' }) : newKeyPair({ modulusLength: 2048 });
      draft.plaintext = plaintextOf(privateKey);
    },
  },
  'enc-downgrade': {
    description: 'The key is wrapped with SHA-1 whatever was asked for.',
    change: (draft) => {
      draft.enc = 'CKM_RSA_AES_KEY_WRAP';
      draft.hash = 'SHA-1';
    },
  },
  'key-hsm-kid': {
    description: 'The wrapped key names another wrapping key.',
    change: (draft) => {
      draft.wrappingKey = { ...draft.wrappingKey, kid: 'AnotherKey' };
    },
  },
  'wrong-key-name': renamed((url) => {
    url.pathname = url.pathname.replace(/^\/keys\/[^/]+/, '/keys/another');
  }, 'The answer is about another key of the same vault.'),
  'wrong-key-version': renamed((url) => {
    url.pathname = url.pathname.replace(/[^/]+$/, 'ffffffffffffffffffffffffffffffff');
  }, 'The answer is about another version of the key.'),
  'other-vault': renamed((url) => {
    url.host = 'another.vault.azure.net';
  }, 'The answer is one of another vault.'),
  'nonce-mismatch': {
    description: 'The answer has another nonce than the request.',
    change: (draft) => {
      draft.request = { ...draft.request, nonce: 'dHdv' };
    },
  },
  'no-response': {
    description: 'The answer has a request and no response.',
    change: (draft) => {
      draft.payload = ({ request }) => ({ request });
    },
  },
  'key-hsm-raw': {
    description: 'The wrapped key comes without its header.',
    change: (draft) => {
      draft.blob = (_, ciphertext) => ciphertext;
    },
  },
  'jws-payload-tampered': {
    description: 'The payload was changed after it was signed.',
    change: (draft) => {
      draft.jws = (value) => {
        const [header, payload = '', signature] = value.split('.');
        const text = Buffer.from(payload, 'base64url').toString('utf8').replace('"enabled":true', '"enabled":"yes"');
        return [header, Buffer.from(text).toString('base64url'), signature].join('.');
      };
    },
  },
  'jws-alg-none': {
    ...withoutHeader((header) => ({ ...header, alg: 'none' }), 'The header says that the answer is not signed.'),
  },
  'jws-alg-hs256': {
    description: "The answer is authenticated with the certificate's public key as a secret.",
    change: (draft) => {
      draft.header = (header) => ({ ...header, alg: 'HS256' });
      draft.jws = (value) => {
        const input = value.slice(0, value.lastIndexOf('.'));
        return `${input}.${createHmac('sha256', draft.certificate.certificate.der).update(input).digest('base64url')}`;
      };
    },
  },
  'x5c-missing': withoutHeader(({ x5c: _, ...header }) => header, 'The answer carries no certificates.'),
  'x5c-empty': withoutHeader((header) => ({ ...header, x5c: [] }), 'The list of certificates is empty.'),
  'x5c-garbage': withoutHeader((header) => ({ ...header, x5c: ['AAAA'] }), 'The certificate is not one.'),
  'x5c-no-intermediate': withoutHeader(
    (header) => ({ ...header, x5c: [(header.x5c as string[])[0]] }),
    'The certificate of the issuer is missing.',
  ),
  'x5c-selfsigned': signedBy((authority, hosts) => authority.selfSigned(hosts), 'The certificate is signed by itself.'),
  'x5c-own-root': signedBy(
    (authority, hosts) => authority.byStranger(hosts),
    'The certificates end in a root of their own.',
  ),
  'x5c-expired': signedBy((authority, hosts) => authority.expired(hosts), 'The certificate has expired.'),
  'x5c-non-ca-issuer': signedBy(
    (authority, hosts) => authority.byEndEntity(hosts),
    'The certificate is signed by one that is not an authority.',
  ),
  'x5c-wrong-host': signedBy(
    (authority) => authority.issueLeaf(['evil.example.com']),
    'The certificate is a trusted one, for another host.',
  ),
  'malformed-49': malformed(''),
  'malformed-51': malformed('a.b'),
  'malformed-52': malformed('a.b.c.d'),
  'malformed-54': malformed('e30.e30.'),
  replayed: {
    description: 'The answer is the one to an earlier request.',
    change: (draft, { earlier }) => {
      draft.jws = (value) => earlier ?? value;
    },
  },
  'vault-throttled': behaves(
    {
      kind: 'answer',
      status: 429,
      headers: { 'retry-after': '1' },
      body: { error: { code: 'Throttled', message: 'Too many requests' } },
      ...always,
    },
    'The vault is too busy (429), always.',
  ),
  'vault-slow': behaves({ kind: 'drip', intervalMs: 1000, ...always }, 'The vault sends its answer byte by byte.'),
  'vault-hangs': behaves({ kind: 'hang', ...always }, 'The vault takes requests and never answers.'),
  'vault-oversized': behaves(
    { kind: 'oversized', bytes: 10 * 1024 * 1024, ...always },
    'The vault answers with 10 MiB.',
  ),
  'vault-not-json': behaves(
    { kind: 'answer', body: '<html>', ...always },
    'The vault answers with something else than JSON.',
  ),
  'vault-redirects': behaves(
    { kind: 'answer', status: 302, headers: { location: 'https://evil.example/' }, ...always },
    'The vault sends its callers elsewhere.',
  ),
} satisfies Record<string, VaultFault>;

export type VaultFaultName = keyof typeof vaultFaults;

function anotherKey({ key }: ReleaseDraft): Buffer {
  if (key.kty.startsWith('oct')) return randomBytes(16);
  const { asymmetricKeyDetails: details } = key.keyObject;
  const { privateKey } = key.kty.startsWith('RSA')
    ? newKeyPair({ modulusLength: details?.modulusLength ?? 2048 })
    : newKeyPair({ namedCurve: details?.namedCurve ?? 'P-256' });
  return plaintextOf(privateKey);
}
