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
    const [scripts, others] = [
      compiled.filter((path) => path.endsWith('.js')),
      compiled.filter((path) => !path.endsWith('.js')),
    ];
    expect(others, 'dist/ is not what lib/ compiles to: npm run build:ts').toEqual(
      [...declarations, 'dist/cvm-attest.1'].sort(),
    );
    const entries = ['dist/cli/main.js', 'dist/index.js', 'dist/opentelemetry.js', 'dist/simulator/index.js'];
    expect(scripts.filter((path) => !path.startsWith('dist/shared/'))).toEqual(entries);
    // Each shared one is in use.
    const text = scripts.map((path) => readFileSync(new URL(path, root), 'utf8')).join('\n');
    for (const path of scripts.filter((script) => script.startsWith('dist/shared/')))
      expect(text).toContain(path.slice('dist/shared/'.length));
  });

  it('holds these other files and no more', () => {
    const others = files.filter((path) => !path.startsWith('dist/') && !/^prebuilds\/linux-(x64|arm64)\//.test(path));
    const generated = ['sbom.cdx.json']; // there once it was made
    expect(others.filter((path) => !generated.includes(path))).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'THIRD-PARTY-NOTICES.md',
      'binding.d.ts',
      'package.json',
      'prebuilds/README.md',
      'schema/verification-policy.schema.json',
    ]);
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
