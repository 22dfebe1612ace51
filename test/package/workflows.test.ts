import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

interface Job {
  /** A workflow of ours in place of steps. */
  uses?: string;
  needs?: string;
  strategy?: { matrix: Record<string, unknown> };
  steps?: { run?: string; uses?: string }[];
}

/** What a job runs, with each value of its matrix filled in. */
function commandsOf({ strategy, steps = [] }: Job): string[] {
  let commands = steps.flatMap(({ run }) => (run === undefined ? [] : [run]));
  for (const [name, values] of Object.entries(strategy?.matrix ?? {})) {
    const place = `\${{ matrix.${name} }}`;
    commands = commands.flatMap((command) =>
      command.includes(place) ? (values as string[]).map((value) => command.replaceAll(place, value)) : [command],
    );
  }
  return commands;
}

/** The text of a script in package.json and of every file that it runs, without comments. */
function sourcesOf(name: string): string {
  const command = scripts[name] ?? '';
  const files = [...command.matchAll(/(?:scripts|bench)\/[\w./-]+/g)].map(([path]) => read(path));
  return [command, ...files].join('\n').replace(/^\s*(#|\/\/).*$/gm, '');
}

describe.each(readdirSync(new URL('.github/workflows/', root)))('workflow %s', (name) => {
  const { jobs } = parse(read(`.github/workflows/${name}`), { strict: true }) as { jobs: Record<string, Job> };
  const all = Object.values(jobs);

  it('pins every action by commit and says which version that is', () => {
    const text = read(`.github/workflows/${name}`);
    const used = all.flatMap(({ steps = [] }) => steps.flatMap(({ uses }) => (uses === undefined ? [] : [uses])));
    expect(used.length).toBeGreaterThan(0);
    for (const action of used) {
      expect(action).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
      expect(text).toMatch(new RegExp(`uses: ${action} # v\\d+\\.\\d+\\.\\d+\n`));
    }
  });

  it('names only jobs and workflows that exist', () => {
    for (const { needs, uses, steps } of all) {
      if (needs !== undefined) expect(jobs).toHaveProperty([needs]);
      if (uses !== undefined) expect(existsSync(new URL(uses, root)), uses).toBe(true);
      else expect(steps).toBeDefined();
    }
  });

  it('runs only commands that exist here, with arguments that they know', () => {
    const commands = all.flatMap(commandsOf);
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) {
      expect(command).not.toContain('${{');
      for (const [, script = '', rest = ''] of command.matchAll(/npm run ([\w:-]+)(?: -- ([^\n]*))?/g)) {
        expect(scripts).toHaveProperty([script]);
        for (const argument of rest.split(' ').filter(Boolean)) {
          expect(sourcesOf(script), command).toMatch(new RegExp(`(^|[\\s'"(|])${argument}([\\s'")|]|$)`, 'm'));
        }
      }
      for (const [, path = ''] of command.matchAll(/(?:bash|node) ((?:\.ci|scripts)\/[\w./-]+)/g)) {
        expect(existsSync(new URL(path, root)), path).toBe(true);
      }
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
