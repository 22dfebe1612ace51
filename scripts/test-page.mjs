// Draws pages of simulated machines (`npm run build:ts` first), and docs/verify.html with the evidence of test/runtimes/vector.json
// in it, and has axe-core look at them in Chromium, on a wide screen, on a phone's and in dark. Fails at any serious or critical
// finding, and when something is wider than the phone. axe-core is fetched into build/axe, which is nobody's dependency.
//
//   node scripts/test-page.mjs [--only NAME] [--screenshots FOLDER]     PNGs of each, and PDFs as printed
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

const argument = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const only = argument('--only') ?? '';
const screenshots = argument('--screenshots');
if (screenshots !== undefined) mkdirSync(screenshots, { recursive: true });

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
const names = [];
for (const vmType of ['snp', 'tdx']) {
  const drawn = ['good', 'nonce', 'root', 'token', 'unverified'].map((kind) => `${vmType}-${kind}`);
  if (!drawn.some((name) => name.includes(only))) continue;
  names.push(...drawn);
  spawnSync('node', [main, 'simulate', '--vm-type', vmType, '--', 'bash', '-c', commands(vmType)], {
    encoding: 'utf8',
  });
}

const vector = JSON.parse(readFileSync('test/runtimes/vector.json', 'utf8'));
for (const { tee, evidence, nonce, policy, trustedRoots } of vector.machines) {
  const cases = {
    good: { nonce, policy, trustedRoots },
    nonce: { nonce: 'AAAA', policy, trustedRoots },
    root: { nonce, policy },
  };
  for (const [kind, options] of Object.entries(cases)) {
    const name = `verify-${tee}-${kind}`;
    names.push(name);
    const given = JSON.stringify({ evidence, policy: JSON.stringify({ now: vector.now, ...options }) });
    const script = `const given = ${given};
window.prepared = (async () => {
  for (const id of ['policy', 'evidence']) {
    const files = new DataTransfer();
    files.items.add(new File([given[id]], id + '.json'));
    const input = document.getElementById(id);
    input.files = files.files;
    input.dispatchEvent(new Event('change'));
  }
  while (document.getElementById('checks').childElementCount === 0) await new Promise((resolve) => setTimeout(resolve, 20));
})();`;
    const page = readFileSync('docs/verify.html', 'utf8').replace('</body>', () => `<script>${script}</script></body>`);
    writeFileSync(join(folder, `${name}.html`), page);
  }
}

/** The page with axe in it, in a frame of a width; its own policy would not let a script run. */
function examine(name, width, dark) {
  const page = readFileSync(join(folder, `${name}.html`), 'utf8')
    .replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '')
    .replace('</body>', () => `<script>${readFileSync(axe, 'utf8')}</script></body>`);
  writeFileSync(join(folder, 'inner.html'), page);
  const outer = `<!doctype html><title>x</title><iframe id="f" src="inner.html" style="width:${width}px;height:3000px;border:0"></iframe><script>
f.onload = async () => { const w = f.contentWindow; await w.prepared; const r = await w.axe.run(w.document, { resultTypes: ['violations'] });
const root = w.document.documentElement;
document.title = JSON.stringify({ wide: root.scrollWidth, violations: r.violations.map((v) => ({ id: v.id, impact: v.impact, nodes: v.nodes.map((n) => n.target.join(' ')).slice(0, 5) })) }); };
</script>`;
  const path = join(folder, 'outer.html');
  writeFileSync(path, outer);
  const browse = (...flags) =>
    spawnSync(
      chromium,
      [
        ...['--headless', '--no-sandbox', '--disable-gpu', '--allow-file-access-from-files', '--disable-web-security'],
        ...(dark ? ['--blink-settings=preferredColorScheme=0'] : []),
        ...[`--user-data-dir=${folder}/profile`, '--virtual-time-budget=20000', '--hide-scrollbars', ...flags],
      ],
      { encoding: 'utf8', maxBuffer: 64 << 20 },
    );
  const { stdout } = browse('--dump-dom', `file://${path}`);
  if (screenshots !== undefined) {
    const file = join(screenshots, `${name}-${width}${dark ? '-dark' : ''}`);
    browse(`--window-size=${Math.max(width, 500)},1800`, `--screenshot=${file}.png`, `file://${path}`);
    if (width > 1000 && !dark)
      browse('--no-pdf-header-footer', `--print-to-pdf=${file}.pdf`, `file://${folder}/inner.html`);
  }
  const title = /<title>(\{.*?\})<\/title>/s.exec(stdout)?.[1];
  if (title === undefined) throw new Error(`${name}: axe said nothing`);
  return JSON.parse(
    title.replaceAll('&quot;', '"').replaceAll('&gt;', '>').replaceAll('&lt;', '<').replaceAll('&amp;', '&'),
  );
}

let failed = false;
try {
  for (const name of names.filter((each) => each.includes(only))) {
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
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
