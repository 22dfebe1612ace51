import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);

/** Folders of lib/ from the bottom up: an import goes down or stays on its level (CONTRIBUTING, "Layout"). */
const LEVELS = [
  ['base'],
  ['abi', 'engine', 'http'],
  ['verify', 'token', 'imds', 'maa', 'tpm', 'content'],
  ['release', 'relying-party', 'guest', 'node', 'web'],
  ['simulator'],
  ['cli'],
];
/** What runs in any JavaScript runtime, but for the files named. */
const PORTABLE = ['base', 'abi', 'engine', 'verify', 'token', 'imds', 'maa', 'http'];
const NODE_ONLY = /^lib\/(engine\/(native|node|choose)|http\/(node-transport|proxy|tunnel))\.ts$/;

const level = (folder: string): number => LEVELS.findIndex((folders) => folders.includes(folder));
const folderOf = (path: string): string | undefined => /^lib\/([^/]+)\//.exec(path)?.[1];

const files = readdirSync(new URL('lib', root), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => `lib/${path}`);
const imports = files.flatMap((path) => {
  const text = readFileSync(new URL(path, root), 'utf8');
  return [...text.matchAll(/^(?:import|export)\b[^;]*?\bfrom '([^']+)';/gm)].map(([, target = '']) => ({
    path,
    target: target.startsWith('.') ? posix.join(posix.dirname(path), target) : target,
  }));
});

describe('the folders of lib/', () => {
  it('are all on a level', () => {
    const unknown = new Set(files.map(folderOf).filter((folder) => folder !== undefined && level(folder) < 0));
    expect([...unknown]).toEqual([]);
    expect(imports.length).toBeGreaterThan(1000);
  });

  it('import downwards only', () => {
    const upwards = imports.filter(({ path, target }) => {
      const [from, to] = [folderOf(path), folderOf(target)];
      return from !== undefined && to !== undefined && level(to) > level(from);
    });
    expect(upwards.map(({ path, target }) => `${path} imports ${target}`)).toEqual([]);
  });

  it('import the simulator from the command line alone', () => {
    const users = imports.filter(
      ({ path, target }) => folderOf(target) === 'simulator' && folderOf(path) !== 'simulator',
    );
    expect(users.filter(({ path }) => folderOf(path) !== 'cli').map(({ path }) => path)).toEqual([]);
  });

  it('that run anywhere import neither node: nor the addon', () => {
    const bound = imports.filter(({ path, target }) => {
      const portable = PORTABLE.includes(folderOf(path) ?? '') && !NODE_ONLY.test(path);
      return portable && (target.startsWith('node:') || /^(lib\/native|binding)\.js$/.test(target));
    });
    expect(bound.map(({ path, target }) => `${path} imports ${target}`)).toEqual([]);
  });

  it('that run anywhere use neither Buffer nor process', () => {
    const bound = files.filter((path) => {
      if (!PORTABLE.includes(folderOf(path) ?? '') || NODE_ONLY.test(path)) return false;
      const code = readFileSync(new URL(path, root), 'utf8').replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, '');
      return /\bBuffer\b|\bprocess\./.test(code);
    });
    expect(bound).toEqual([]);
  });
});
