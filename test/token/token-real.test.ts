import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeUnverifiedToken, verifyToken } from '../../lib/index.js';
import { jwkOf, rsaKeys } from './issuer.js';
import { refusal } from './refusal.js';

const shared = new URL('../../../shared/', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, shared), 'utf8');

describe.skipIf(!existsSync(new URL('seeds/', shared)))('the documented example of the REST API', () => {
  const member = (name: string): string => {
    const value = new RegExp(`"${name}": "([^"]+)"`).exec(read('seeds/maa-attest-sev-snp-vm-rest-api.txt'))?.[1];
    if (value === undefined) throw new Error(`the document has no ${name}`);
    return value;
  };

  it('decodes to typed claims of a platform token', () => {
    const { header, claims } = decodeUnverifiedToken(member('token'));
    expect(header).toEqual({
      alg: 'RS256',
      jku: 'https://tenanttests.us/certs',
      kid: 'NiBnE1F+mmlfQeIhyDbQsUR9WS6dRPX9dXmHDnZoEpU=',
      typ: 'JWT',
    });
    if (claims['x-ms-attestation-type'] !== 'sevsnpvm') throw new Error('expected a platform token');
    const runtime = claims['x-ms-runtime'];
    expect({
      nonce: claims.nonce,
      svn: claims['x-ms-sevsnpvm-microcode-svn'],
      kid: runtime?.keys?.[0]?.kid,
      secureBoot: runtime?.['vm-configuration']?.['secure-boot'],
    }).toEqual({ nonce: 'noncesevsnp987', svn: 40, kid: 'HCLTransferKey', secureBoot: true });
  });

  it('has runtime data that hashes to its report data', () => {
    const { claims } = decodeUnverifiedToken(member('token'));
    const runtimeData = Buffer.from(member('data'), 'base64url');
    const digest = createHash('sha256').update(runtimeData).digest('hex');
    expect(claims['x-ms-sevsnpvm-reportdata']).toBe(digest + '00'.repeat(32));
  });

  it('is refused: its key is not known, and it expired long ago', async () => {
    const options = { issuer: 'https://tenanttests.us', keys: { keys: [jwkOf(rsaKeys())] } };
    await refusal(verifyToken(member('token'), options), 'ERR_TOKEN_KEY_UNKNOWN');
    const samename = { keys: [jwkOf(rsaKeys(), 'NiBnE1F+mmlfQeIhyDbQsUR9WS6dRPX9dXmHDnZoEpU=')] };
    await refusal(verifyToken(member('token'), { ...options, keys: samename }), 'ERR_TOKEN_SIGNATURE');
  });
});

describe.skipIf(!existsSync(new URL('fixtures/', shared)))('a real guest token of 2023', () => {
  it('decodes to typed claims of a guest token', () => {
    const { claims } = decodeUnverifiedToken(read('fixtures/maa-tokens/azurevm-cvm-2023.jwt').trim());
    if (claims['x-ms-attestation-type'] !== 'azurevm') throw new Error('expected a guest token');
    expect(claims['x-ms-azurevm-vmid']).toBe('70F5CE9A-2BDC-4B6B-8401-E9B964D3AEB7');
    expect(claims['x-ms-isolation-tee']['x-ms-sevsnpvm-microcode-svn']).toBe(115);
    expect(claims['x-ms-runtime']?.['client-payload']).toEqual({ nonce: Buffer.from('ADE0101').toString('base64') });
  });

  it('is refused: the issuer no longer publishes its key', async () => {
    const token = read('fixtures/maa-tokens/azurevm-cvm-2023.jwt').trim();
    const options = { issuer: 'https://sharedweu.weu.attest.azure.net', keys: { keys: [jwkOf(rsaKeys(), 'newer')] } };
    await refusal(verifyToken(token, options), 'ERR_TOKEN_KEY_UNKNOWN');
  });
});
