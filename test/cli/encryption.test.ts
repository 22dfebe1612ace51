import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { simulatedGuest } from './guest.js';

const guest = simulatedGuest();
const { run, scratch, token } = guest;

describe('encrypt and decrypt', () => {
  const secret = Buffer.from('secret'.repeat(20));
  const issuer = (): string[] => ['--issuer', guest.cvm.attestationUrl];

  it.each([
    ['stream', []],
    ['envelope', []],
    ['none', []],
    ['none', ['--scheme', 'RSAES']],
    ['none', ['--hash', 'SHA-1']],
  ])('%s %j goes to the guest and back', async (type, more) => {
    const sealed = await run(['encrypt', '--token', token, ...issuer(), '--type', type, ...more], secret);
    expect(sealed).toMatchObject({ status: 0, stderr: '' });
    const opened = await run(['decrypt', ...more], sealed.bytes);
    expect(opened.status).toBe(0);
    expect(opened.bytes.equals(secret)).toBe(true);
  });

  it('metadata apart, with additional data', async () => {
    const [metadata, sealed] = [scratch('metadata'), scratch('sealed')];
    const encrypted = await run(
      [
        'encrypt',
        '--token',
        token,
        ...issuer(),
        '--type',
        'envelope',
        '--metadata',
        metadata,
        '--aad',
        'text:context',
        '-o',
        sealed,
      ],
      secret,
    );
    expect(encrypted.status).toBe(0);
    const opened = await run(['decrypt', '--metadata', metadata, '-i', sealed]);
    expect(opened.bytes.equals(secret)).toBe(true);
  });

  it('a large file, streamed; the plaintext is the user’s own', async () => {
    const [plain, sealed, opened] = [scratch('plain'), scratch('plain.sealed'), scratch('opened')];
    const bytes = Buffer.alloc(3_000_001, 'x');
    writeFileSync(plain, bytes);
    expect(
      (await run(['encrypt', '--token', token, ...issuer(), '--aad', 'a', '-i', plain, '-o', sealed])).status,
    ).toBe(0);
    expect((await run(['decrypt', '--aad', 'a', '-i', sealed, '-o', opened])).status).toBe(0);
    expect(readFileSync(opened).equals(bytes)).toBe(true);
    expect(statSync(opened).mode & 0o777).toBe(0o600);

    const refused = scratch('refused');
    expect(await run(['decrypt', '--aad', 'b', '-i', sealed, '-o', refused])).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('26 DATA_DECRYPTION_TPM_ERROR'),
    });
    writeFileSync(sealed, readFileSync(sealed).subarray(0, 2_000_000));
    expect((await run(['decrypt', '--aad', 'a', '-i', sealed, '-o', refused])).status).toBe(3);
    expect(existsSync(refused)).toBe(false);
  });

  it('more than one block holds is code 25', async () => {
    const { status, stderr } = await run(
      ['encrypt', '--token', token, ...issuer(), '--type', 'none'],
      Buffer.alloc(191),
    );
    expect(status).toBe(3);
    expect(stderr).toContain('25 EVP_PKEY_ENCRYPT_FAILED');
  });

  it('a token that is refused encrypts nothing', async () => {
    const { status, stdout, stderr } = await run(
      ['encrypt', '--token', token, '--issuer', 'https://example.com'],
      secret,
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('ERR_TOKEN_ISSUER');
  });

  it('says when nobody verified the token', async () => {
    expect((await run(['encrypt', '--token', token, '--type', 'none'], 'x')).stderr).toContain('not verified');
  });

  it('refuses what is nothing that it knows', async () => {
    expect(await run(['decrypt'], 'not encrypted')).toMatchObject({
      status: 3,
      stdout: '',
      stderr: expect.stringContaining('ERR_INPUT_FORMAT'),
    });
  });
});
