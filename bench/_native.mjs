// The contenders that are written in C++ (bench/native), built when a benchmark first asks for one.
import { execFileSync, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What the module made from bench/native/NAME.cc exports. */
export function nativeModule(name) {
  return createRequire(import.meta.url)(`${built(name)}.node`);
}

/** Path of the program made from bench/native/NAME.cc. */
export function nativeProgram(name) {
  return built(name);
}

function built(name) {
  const folder = `${root}build-bench`;
  const settings = ['-DCMAKE_BUILD_TYPE=Release', '-DCGA_BUILD_ADDON=OFF', '-DCGA_BUILD_BENCH=ON'];
  execFileSync('cmake', ['-S', root, '-B', folder, '-G', 'Ninja', ...settings], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  execFileSync('cmake', ['--build', folder, '--target', name, '--', '--quiet'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return `${folder}/${name}`;
}

/** A program that answers each line with one line. */
export class LineProgram {
  #child;
  #waiting = [];

  constructor(path, args) {
    this.#child = spawn(path, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#waiting.shift()?.resolve(line));
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${path} ended with ${code}`));
    });
  }

  ask(line) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${line}\n`);
    });
  }

  close() {
    this.#child.stdin.end();
  }
}
