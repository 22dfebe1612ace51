// A Redis of the distribution on a Unix socket, and a client of the package redis, where both are installed.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always', '--no-appendfsync-on-rewrite', 'no'];

/** Why there is none, or undefined. */
export function redisMissing() {
  if (spawnSync('redis-server', ['--version']).error)
    return 'redis-server is not installed (npm run test:servers does)';
  try {
    clientFile();
  } catch {
    return 'the package redis is not installed (npm run test:servers does)';
  }
  return undefined;
}

function clientFile() {
  return createRequire(new URL('../test/servers/package.json', import.meta.url)).resolve('redis');
}

export async function connectRedis(path) {
  const { createClient } = await import(pathToFileURL(clientFile()).href);
  const client = createClient({ socket: { path, reconnectStrategy: 20 } });
  client.on('error', () => {});
  await client.connect();
  return client;
}

export class Redis {
  folder = mkdtempSync(join(tmpdir(), 'redis-'));
  path = join(this.folder, 's');
  #process;

  async start(...settings) {
    const base = ['--port', '0', '--unixsocket', this.path, '--dir', this.folder];
    this.#process = spawn('redis-server', [...base, ...settings], { stdio: 'ignore' });
    for (let attempt = 0; attempt < 200; attempt++) {
      const { stdout } = spawnSync('redis-cli', ['-s', this.path, 'PING'], { encoding: 'utf8' });
      if (stdout?.trim() === 'PONG') return this;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error('redis-server did not start');
  }

  async kill() {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }

  async remove() {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
