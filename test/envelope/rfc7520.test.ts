import { expect, it } from 'vitest';
import { decryptJwe } from '../../lib/envelope/jwe.js';

// Algorithms of the JWE examples of RFC 7520 section 5: none is what the TPM is asked for, so each must be refused before a
// key is used. The last line is ours with the compression of 5.9.
const headers: Record<string, object> = {
  '5.1': { alg: 'RSA1_5', kid: 'frodo.baggins@hobbiton.example', enc: 'A128CBC-HS256' },
  '5.2': { alg: 'RSA-OAEP', kid: 'samwise.gamgee@hobbiton.example', enc: 'A256GCM' },
  '5.3': { alg: 'PBES2-HS512+A256KW', p2s: '8Q1SzinasR3xchYz6ZZcHA', p2c: 8192, enc: 'A128CBC-HS256' },
  '5.4': { alg: 'ECDH-ES+A128KW', kid: 'peregrin.took@tuckborough.example', enc: 'A128GCM' },
  '5.5': { alg: 'ECDH-ES', kid: 'meriadoc.brandybuck@buckland.example', enc: 'A128CBC-HS256' },
  '5.6': { alg: 'dir', kid: '77c7e2b8-6e13-45cf-8672-617b5b45243a', enc: 'A128GCM' },
  '5.7': { alg: 'A256GCMKW', kid: '18ec08e1-bfa9-4d95-b205-2b4dd1d4321d', enc: 'A128CBC-HS256' },
  '5.8': { alg: 'A128KW', kid: '81b20965-8332-43d9-a468-82160ad91ac8', enc: 'A128GCM' },
  '5.9': { alg: 'A128KW', kid: '81b20965-8332-43d9-a468-82160ad91ac8', enc: 'A128GCM', zip: 'DEF' },
  'RSA-OAEP-256 compressed': { alg: 'RSA-OAEP-256', enc: 'A256GCM', zip: 'DEF' },
};

it.each(Object.entries(headers))('RFC 7520 section %s is refused by its header', async (_, header) => {
  const part = (size: number) => Buffer.alloc(size, 1).toString('base64url');
  const encoded = Buffer.from(JSON.stringify(header)).toString('base64url');
  const jwe = [encoded, part(256), part(12), part(40), part(16)].join('.');
  const never = async (): Promise<Uint8Array> => {
    throw new Error('must not be called');
  };
  await expect(decryptJwe(jwe, never)).rejects.toMatchObject({ code: 8 });
});
