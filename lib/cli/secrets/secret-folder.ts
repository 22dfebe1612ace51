import { constants, type Stats } from 'node:fs';
import { access, lstat, mkdtemp, open, rename, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Magic numbers of file systems in memory (statfs(2)): tmpfs and ramfs. */
const IN_MEMORY = [0x01021994, 0x858458f6];

/** A folder of files that nobody else can read, in memory where there is a place for it, gone when the program ends. */
export class SecretFolder implements AsyncDisposable {
  private constructor(
    readonly path: string,
    /** Whether the files never reach a disk. */
    readonly inMemory: boolean,
  ) {}

  /** @param candidates folders to try, best first */
  static async create(candidates: readonly (string | undefined)[]): Promise<SecretFolder> {
    for (const candidate of candidates) {
      if (candidate && (await isMemory(candidate))) return new SecretFolder(await privateFolder(candidate), true);
    }
    return new SecretFolder(await privateFolder(tmpdir()), false);
  }

  /** Writes a file whole: beside its place first, then renamed over what was there. */
  async write(name: string, content: Uint8Array): Promise<string> {
    const path = join(this.path, name);
    const draft = `${path}.new`;
    await rm(draft, { force: true });
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    await rename(draft, path);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** mkdtemp makes it 0700. */
const privateFolder = (parent: string): Promise<string> => mkdtemp(join(parent, 'cvm-attest-run-'));

async function isMemory(path: string): Promise<boolean> {
  try {
    const [{ type }, folder] = await Promise.all([statfs(path), lstat(path), access(path, constants.W_OK)]);
    return IN_MEMORY.includes(type) && isFolder(folder);
  } catch {
    return false;
  }
}

const isFolder = (stats: Stats): boolean => stats.isDirectory() && !stats.isSymbolicLink();
