import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Verifies until a table of a P-256 key is due, which a helper thread then makes for 20 ms and more. */
const PROGRAM = `
const { generateKeyPairSync, sign } = require('node:crypto');
const { PublicKey } = require('node-gyp-build')(${JSON.stringify(root)});
function untilDue() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y } = publicKey.export({ format: 'jwk' });
  const message = Buffer.from('message');
  const signature = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const key = new PublicKey('P-256', Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url'));
  for (let i = 0; i < 1001; i++) if (!key.verify('ecdsa', 'SHA-256', message, signature, 0)) process.exit(1);
}
`;

const ends: [string, string, number][] = [
  ['process.exit()', 'untilDue(); process.exit(7)', 7],
  ['its last statement', 'untilDue()', 0],
  ['an uncaught error', 'untilDue(); throw new Error("expected")', 1],
  [
    'threads that are terminated',
    `const { Worker, isMainThread, parentPort } = require('node:worker_threads');
     if (isMainThread) {
       const threads = Array.from({ length: 3 }, () => new Worker(SOURCE, { eval: true }));
       let due = 0;
       for (const thread of threads) thread.on('message', () => { if (++due === 3) for (const one of threads) one.terminate(); });
     } else {
       untilDue();
       parentPort.postMessage('due');
       setInterval(() => {}, 1000);
     }`,
    0,
  ],
];

describe('a process in which a table of a P-256 key is being made', () => {
  it.each(ends)('ends by %s', (_, end, status) => {
    const source = PROGRAM + end;
    for (let time = 0; time < 4; time++) {
      const child = spawnSync(process.execPath, ['-e', `const SOURCE = ${JSON.stringify(source)};\n${source}`], {
        cwd: root,
        encoding: 'utf8',
        timeout: 30_000,
      });
      expect(child.signal, child.stderr).toBe(null);
      expect(child.status, child.stderr).toBe(status);
      if (status !== 1) expect(child.stderr).toBe('');
    }
  });
});
