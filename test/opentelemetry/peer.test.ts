import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** The compiled package with what it depends on, and nothing else in reach. */
let folder: string;
const provide = (name: string): void => {
  mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
  symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'without-opentelemetry-'));
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  for (const name of ['ajv', 'commander', 'jose', 'node-gyp-build']) provide(name);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (code: string) =>
  spawnSync(process.execPath, ['--input-type=module', '--eval', code], { cwd: folder, encoding: 'utf8' });

describe('@opentelemetry/api', () => {
  it('is not needed by anything but the entry point of that name, which says what is missing', () => {
    const { stdout, stderr } = run(`
      for (const entry of ['', '/simulator', '/opentelemetry']) {
        try { console.log('.' + entry, Object.keys(await import('cvm-guest-attestation' + entry)).length > 0); }
        catch (error) { console.log('.' + entry, error.code, error.message.split(' imported from ')[0]); }
      }`);
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual([
      '. true',
      './simulator true',
      "./opentelemetry ERR_MODULE_NOT_FOUND Cannot find package '@opentelemetry/api'",
    ]);
  });

  it('is enough: the entry point works with it alone, no SDK, and sees what the main one does', () => {
    provide('@opentelemetry/api');
    const { stdout, stderr } = run(`
      import { trace } from '@opentelemetry/api';
      import { verifyToken } from 'cvm-guest-attestation';
      import { traceOperations } from 'cvm-guest-attestation/opentelemetry';
      const refused = () => verifyToken('x', { issuer: 'https://issuer.example' }).catch(({ code }) => console.log(code));
      traceOperations();
      await refused(); // no provider: spans that go nowhere
      const names = [];
      const tracer = { startActiveSpan: (name, _, work) => { names.push(name); return work(trace.wrapSpanContext({})); } };
      traceOperations({ tracerProvider: { getTracer: () => tracer } });
      await refused();
      console.log(names.join());`);
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual(['ERR_TOKEN_FORMAT', 'ERR_TOKEN_FORMAT', 'cvm.verifyToken']);
  });
});
