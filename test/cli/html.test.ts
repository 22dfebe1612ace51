import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Check } from '../../lib/base/errors.js';
import { html } from '../../lib/cli/html/markup.js';
import { LINK_IDS, type LinkId, type Page, statesOf } from '../../lib/cli/html/model.js';
import { renderPage } from '../../lib/cli/html/page.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { cvmAttest, scratchFolder, variablesOf } from './cli.js';

const scratch = scratchFolder();
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

const hostile = '"><script>alert(1)</script><img src=x onerror=alert(2)>\'`\u202e\u0000&amp;</style></title>';

const page: Page = {
  title: hostile,
  subject: hostile,
  state: 'refused',
  verdict: hostile,
  links: LINK_IDS.map((id) => ({
    id,
    title: hostile,
    identity: hostile,
    absence: hostile,
    checks: [
      { name: hostile, ok: false, code: hostile, expected: hostile, actual: hostile },
      { name: hostile, ok: true, actual: hostile },
      { name: hostile, ok: true, skipped: true, actual: hostile },
    ],
    fields: [{ name: hostile, value: hostile, alert: true }],
  })),
  otherChecks: [{ title: hostile, checks: [{ name: hostile, ok: true }] }],
  sections: [{ title: hostile, fields: [{ name: hostile, value: hostile }] }],
  created: new Date(0),
  version: hostile,
};

describe('markup', () => {
  it('escapes every value, in content and in attributes', () => {
    expect(html`<p title="${'"<&>\''}">${'`<b>`'}</p>`.text).toBe(
      '<p title="&quot;&lt;&amp;&gt;&#39;">&#96;&lt;b&gt;&#96;</p>',
    );
  });

  it('keeps its own markup, lists of it, and leaves out what is undefined', () => {
    expect(html`<ul>${[1, 2].map((number) => html`<li>${number}</li>`)}${undefined}</ul>`.text).toBe(
      '<ul><li>1</li><li>2</li></ul>',
    );
  });

  it('shows characters that hide or reorder text', () => {
    expect(html`${'a\u202eb\u0007\ud800\u200b\n'}`.text).toBe('a\\u{202e}b\\u{7}\\u{d800}\\u{200b}\n');
  });
});

describe('a page', () => {
  const text = renderPage(page);

  it('has no script, no handler and no reference to anything outside, whatever the values are', () => {
    const escapedAway = text.replaceAll(/&lt;.*?&gt;/g, '');
    expect(escapedAway.match(/<(script|img|iframe|link|object|embed|form)\b/gi)).toBeNull();
    expect(escapedAway.match(/<[a-z]+[^>]*\son\w+\s*=/gi)).toBeNull();
    expect(escapedAway.match(/url\((?!#head-)|@import/g)).toBeNull();
    const references = [...text.matchAll(/(?:href|src|action)="([^"]*)"/g)].map(([, target]) => target as string);
    expect(references.length).toBeGreaterThan(0);
    for (const target of references) expect(target).toMatch(/^#[a-z-]+$/);
  });

  it('allows by its policy nothing but its own style sheet', () => {
    const style = /<style>([\s\S]*?)<\/style>/.exec(text)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(text)?.[1]?.replaceAll('&#39;', "'");
    expect(policy).toBe(`default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`);
    expect(text.includes(' style="')).toBe(false);
  });
});

describe('the state of a link', () => {
  const good = [{ name: 'x', ok: true }];
  const bad = [{ name: 'x', ok: false, code: 'ERR_X' }];
  const unchecked = [{ name: 'x', ok: false, code: 'ERR_NOT_CHECKED' }];
  const chain = (checks: Partial<Record<LinkId, Check[]>>): Record<string, string> =>
    Object.fromEntries(
      statesOf(LINK_IDS.map((id) => ({ id, title: id, checks: checks[id] ?? good, fields: [], absence: '' }))),
    );

  it('a failed root breaks everything that hangs on it, and nothing else', () => {
    const { root, token, ...rest } = chain({ root: bad });
    expect([root, token]).toEqual(['refused', 'verified']);
    expect(new Set(Object.values(rest))).toEqual(new Set(['broken']));
  });

  it('a failed quote breaks PCRs, event log and encryption key, and not the report', () => {
    expect(chain({ quote: bad })).toMatchObject({
      report: 'verified',
      ak: 'verified',
      quote: 'refused',
      pcrs: 'broken',
      'event-log': 'broken',
      'encryption-key': 'broken',
    });
  });

  it('what could not be checked is broken, not refused; what is not there stays absent, and passes the break on', () => {
    expect(chain({ quote: bad, pcrs: unchecked, 'event-log': [] })).toMatchObject({
      pcrs: 'broken',
      'event-log': 'absent',
    });
    expect(chain({ report: bad, 'runtime-data': [] })).toMatchObject({ 'runtime-data': 'absent', ak: 'broken' });
  });
});

describe.skipIf(chromium === undefined)('in Chromium (skipped where it is not installed)', { timeout: 120_000 }, () => {
  let profile: string;
  afterAll(() => rmSync(profile, { recursive: true, force: true }));
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--hide-scrollbars',
  ];
  const browse = (...args: string[]): string =>
    spawnSync(chromium as string, [...flags, `--user-data-dir=${profile}`, ...args], {
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 64 << 20,
    }).stdout;
  let cvm: SimulatedCvm;
  let env: Record<string, string>;
  const file = (name: string): string => scratch(`${name}.html`);

  beforeAll(async () => {
    profile = mkdtempSync(join(tmpdir(), 'cvm-attest-chromium-'));
    cvm = await SimulatedCvm.start();
    env = await variablesOf(cvm);
    const evidence = scratch('evidence.json');
    await cvmAttest(['evidence', '--nonce', '01', '--out', evidence, '--html', file('evidence')], { env });
    await cvmAttest(['verify', evidence, '--nonce', '02', '--html', file('refused')], { env });
    await cvmAttest(['report', '--html', file('report')], { env });
    const token = scratch('token.jwt');
    await cvmAttest(['attest', '--out', token], { env });
    await cvmAttest(['token', token, '--issuer', cvm.attestationUrl, '--html', file('token')], { env });
    await cvmAttest(['token', token, '--html', file('unverified')], { env });
  });
  afterAll(() => cvm.stop());

  const states = (dom: string): Record<string, string> =>
    Object.fromEntries(
      [...dom.matchAll(/<(?:a|span) class="node (\w+)"(?: href="#([a-z-]+)")?>.*?class="title">([^<]*)/g)].map(
        ([, state, id, title]) => [id ?? title, state],
      ),
    );

  it.each(['evidence', 'report'])('%s: every link of the chain is green, and the token absent', (name) => {
    const dom = browse('--dump-dom', `file://${file(name)}`);
    const { Token: token, ...chain } = states(dom);
    expect(token).toBe('absent');
    const drawn = ['root', 'intermediate', 'leaf', 'report', 'runtime-data', 'ak', 'quote', 'pcrs', 'event-log'];
    expect(chain).toEqual(Object.fromEntries([...drawn, 'encryption-key', 'policy'].map((id) => [id, 'verified'])));
    expect(dom).toContain('Verified: all');
    expect(dom).not.toContain('class="bad"');
  });

  it('a wrong nonce: the quote is red, with the values compared', () => {
    const dom = browse('--dump-dom', `file://${file('refused')}`);
    expect(states(dom)).toMatchObject({ root: 'verified', report: 'verified', ak: 'verified', quote: 'refused' });
    // What hangs on it is broken, though its own checks passed.
    expect(states(dom)).toMatchObject({ pcrs: 'broken', 'event-log': 'broken', policy: 'verified' });
    expect(dom).toContain('broken: TPM quote failed');
    expect(dom).toContain('ERR_QUOTE_NONCE');
    expect(dom).toMatch(/<dt>expected<\/dt><dd>02<\/dd>.*<dt>actual<\/dt><dd>01<\/dd>/);
  });

  it('a token: it alone is verified here', () => {
    const { token, ...rest } = states(browse('--dump-dom', `file://${file('token')}`));
    expect(token).toBe('verified');
    expect(new Set(Object.values(rest))).toEqual(new Set(['absent']));
  });

  it('a token that nobody verified: the page says so, and nothing is vouched for by it', () => {
    const dom = browse('--dump-dom', `file://${file('unverified')}`);
    expect(dom).toContain('<title>Attestation token: not verified</title>');
    expect(states(dom)).toEqual({ token: 'absent' });
    expect(dom).not.toContain('vouched for');
    expect(dom).not.toContain('class="verdict"><span class="mark" aria-hidden="true">✓');
  });

  it.each(['evidence', 'refused', 'report', 'token', 'unverified'])(
    '%s: every link of the drawing leads somewhere',
    (name) => {
      const dom = browse('--dump-dom', `file://${file(name)}`);
      const targets = [...dom.matchAll(/href="#([a-z-]+)"/g)].map(([, id]) => id);
      expect(targets.length).toBeGreaterThan(0);
      for (const id of targets) expect(dom).toContain(`<article id="${id}"`);
    },
  );

  it('hostile values run nothing and fetch nothing', async () => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests++;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const reach = `"><img src=http://127.0.0.1:${port}/><script>document.title='owned'</script><style>@import 'http://127.0.0.1:${port}/'</style>`;
    const path = scratch('hostile.html');
    // Once escaped, and once as if escaping had failed: then the page's own policy has to hold.
    writeFileSync(path, renderPage({ ...page, title: 'safe', subject: reach }).replace('<main>', `<main>${reach}`));
    const dom = browse('--dump-dom', `file://${path}`);
    await new Promise((resolve) => server.close(resolve));
    expect(dom).toContain('<title>safe: refused</title>');
    expect(requests).toBe(0);
  });

  it('is drawn with its style, on a screen and on paper', () => {
    const png = scratch('page.png');
    browse('--window-size=1280,1600', `--screenshot=${png}`, `file://${file('evidence')}`);
    const image = readFileSync(png);
    expect(image.subarray(1, 4).toString()).toBe('PNG');
    expect([image.readUInt32BE(16), image.readUInt32BE(20)]).toEqual([1280, 1600]);
    expect(image.length).toBeGreaterThan(100_000);
    const pdf = scratch('page.pdf');
    browse(`--print-to-pdf=${pdf}`, '--no-pdf-header-footer', `file://${file('evidence')}`);
    expect(readFileSync(pdf).subarray(0, 5).toString()).toBe('%PDF-');
  });
});

describe('docs/report-page.png', () => {
  it('is there, and small', () => {
    const image = readFileSync(new URL('../../docs/report-page.png', import.meta.url));
    expect(image.subarray(1, 4).toString()).toBe('PNG');
    expect(image.length).toBeLessThan(300_000);
  });
});
