import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'release-'));
  for (const file of ['verify-release.mjs', 'openssl-advisories.mjs', 'openssl-advisories.json']) {
    cpSync(join(root, 'scripts', file), join(folder, 'scripts', file));
  }
  cpSync(join(root, 'CHANGELOG.md'), join(folder, 'CHANGELOG.md'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function verify(addresses: object): string {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>;
  for (const member of ['repository', 'homepage', 'bugs']) delete manifest[member];
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, ...addresses }));
  const { status, stderr } = spawnSync(process.execPath, ['scripts/verify-release.mjs'], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  return stderr;
}

describe('verify-release', () => {
  it.each(['repository', 'homepage', 'bugs'])('refuses a package without %s, and says so', (member) => {
    const all = {
      repository: { type: 'git', url: 'git+https://example.org/package.git' },
      homepage: 'https://example.org/',
      bugs: { url: 'https://example.org/bugs' },
    };
    const said = `package.json has no ${member} that is an https address`;
    expect(verify(all)).not.toContain(said);
    expect(verify({ ...all, [member]: undefined })).toContain(said);
    expect(verify({ ...all, [member]: 'TODO' })).toContain(said);
  });

  it('refuses a package without its prebuilt addons', () => {
    expect(verify({})).toContain('prebuilds/linux-arm64/built-with.json is missing');
  });
});
