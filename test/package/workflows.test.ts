import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

describe.each(readdirSync(new URL('.github/workflows/', root)))('workflow %s', (name) => {
  const text = read(`.github/workflows/${name}`);

  it('pins every action by commit and says which version that is', () => {
    const uses = [...text.matchAll(/uses: (.*)/g)]
      .map(([, action]) => action)
      .filter((action) => !action?.startsWith('./'));
    for (const action of uses) expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it('runs only commands that exist here', () => {
    for (const [, script] of text.matchAll(/npm run ([\w:-]+)/g)) expect(scripts).toHaveProperty([script as string]);
    for (const [, path] of text.matchAll(/(?:bash|node) ((?:\.ci|scripts)\/[\w./-]+)/g)) {
      expect(existsSync(new URL(path as string, root)), path).toBe(true);
    }
  });
});

describe('package.json', () => {
  it('names only scripts that exist', () => {
    for (const command of Object.values(scripts)) {
      for (const [path] of command.matchAll(/(?:scripts|bench|tools)\/[\w./-]+/g)) {
        expect(existsSync(new URL(path, root)), path).toBe(true);
      }
      for (const [, script] of command.matchAll(/npm run (?:--silent )?([\w:-]+)/g))
        expect(scripts).toHaveProperty([script as string]);
    }
  });

  it('has a lock file without registry addresses, with every optional package of every platform', () => {
    const lock = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { resolved?: string; optionalDependencies?: Record<string, string> }>;
    };
    for (const [path, entry] of Object.entries(lock.packages)) {
      expect(entry.resolved, path).toBeUndefined();
      for (const name of Object.keys(entry.optionalDependencies ?? {})) {
        // npm ci refuses a lock file that names an optional package without describing it.
        const nested = `${path}/node_modules/${name}`;
        expect(lock.packages[nested] ?? lock.packages[`node_modules/${name}`], `${path} → ${name}`).toBeDefined();
      }
    }
  });
});
