// Draws pages of simulated machines (`npm run build:ts` first) and has axe-core look at them in Chromium, on a wide screen and
// on a telephone's. Fails at any serious or critical finding, and when something is wider than the telephone.
// axe-core is fetched into build/axe, which is nobody's dependency.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const AXE = 'axe-core@4.11.0';
process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
if (chromium === undefined) throw new Error('there is no Chromium: apt-get install chromium');
const axe = 'build/axe/node_modules/axe-core/axe.min.js';
if (!existsSync(axe)) {
  mkdirSync('build/axe', { recursive: true });
  execFileSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', 'build/axe', AXE], {
    stdio: 'inherit',
  });
}

const folder = mkdtempSync(join(tmpdir(), 'cvm-attest-pages-'));
const main = join(process.cwd(), 'dist/cli/main.js');
const commands = (vmType) => `cd ${folder}
M="node ${main}"
$M evidence --nonce 01 --out ${vmType}.json --html ${vmType}-good.html
$M verify ${vmType}.json --nonce 02 --html ${vmType}-nonce.html
env -u CVM_ATTEST_TRUSTED_ROOT $M verify ${vmType}.json --nonce 01 --html ${vmType}-root.html
$M attest --out ${vmType}.jwt
$M token ${vmType}.jwt --issuer $CVM_ATTEST_URL --html ${vmType}-token.html
$M token ${vmType}.jwt --html ${vmType}-unverified.html
true`;
for (const vmType of ['snp', 'tdx']) {
  spawnSync('node', [main, 'simulate', '--vm-type', vmType, '--', 'bash', '-c', commands(vmType)], {
    encoding: 'utf8',
  });
}

/** The page with axe in it, in a frame of a width; its own policy would not let a script run. */
function examine(name, width, dark) {
  const page = readFileSync(join(folder, `${name}.html`), 'utf8')
    .replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '')
    .replace('</body>', () => `<script>${readFileSync(axe, 'utf8')}</script></body>`);
  writeFileSync(join(folder, 'inner.html'), page);
  const outer = `<!doctype html><title>x</title><iframe id="f" src="inner.html" style="width:${width}px;height:3000px;border:0"></iframe><script>
f.onload = async () => { const w = f.contentWindow; const r = await w.axe.run(w.document, { resultTypes: ['violations'] });
const root = w.document.documentElement;
document.title = JSON.stringify({ wide: root.scrollWidth, violations: r.violations.map((v) => ({ id: v.id, impact: v.impact, nodes: v.nodes.map((n) => n.target.join(' ')).slice(0, 5) })) }); };
</script>`;
  const path = join(folder, 'outer.html');
  writeFileSync(path, outer);
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--allow-file-access-from-files',
    '--disable-web-security',
  ];
  const { stdout } = spawnSync(
    chromium,
    [
      ...flags,
      ...(dark ? ['--blink-settings=preferredColorScheme=0'] : []),
      `--user-data-dir=${folder}/profile`,
      '--virtual-time-budget=20000',
      '--dump-dom',
      `file://${path}`,
    ],
    { encoding: 'utf8', maxBuffer: 64 << 20 },
  );
  const title = /<title>(\{.*?\})<\/title>/s.exec(stdout)?.[1];
  if (title === undefined) throw new Error(`${name}: axe said nothing`);
  return JSON.parse(
    title.replaceAll('&quot;', '"').replaceAll('&gt;', '>').replaceAll('&lt;', '<').replaceAll('&amp;', '&'),
  );
}

let failed = false;
try {
  for (const vmType of ['snp', 'tdx']) {
    for (const kind of ['good', 'nonce', 'root', 'token', 'unverified']) {
      const name = `${vmType}-${kind}`;
      if (!existsSync(join(folder, `${name}.html`))) {
        console.log(`${name}: not drawn`);
        failed = true;
        continue;
      }
      for (const [width, dark] of [
        [1280, false],
        [390, false],
        [1280, true],
      ]) {
        const { wide, violations } = examine(name, width, dark);
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        const overflows = wide > width;
        if (serious.length > 0 || overflows) failed = true;
        console.log(
          `${name} at ${width} px${dark ? ', dark' : ''}: ${violations.length} findings, ${serious.length} serious${overflows ? `, ${wide} px wide` : ''}`,
        );
        for (const { id, impact, nodes } of violations) console.log(`  ${impact} ${id}: ${nodes.join(' | ')}`);
      }
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
