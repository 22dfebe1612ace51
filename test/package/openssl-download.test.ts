import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const settings = readFileSync(join(root, 'cmake/openssl.env'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'cga-openssl-'));
let mirror: Server;

beforeAll(async () => {
  mirror = createServer((_request, response) => response.end('another file of that name'));
  await new Promise<void>((resolve) => mirror.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  mirror.close();
  rmSync(folder, { recursive: true });
});

/** What scripts/openssl.sh says when cmake/openssl.env reads like this. */
function fetched(env: string, more: Record<string, string> = {}): Promise<{ code: unknown; stderr: string }> {
  const file = join(folder, 'openssl.env');
  writeFileSync(file, env);
  const { port } = mirror.address() as AddressInfo;
  const environment = {
    ...process.env,
    CGA_OPENSSL_ENV: file,
    CGA_CACHE_DIR: join(folder, 'cache'),
    CGA_DEBIAN_MIRROR: `http://127.0.0.1:${port}`,
    ...more,
  };
  return new Promise((resolve) => {
    execFile('bash', ['scripts/openssl.sh'], { cwd: root, env: environment }, (error, _stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stderr }),
    );
  });
}

describe('scripts/openssl.sh', () => {
  it('refuses a package that is not the file whose hash is pinned', { timeout: 60_000 }, async () => {
    const { code, stderr } = await fetched(settings);
    expect(stderr).toContain('refused: http://127.0.0.1:');
    expect(code).toBe(1);
  });

  it('refuses a version that lacks the fix of a known advisory', async () => {
    const old = settings.replace(/^CGA_OPENSSL_VERSION=.*$/m, 'CGA_OPENSSL_VERSION=3.5.7-1~deb13u2');
    const { code, stderr } = await fetched(old);
    expect(stderr).toContain('CVE-2026-35189');
    expect(stderr).toContain('is not built');
    expect(code).toBe(1);
  });

  it('refuses to fetch anything that has no hash', async () => {
    const { code, stderr } = await fetched(settings.replace(/^(CGA_OPENSSL_SHA256_\w+)=.*$/gm, '$1='));
    expect(stderr).toContain('has no hash');
    expect(code).toBe(1);
  });
});
