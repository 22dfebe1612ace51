import { createWriteStream } from 'node:fs';
import { mkdtemp, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileError } from './files.js';

const CHUNK_BYTES = 1 << 20;

/** A file, or stdin for `-`, as a stream. A file that cannot be opened is an error here and now. */
export async function inputStream(path: string): Promise<Readable> {
  if (path === '-') return process.stdin;
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw fileError(`${path} cannot be read`, cause);
  });
  return file.createReadStream({ highWaterMark: CHUNK_BYTES });
}

/** Reads the first bytes of a stream, enough to tell what it is, and gives back all of it. */
export async function peek(stream: Readable, bytes: number): Promise<{ head: Buffer; stream: Readable }> {
  const chunks: Buffer[] = [];
  let size = 0;
  const source = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let ended = false;
  while (size < bytes && !ended) {
    const { value, done } = await source.next();
    ended = done === true;
    if (ended) break;
    chunks.push(value);
    size += value.length;
  }
  const head = Buffer.concat(chunks, size);
  const whole = async function* (): AsyncGenerator<Buffer> {
    yield head;
    if (ended) return;
    for (let next = await source.next(); next.done !== true; next = await source.next()) yield next.value;
  };
  return { head, stream: Readable.from(whole(), { objectMode: false }) };
}

/**
 * Sends input through a transformation to a file, which appears whole or not at all, or to stdout. What went to stdout
 * before a failure cannot be taken back: the exit code tells.
 */
export async function transform(
  input: Readable,
  through: Duplex,
  output: { path: string; mode: number },
  signal: AbortSignal,
): Promise<void> {
  if (output.path === '-') {
    await pipeline(input, through, process.stdout, { signal, end: false });
    return;
  }
  const folder = await mkdtemp(join(dirname(output.path), `.${basename(output.path)}-`)).catch((cause: unknown) => {
    throw fileError(`${output.path} cannot be written`, cause);
  });
  try {
    const draft = join(folder, 'draft');
    await pipeline(input, through, createWriteStream(draft, { mode: output.mode, highWaterMark: CHUNK_BYTES }), {
      signal,
    });
    await rename(draft, output.path).catch((cause: unknown) => {
      throw fileError(`${output.path} cannot be written`, cause);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
