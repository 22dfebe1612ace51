import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cvmAttest, scratchFolder, start } from '../cli/cli.js';
import { RedisServer } from './redis-server.js';

// The client packages are installed in this folder.
const cwd = fileURLToPath(new URL('.', import.meta.url));
const file = scratchFolder();
const PASSWORD = 'correct-horse';
const parameters = (...more: string[]): string[] => [
  ...['serve', '--issuer', 'https://verifier.example', '--audience', 'a', '--allow-any-machine'],
  ...['--signing-key', file('missing.pem'), '--secret-file', file('missing'), '--port', '0', ...more],
];

describe('cvm-attest serve', () => {
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const redis = new RedisServer('--port', String(port), '--bind', '127.0.0.1', '--requirepass', PASSWORD);
  beforeAll(() => redis.start());
  afterAll(() => redis.remove());

  it('ends when it is told to while Redis is away', async () => {
    const child = start(parameters('--redis', 'redis://127.0.0.1:1'), { cwd });
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const asked = performance.now();
    child.kill('SIGTERM');
    expect((await once(child, 'exit'))[0]).toBe(130);
    expect(performance.now() - asked).toBeLessThan(4_000);
  });

  it.each([
    ['away', 'redis://:hunter22@127.0.0.1:1', 'ECONNREFUSED'],
    ['not for this password', `redis://:hunter22@127.0.0.1:${port}`, 'WRONGPASS'],
  ])('says why it does not start when Redis is %s, and shows no password', async (_, url, reason) => {
    const { status, stderr } = await cvmAttest(parameters('--redis', url), { cwd });
    expect(status).toBe(3);
    expect(stderr).toContain(reason);
    expect(stderr).toContain('ERR_STORE_UNAVAILABLE');
    expect(stderr).not.toContain('hunter22');
  });

  it('shows nothing of a URL that is none', async () => {
    writeFileSync(file('url'), 'http://:hunter22@127.0.0.1');
    const { status, stderr } = await cvmAttest(parameters('--redis-file', file('url')), { cwd });
    expect(status).toBe(2);
    expect(stderr).toContain('redis://host:6379');
    expect(stderr).not.toContain('hunter22');
  });

  it('ends when a file cannot be read, whatever it has connected to', async () => {
    const { status, stderr } = await cvmAttest(parameters('--redis', `redis://:${PASSWORD}@127.0.0.1:${port}`), {
      cwd,
    });
    expect(status).toBe(3);
    expect(stderr).toContain('missing.pem cannot be read');
  });
});
