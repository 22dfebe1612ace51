import { mkdtemp, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CliError } from '../exit.js';

/** Nothing that the command reads whole is larger: reports, evidence, certificates, tokens, policies. */
const MAX_INPUT_BYTES = 64 * 1024 * 1024;

/** Whole content of a file, or of stdin for `-`, up to `limit` bytes. */
export async function readInput(path: string, limit = MAX_INPUT_BYTES): Promise<Buffer> {
  if (path === '-') return readStream(process.stdin, path, limit);
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw fileError(`${path} cannot be read`, cause);
  });
  try {
    return await readStream(file.createReadStream({ autoClose: false }), path, limit);
  } finally {
    await file.close();
  }
}

/** The same of a stream that is open already. */
export async function readStream(
  stream: AsyncIterable<Buffer>,
  path: string,
  limit = MAX_INPUT_BYTES,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      size += chunk.length;
      if (size > limit) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw fileError(`${nameOf(path)} cannot be read`, cause);
  }
  if (size > limit) throw new CliError('ERR_INPUT_SIZE', `${nameOf(path)} is longer than ${limit} bytes`);
  return Buffer.concat(chunks, size);
}

/** The same as UTF-8 text; bytes that are not UTF-8 are refused. */
export async function readText(path: string, limit?: number): Promise<string> {
  const bytes = await readInput(path, limit);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CliError('ERR_INPUT_ENCODING', `${nameOf(path)} is not UTF-8 text`, cause);
  }
}

/** JSON of a file; what it must look like is for the caller to check. */
export async function readJson(path: string, limit?: number): Promise<unknown> {
  const text = await readText(path, limit);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CliError('ERR_INPUT_JSON', `${nameOf(path)} is not JSON`, cause);
  }
}

/**
 * Writes a file whole or not at all: beside its place first, then renamed. Mode 0600 where the content is private.
 */
export async function writeOutput(
  path: string,
  content: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<void> {
  let folder: string | undefined;
  try {
    folder = await mkdtemp(join(dirname(path), `.${basename(path)}-`));
    const draft = join(folder, 'draft');
    const file = await open(draft, 'wx', options.mode ?? 0o644);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (cause) {
    throw fileError(`${path} cannot be written`, cause);
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** A failed file operation in words, with the system's own code (`ENOENT`, `EACCES`, …). */
export function fileError(what: string, cause: unknown): CliError {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : 'ERR_FILE';
  const why: Record<string, string> = {
    ENOENT: 'there is no such file or folder',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of the path is not a folder',
    ENOSPC: 'the disk is full',
  };
  return new CliError(code, `${what}: ${why[code] ?? (cause instanceof Error ? cause.message : String(cause))}`, cause);
}

function nameOf(path: string): string {
  return path === '-' ? 'stdin' : path;
}
