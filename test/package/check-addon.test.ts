import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'cga-check-addon-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What scripts/check-addon.sh says of an addon with this body. */
function checked(name: string, body: string): { status: number | null; stderr: string } {
  const exported = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
  const source = join(folder, `${name}.cc`);
  const addon = join(folder, `${name}.node`);
  const entries = exported.map((symbol) => `extern "C" int ${symbol}() { return used(); }`).join('\n');
  writeFileSync(source, `${body}\n${entries}\n`);
  const link = ['-Wl,-z,now', '-Wl,-z,relro', '-Wl,-z,nodelete', '-Wl,-z,noexecstack', '-s'];
  execFileSync('g++', ['-shared', '-fPIC', '-o', addon, source, ...link]);
  return spawnSync('bash', ['scripts/check-addon.sh', addon], { cwd: root, encoding: 'utf8' });
}

describe('scripts/check-addon.sh', () => {
  it('passes an addon that asks for nothing but Node-API and libc', () => {
    const { status, stderr } = checked(
      'good',
      'extern "C" int napi_create_int32(); static int used() { return napi_create_int32(); }',
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  it('refuses an addon with a symbol that nothing has, and which therefore does not load', () => {
    const { status, stderr } = checked(
      'unresolved',
      'extern "C" int ZSTD_compress(); static int used() { return ZSTD_compress(); }',
    );
    expect(status).toBe(1);
    expect(stderr).toContain('does not load: nothing has ZSTD_compress');
  });

  it('refuses an addon that exports more than Node asks for', () => {
    const { status, stderr } = checked('more', 'extern "C" int more() { return 1; } static int used() { return 1; }');
    expect(status).toBe(1);
    expect(stderr).toContain('exports: more');
  });
});
