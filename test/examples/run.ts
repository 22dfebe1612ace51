import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Runs an example as its reader would: a process of its own, on the compiled package. */
export function runExample(name: string, ...args: string[]): Promise<{ code: number; output: string }> {
  if (!existsSync(`${root}dist/index.js`)) throw new Error('compile the package first: npm run build:ts');
  return new Promise((resolve) => {
    execFile(process.execPath, [`examples/${name}`, ...args], { cwd: root, timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: `${out}${err}` });
    });
  });
}

/** The functions of an example, running on the sources. */
export async function importExample<Module>(name: string): Promise<Module> {
  const path = `../../examples/${name}`;
  return (await import(/* @vite-ignore */ path)) as Module;
}
