// What bulk work may cost the rest of the process: memory and the event loop's time.
import { execFile } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { encryptEnvelope } from '../build/modules/content/index.js';
import { softwareKey } from './_key.mjs';
import { undisturbed } from './measure.mjs';

const GIBIBYTES = 8;
const SIZE = 64 * 1024 * 1024;

export async function limitRows() {
  return [await memory(), await eventLoop()];
}

async function memory() {
  const program = fileURLToPath(new URL('_stream-memory.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, String(GIBIBYTES * 1024)]);
  return {
    question: `peak of resident memory above idle while ${GIBIBYTES} GiB stream through encryption and decryption`,
    ratio: Number(stdout),
    unit: 'MiB',
    atMost: 96,
  };
}

async function eventLoop() {
  const key = softwareKey();
  const data = Buffer.alloc(SIZE, 1);
  const output = Buffer.alloc(SIZE);
  await encryptEnvelope(key.token, data, { output });
  const measured = await undisturbed(1, async () => {
    const histogram = monitorEventLoopDelay({ resolution: 1 });
    histogram.enable();
    for (let i = 0; i < 150; i++) await encryptEnvelope(key.token, data, { output });
    histogram.disable();
    return histogram;
  });
  const [delay] = measured.results;
  return {
    question: 'event-loop delay, 99th percentile, during messages of 64 MiB on both cores',
    ratio: delay.percentile(99) / 1e6,
    unit: 'ms',
    quiet: measured.quiet,
    atMost: 3,
    details: `median ${(delay.percentile(50) / 1e6).toFixed(1)} ms, highest ${(delay.max / 1e6).toFixed(1)} ms, 1 ms of each is the timer's own`,
  };
}
