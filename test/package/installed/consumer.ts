import { execFileSync, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Packs the working tree as `npm publish` would, into `folder`; returns the tarball's path. */
export function pack(folder: string): string {
  const output = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // The prepack script may print before the JSON.
  const [tarball] = JSON.parse(output.slice(output.indexOf('[\n'))) as [{ filename: string }];
  return join(folder, tarball.filename);
}

/** The Node binary of that major version: this process's own, or one that scripts/nodes.sh fetched. */
export function nodeBinary(major: string): string | undefined {
  const fetched = join(root, '.nodes', major, 'bin', 'node');
  if (existsSync(fetched)) return realpathSync(fetched);
  return process.versions.node.startsWith(`${major}.`) ? process.execPath : undefined;
}

/** An empty folder of a user who has Node and nothing else: no compiler, no cmake, no apt on the PATH. */
export class Consumer {
  readonly folder = mkdtempSync(join(tmpdir(), 'cvm-consumer-'));
  readonly env: NodeJS.ProcessEnv;
  readonly node: string;

  constructor(node: string) {
    this.node = node;
    const bin = join(this.folder, 'bin');
    mkdirSync(bin);
    symlinkSync(node, join(bin, 'node'));
    const npm = realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim());
    symlinkSync(npm, join(bin, 'npm'));
    symlinkSync(join(dirname(npm), 'npx-cli.js'), join(bin, 'npx'));
    for (const tool of ['sh', 'env']) symlinkSync(realpathSync(join('/bin', tool)), join(bin, tool));
    const inherited = Object.entries(process.env).filter(([name]) =>
      /^(HOME|NODE_EXTRA_CA_CERTS|https?_proxy)$/i.test(name),
    );
    this.env = { ...Object.fromEntries(inherited), PATH: bin, NO_COLOR: '1' };
    this.write('package.json', JSON.stringify({ name: 'consumer', private: true }));
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): SpawnSyncReturns<string> {
    return spawnSync(command, args, {
      cwd: this.folder,
      env: { ...this.env, ...env },
      encoding: 'utf8',
      timeout: 120_000,
    });
  }

  /** Runs a script in the folder and returns what it printed; a failure throws with its standard error. */
  output(name: string, script: string, env: NodeJS.ProcessEnv = {}): string {
    this.write(name, script);
    const { status, signal, stdout, stderr } = this.run('node', [name], env);
    if (status !== 0) throw new Error(`${name} ended with ${status ?? signal}: ${stderr}`);
    return stdout.trim();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
