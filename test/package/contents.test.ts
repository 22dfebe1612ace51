import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../..', import.meta.url);

/** What `npm pack` would put into the tarball, from the working tree as it is. */
function packedFiles(): string[] {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [tarball] = JSON.parse(output) as [{ files: { path: string }[] }];
  return tarball.files.map(({ path }) => path).sort();
}

describe('the npm package', () => {
  const files = packedFiles();

  it('holds a declaration for every module, one script an entry point, what the scripts share, and the manual', () => {
    const declarations = readdirSync(new URL('lib', root), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
      .map((path) => `dist/${path.slice(0, -'.ts'.length)}.d.ts`);
    const compiled = files.filter((path) => path.startsWith('dist/'));
    const isShared = (path: string): boolean => path.includes('/shared/');
    const [scripts, others] = [
      compiled.filter((path) => path.endsWith('.js')),
      compiled.filter((path) => !path.endsWith('.js') && path !== 'dist/cjs/package.json'),
    ];
    expect(others, 'dist/ is not what lib/ compiles to: npm run build:ts').toEqual(
      [...declarations, 'dist/cvm-attest.1'].sort(),
    );
    const library = ['index', 'opentelemetry', 'relying-party/index', 'simulator/index', 'verify'];
    const entries = [
      ...library.map((entry) => `dist/cjs/${entry}.js`),
      ...['cli/main', 'relying-party/verifier-worker', ...library].map((entry) => `dist/${entry}.js`),
    ];
    expect(scripts.filter((path) => !isShared(path)).sort()).toEqual(entries.sort());
    // Each shared one is in use.
    const text = scripts.map((path) => readFileSync(new URL(path, root), 'utf8')).join('\n');
    for (const path of scripts.filter(isShared)) expect(text).toContain(path.split('/').pop());
  });

  it('holds these other files and no more', () => {
    const others = files.filter(
      (path) => !/^(dist|docs|examples)\//.test(path) && !/^prebuilds\/linux-(x64|arm64)\//.test(path),
    );
    const generated = ['sbom.cdx.json']; // there once it was made
    expect(others.filter((path) => !generated.includes(path))).toEqual([
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'THIRD-PARTY-NOTICES.md',
      'binding.d.ts',
      'package.json',
      'prebuilds/README.md',
      'schema/verification-policy.schema.json',
    ]);
  });

  it('holds every file that its README points at', () => {
    const readme = readFileSync(new URL('README.md', root), 'utf8');
    const targets = [...readme.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map(([, target]) => target);
    expect(targets.length).toBeGreaterThan(10);
    expect(targets.filter((target) => !files.includes(target as string))).toEqual([]);
  });

  it('holds the guides and examples, with nothing that was installed or made beside them', () => {
    const shipped = files.filter((path) => /^(docs|examples)\//.test(path));
    expect(
      shipped.filter(
        (path) => !/\.(md|html|png|svg|mjs|sh|bicep|json|ya?ml|conf|service|js|ts)$|Dockerfile$/.test(path),
      ),
    ).toEqual([]);
    expect(shipped.filter((path) => path.includes('node_modules'))).toEqual([]);
  });

  it('holds an addon and the record of its making for each platform, and nothing else there', () => {
    for (const path of files.filter((file) => /^prebuilds\/linux-/.test(file))) {
      expect(path).toMatch(
        /^prebuilds\/linux-(x64|arm64)\/(cvm-guest-attestation\.(glibc|musl)\.node|built-with\.json)$/,
      );
    }
  });

  it('runs nothing when it is installed', () => {
    const manifest = JSON.parse(
      execFileSync('npm', ['pkg', 'get', 'scripts'], {
        cwd: root,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    ) as Record<string, string>;
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare'])
      expect(manifest).not.toHaveProperty(script);
    expect(files).not.toContain('binding.gyp');
  });
});
