import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** Bytes to look for, under the name that a report gives them. */
export type Needles = Readonly<Record<string, Buffer>>;

/** What a look through the memory of a process found. */
export interface MemorySearch {
  /** For each needle the mappings in which it lies, once for each time; empty when it is nowhere. */
  found: Record<string, string[]>;
  /** Bytes looked through. */
  size: number;
}

const WINDOW = 1 << 22;
const PAGE = 4096;
const ZEROS = Buffer.alloc(PAGE);

/**
 * Looks for byte strings in everything that another process of the same user has written or could have: every readable
 * mapping but program code. `/proc/PID/mem` reads locked memory and memory that core dumps leave out as well.
 *
 * From outside, so that the process that is looked through never holds what is looked for.
 */
export function searchMemory(pid: number, needles: Needles): MemorySearch {
  const found: Record<string, string[]> = Object.fromEntries(Object.keys(needles).map((name) => [name, []]));
  const byPrefix = new PrefixTable(needles);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const window = Buffer.allocUnsafeSlow(WINDOW + byPrefix.longest - 1);
  let size = 0;
  try {
    for (const { from, to, name } of mappings(pid)) {
      for (let at = from; at < to; at += WINDOW) {
        const read = readAt(memory, window, Math.min(window.length, to - at), at);
        size += Math.min(read, WINDOW);
        for (const [label, offset] of byPrefix.matches(window.subarray(0, read), WINDOW)) {
          const mapping = `${name || 'anonymous'} ${from.toString(16)}-${to.toString(16)}`;
          found[label]?.push(`${(at + offset).toString(16)} in ${mapping}`);
        }
      }
    }
  } finally {
    window.fill(0);
    closeSync(memory);
  }
  return { found, size };
}

/** Finds hundreds of needles in one pass: by their first two bytes. */
class PrefixTable {
  readonly longest: number;
  readonly #needles = new Map<number, [string, Buffer][]>();
  readonly #known = new Uint8Array(1 << 16);

  constructor(needles: Needles) {
    this.longest = Math.max(...Object.values(needles).map(({ length }) => length));
    for (const [label, bytes] of Object.entries(needles)) {
      const prefix = bytes.readUInt16LE();
      this.#known[prefix] = 1;
      this.#needles.set(prefix, [...(this.#needles.get(prefix) ?? []), [label, bytes]]);
    }
  }

  /** Matches that begin before `end`. */
  *matches(view: Buffer, end: number): Generator<[label: string, offset: number]> {
    const last = Math.min(view.length - 1, end);
    const known = this.#known;
    for (let i = 0; i < last; i++) {
      if (i % PAGE === 0 && ZEROS.equals(view.subarray(i, i + PAGE))) i += PAGE - this.longest;
      const prefix = (view[i] as number) | ((view[i + 1] as number) << 8);
      if (known[prefix] === 0) continue;
      for (const [label, bytes] of this.#needles.get(prefix) ?? []) {
        if (view.compare(bytes, 0, bytes.length, i, Math.min(i + bytes.length, view.length)) === 0) yield [label, i];
      }
    }
  }
}

function mappings(pid: number): { from: number; to: number; name: string }[] {
  const line = /^([0-9a-f]+)-([0-9a-f]+) (r[w-][x-].) \S+ \S+ (\d+) *(.*)$/;
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .map((text) => line.exec(text) ?? [])
    .filter(([, from, , rights = '', inode]) => from !== undefined && (rights[1] === 'w' || inode === '0'))
    .map(([, from = '', to = '', , , name = '']) => ({
      from: Number.parseInt(from, 16),
      to: Number.parseInt(to, 16),
      name,
    }))
    .filter(({ name }) => name !== '[vvar]' && name !== '[vsyscall]');
}

/** Bytes read; 0 where a mapping has gone since or cannot be read. */
function readAt(file: number, target: Buffer, length: number, at: number): number {
  try {
    return readSync(file, target, 0, length, at);
  } catch {
    return 0;
  }
}
