import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AttestationClient } from '../../lib/index.js';
import { deviceOf } from '../../lib/tpm/tcti-device.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tcti-device-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function failure(tcti: string): Promise<Record<string, unknown>> {
  await using client = new AttestationClient({ tcti });
  return await client.getEvidence().then(
    () => ({}),
    (error: Record<string, unknown>) => error,
  );
}

describe('the file of a device: TCTI', () => {
  it.each([
    ['device:/dev/tpmrm0', '/dev/tpmrm0'],
    ['device', '/dev/tpmrm0'],
    ['device:', '/dev/tpmrm0'],
    ['libtss2-tcti-device.so.0:/dev/tpm0', '/dev/tpm0'],
    ['/usr/lib/libtss2-tcti-device.so:/tmp/x', '/tmp/x'],
    ['swtpm:path=/tmp/x', undefined],
    ['tabrmd:', undefined],
    ['devices:/x', undefined],
  ])('of %s is %s', (tcti, path) => {
    expect(deviceOf(tcti)).toBe(path);
  });

  it.each(['device:', 'libtss2-tcti-device.so.0:'])(
    '%s of a regular file is refused, and the file stays as it was',
    async (name) => {
      const path = join(folder, 'precious');
      writeFileSync(path, 'not a TPM, and dear to its owner');
      expect(await failure(`${name}${path}`)).toMatchObject({
        name: 'AttestationError',
        code: 13,
        tpmErrorCode: 655370,
        message: expect.stringContaining('is not a TPM: it is a regular file'),
      });
      expect(readFileSync(path, 'utf8')).toBe('not a TPM, and dear to its owner');
    },
  );

  it.each([
    ['a directory', () => folder],
    ['a device of the class mem', () => '/dev/null'],
  ])('that is %s is not a TPM', async (what, path) => {
    expect(await failure(`device:${path()}`)).toMatchObject({
      message: expect.stringContaining(`is not a TPM: it is ${what}`),
    });
  });

  it('that is missing means that there is no TPM', async () => {
    expect(await failure('device:/nonexistent/tpm')).toMatchObject({
      code: 13,
      tpmErrorCode: 655370,
      message: expect.stringContaining('there is no TPM: /nonexistent/tpm does not exist'),
    });
  });

  it.skipIf(process.getuid?.() === 0)('that may not be looked at means that a permission is missing', async () => {
    const locked = join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0);
    expect(await failure(`device:${locked}/tpm`)).toMatchObject({ message: expect.stringContaining('no permission') });
  });
});
