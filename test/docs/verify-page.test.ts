import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { rolldown } from 'rolldown';
import { beforeAll, describe, expect, it } from 'vitest';
import { evidenceToJson } from '../../lib/index.js';
import { FORGED_NONCE, forge } from '../verify/forge.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The page's script, from its source and as it is in the one file. */
async function scriptFromSource(): Promise<string> {
  const bundle = await rolldown({
    input: `${root}docs/page/verify-page.js`,
    platform: 'browser',
    cwd: root,
    resolve: { alias: { 'cvm-guest-attestation/verify': `${root}lib/verify.ts` } },
  });
  const { output } = await bundle.generate({ format: 'iife', codeSplitting: false });
  await bundle.close();
  return output[0].code;
}
const scriptOfFile = (): string =>
  /<script>(.*)<\/script>/s.exec(readFileSync(`${root}docs/verify.html`, 'utf8'))?.[1] ?? '';

/** As much of an element as the page asks for. */
class FakeElement {
  id = '';
  textContent = '';
  className = '';
  href = '';
  title = '';
  children: FakeElement[] = [];
  readonly handlers = new Map<string, (event: object) => void>();
  append(...elements: FakeElement[]): void {
    this.children.push(...elements);
  }
  replaceChildren(): void {
    this.children = [];
  }
  addEventListener(name: string, handler: (event: object) => void): void {
    this.handlers.set(name, handler);
  }
  querySelector(): null {
    return null;
  }
}

interface FakeFile {
  name: string;
  text: () => Promise<string>;
}
const file = (name: string, text: string, read: Promise<unknown> = Promise.resolve()): FakeFile => ({
  name,
  text: () => read.then(() => text),
});

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

function openPage(script: string) {
  const elements = new Map<string, FakeElement>();
  const whole = new FakeElement();
  const byId = (id: string): FakeElement => {
    const element = elements.get(id) ?? new FakeElement();
    elements.set(id, element);
    return element;
  };
  compileFunction(script, ['document'])({
    getElementById: byId,
    createElement: () => new FakeElement(),
    addEventListener: whole.addEventListener.bind(whole),
  });
  const seen: string[] = [];
  const shown = byId('verdict');
  let text = '';
  // Every verdict that was shown, not only the last.
  Object.defineProperty(shown, 'textContent', {
    get: () => text,
    set: (value: string) => {
      text = value;
      seen.push(value);
    },
  });
  return {
    seen,
    drop: (...files: FakeFile[]) =>
      whole.handlers.get('drop')?.({ preventDefault: () => undefined, dataTransfer: { files } }),
    choose: (kind: 'evidence' | 'policy', chosen: FakeFile) =>
      byId(kind).handlers.get('change')?.({ target: { files: [chosen] } }),
    /** What is shown when everything that was begun has ended. */
    settled: async () => {
      for (let turn = 0; text === 'verifying' && turn < 200; turn++) await pause(25);
      // For a run that has been overtaken and goes on.
      await pause(100);
      return `${shown.className}: ${text}`;
    },
    soon: () => pause(100).then(() => `${shown.className}: ${text}`),
    names: () => ['evidence-name', 'policy-name'].map((id) => byId(id).textContent),
    subjects: () => byId('checks').children.map(({ id }) => id),
  };
}

describe.each([
  ['its source', scriptFromSource],
  ['docs/verify.html', scriptOfFile],
])('the page that verifies, from %s', (_, load) => {
  let script: string;
  let evidence: string;
  let options: (policy: object) => string;
  beforeAll(async () => {
    script = await load();
    const forged = await forge();
    evidence = evidenceToJson(forged.evidence);
    const nonce = Buffer.from(FORGED_NONCE).toString('base64url');
    options = (policy) => JSON.stringify({ trustedRoots: forged.options.trustedRoots, nonce, policy });
  });
  const UNKNOWN = { allowedProduct: ['Turin'] };
  const FORBIDS = { allowedProducts: ['Turin'] };

  it('says verified, and each subject once', async () => {
    const page = openPage(script);
    page.drop(file('e.json', evidence), file('p.json', options({})));
    expect(await page.settled()).toMatch(/^good: verified: /);
    expect(page.names()).toEqual(['e.json', 'p.json']);
    expect(new Set(page.subjects()).size).toBe(page.subjects().length);
  });

  it('never shows a run that a later one has overtaken', async () => {
    for (const [policy, says] of [
      [UNKNOWN, /^bad: cannot be verified: /],
      [FORBIDS, /^bad: refused: .*ERR_POLICY/],
    ] as const) {
      const page = openPage(script);
      page.drop(file('e.json', evidence), file('p.json', options({})));
      page.drop(file('e.json', evidence), file('strict.json', options(policy)));
      expect(await page.settled()).toMatch(says);
      page.choose('policy', file('', options({})));
      page.choose('policy', file('', options(policy)));
      expect(await page.settled()).toMatch(says);
      page.drop(file('strict.json', options(policy)), file('e.json', evidence));
      expect(await page.settled()).toMatch(says);
      expect(page.names()).toEqual(['e.json', 'strict.json']);
      expect(new Set(page.subjects()).size).toBe(page.subjects().length);
      expect(page.seen.filter((text) => text.startsWith('verified'))).toEqual([]);
    }
  });

  it('waits for a policy that is still being read, and shows nothing of before meanwhile', async () => {
    const page = openPage(script);
    page.drop(file('e.json', evidence), file('p.json', options({})));
    expect(await page.settled()).toMatch(/^good: /);
    let release: () => void = () => undefined;
    const read = new Promise<void>((resolve) => {
      release = resolve;
    });
    page.choose('policy', file('', options(FORBIDS), read));
    page.choose('evidence', file('', evidence));
    expect(await page.soon()).toBe(': verifying');
    expect(page.subjects()).toEqual([]);
    release();
    expect(await page.settled()).toMatch(/^bad: refused: .*ERR_POLICY/);
  });

  it('does not go on without a file that cannot be read', async () => {
    const page = openPage(script);
    page.choose('policy', file('', '', Promise.reject(new Error('gone'))));
    page.choose('evidence', file('', evidence));
    expect(await page.settled()).toBe('bad: cannot be verified: Error: gone');
    page.drop(file('e.json', evidence));
    expect(await page.settled()).toBe('bad: cannot be verified: Error: gone');
  });

  it('takes no options whose members come twice, and no two files for one', async () => {
    const page = openPage(script);
    const doubled = options(FORBIDS).replace(/}$/, ',"policy":{}}');
    page.drop(file('e.json', evidence), file('p.json', doubled));
    expect(await page.settled()).toMatch(/^bad: cannot be verified: .*twice/);
    page.drop(file('e.json', evidence), file('p.json', options(FORBIDS)), file('q.json', options({})));
    expect(await page.settled()).toMatch(/^bad: cannot be verified: .*which of them is the policy/);
    page.drop(file('p.json', '{"policy": '), file('e.json', evidence));
    expect(await page.settled()).toMatch(/^bad: cannot be verified: .*which of them is the evidence/);
    page.drop(file('e.json', evidence), file('p.json', options({})));
    expect(await page.settled()).toMatch(/^good: verified: /);
  });

  it('says when there is only a policy', async () => {
    const page = openPage(script);
    page.drop(file('p.json', options({})));
    expect(await page.settled()).toBe(': no evidence yet');
    page.drop(file('e.json', evidence));
    expect(await page.settled()).toMatch(/^good: verified: /);
  });
});
