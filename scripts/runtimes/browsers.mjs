// Browsers of the distribution, headless, each with a profile of its own. The page comes from a server on the loopback
// interface under a Content-Security-Policy that allows neither eval nor anything from elsewhere.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWith } from './bundlers.mjs';
import { absent, root, rowOf, run, workspace } from './workspace.mjs';

const VERIFY = 'cvm-guest-attestation/verify';
const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'";
const SECONDS = 60;

const BROWSERS = [
  {
    name: 'Chromium',
    programs: ['chromium', 'chromium-browser', 'google-chrome'],
    arguments: (profile, url) => [
      ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
      ...[`--user-data-dir=${profile}`, url],
    ],
  },
  {
    name: 'Firefox',
    programs: ['firefox-esr', 'firefox'],
    arguments: (profile, url) => ['--headless', '--no-remote', '--profile', profile, url],
  },
];

export async function browserRows() {
  await bundleWith('esbuild', 'page.mjs', 'page.bundle.js', { format: 'esm', platform: 'browser' });
  const script = readFileSync(join(workspace, 'page.bundle.js'));
  const pages = {
    '/': [
      'text/html',
      '<!doctype html><meta charset="utf-8"><title>t</title><script type="module" src="/page.js"></script>',
    ],
    '/page.js': ['text/javascript', script],
  };
  const rows = [];
  for (const browser of BROWSERS) rows.push(await browserRow(browser, VERIFY, pages, '/'));
  return rows;
}

/** docs/verify.html as it would be opened from a server: a script in it hands it the vector and reads what it shows. */
export async function pageRows() {
  const html = readFileSync(join(root, 'docs/verify.html'), 'utf8');
  const driver = readFileSync(join(root, 'test/runtimes/drive-page.js'), 'utf8');
  const vector = readFileSync(join(workspace, 'vector.json'));
  const pages = {
    '/': [
      'text/html',
      '<!doctype html><title>t</title><iframe src="/verify.html"></iframe><script src="/drive.js"></script>',
    ],
    '/verify.html': ['text/html', html],
    '/drive.js': ['text/javascript', driver],
    '/vector.json': ['application/json', vector],
  };
  const frames = POLICY.replace("default-src 'none'", "default-src 'none'; frame-src 'self'");
  const [chromium] = BROWSERS;
  return [await browserRow(chromium, 'docs/verify.html', pages, '/', { '/': frames, '/verify.html': undefined })];
}

async function browserRow({ name, programs, arguments: args }, entry, pages, path, policies = {}) {
  const program = await installed(programs);
  if (program === undefined) return absent(name, entry, `none of ${programs.join(', ')} is installed`);
  const version = (await run(program, ['--version'])).output.trim().split('\n').pop();
  const profile = mkdtempSync(join(tmpdir(), 'browser-'));
  const result = Promise.withResolvers?.() ?? deferred();
  const server = createServer((request, response) => {
    if (request.method === 'POST' && request.url === '/result') {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        response.end();
        result.resolve(JSON.parse(body));
      });
      return;
    }
    const page = pages[request.url];
    if (page === undefined) return void response.writeHead(404).end();
    const policy = request.url in policies ? policies[request.url] : POLICY;
    response.writeHead(200, { 'Content-Type': page[0], ...(policy && { 'Content-Security-Policy': policy }) });
    response.end(page[1]);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}${path}`;
  const env = { ...process.env, HOME: profile, MOZ_HEADLESS: '1' };
  const child = spawn(program, args(profile, url), { stdio: ['ignore', 'ignore', 'pipe'], detached: true, env });
  let words = '';
  child.stderr.on('data', (chunk) => {
    words = `${words}${chunk}`.slice(-2000);
  });
  const timer = setTimeout(
    () => result.resolve({ failures: [`no answer in ${SECONDS} s: ${words.slice(-300)}`] }),
    SECONDS * 1000,
  );
  try {
    const { failures, engine = '', checks = 0 } = await result.promise;
    return rowOf(name, entry, version, { failures, engine, checks });
  } finally {
    clearTimeout(timer);
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
    server.closeAllConnections();
    server.close();
    writeFileSync(join(workspace, `${name}.log`), words);
    await new Promise((resolve) => setTimeout(resolve, 300));
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => {
    made.resolve = resolve;
  });
  return made;
}

/** With --install, as root on Debian: the distribution's packages. */
export async function installBrowsers() {
  const missing = [];
  for (const { programs } of BROWSERS) if ((await installed(programs)) === undefined) missing.push(programs[0]);
  if (missing.length === 0 || process.getuid() !== 0) return;
  const apt = `apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${missing.join(' ')}`;
  const { code, output } = await run('sh', ['-c', apt], { seconds: 420 });
  if (code !== 0) console.error(`[runtimes] ${missing.join(', ')}: ${output.trim().split('\n').pop()}`);
}

async function installed(programs) {
  for (const program of programs) if ((await run('which', [program])).code === 0) return program;
  return undefined;
}
