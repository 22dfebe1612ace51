import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DerReader } from '../../lib/abi/der.js';
import { INTEGER } from '../../lib/abi/der-tags.js';
import { concatBytes } from '../../lib/base/bytes.js';
import { CURVES } from '../../lib/engine/curves.js';
import type { PublicKey, SignatureEngine, SignatureScheme } from '../../lib/engine/engine.js';
import { verifySignature } from '../../lib/engine/verify-signature.js';
import { type Evidence, evidenceFromJson, type VerificationOptions } from '../../lib/index.js';
import { nodeContext } from '../../lib/node/context.js';
import { explainTokenIn } from '../../lib/token/verify-token.js';
import { explainEvidenceIn } from '../../lib/verify/evidence.js';
import { explainSnpReportIn } from '../../lib/verify/snp/verify-snp-report.js';
import { explainTdQuoteIn } from '../../lib/verify/tdx/td-quote.js';
import { genuineQuote } from '../abi/tdx-fixtures.js';
import { fixture, withFixtures } from '../fixtures.js';
import { azureEvidence, NOW } from '../verify/genuine.js';
import { acceptingOptions } from '../verify/tdx/quotes.js';
import { engines, everySignature } from './engines.js';
import { type Random, randomFrom } from './random.js';

/**
 * The same verdict, the same checks and the same error from every engine, whatever is changed in what is genuine. By command:
 * `npm run test:engines -- 1000000`. A failure names the seed and the round: `DIFFERENTIAL_SEED` repeats it.
 */
const MUTATIONS = Number(process.env.DIFFERENTIAL_MUTATIONS ?? 20_000);
const SEED = Number(process.env.DIFFERENTIAL_SEED ?? 12);
const MINUTES = 60_000;
const TIMEOUT = Math.max(5 * MINUTES, MUTATIONS * 10);

type Subject = (random: Random) => { changed: string; explain: (engine: SignatureEngine) => Promise<unknown> };

/** What an engine said, without its name; thrown errors are compared as well. */
async function said(explain: () => Promise<unknown>): Promise<string> {
  try {
    const { engine: _, ...result } = (await explain()) as { engine?: unknown };
    return JSON.stringify(result, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  } catch (error) {
    const { name, code, message } = error as Error & { code?: unknown };
    return `${name} ${String(code)} ${message}`;
  }
}

async function compare(subjects: readonly Subject[], rounds: number): Promise<void> {
  const random = randomFrom(SEED);
  for (let round = 0; round < rounds; round++) {
    const subject = subjects[round % subjects.length] as Subject;
    const { changed, explain } = subject(random);
    const answers = await Promise.all(engines.map((engine) => said(() => explain(engine))));
    if (new Set(answers).size > 1) {
      const all = engines.map(({ name }, index) => `${name}: ${answers[index]}`).join('\n');
      expect.fail(`seed ${SEED}, round ${round}, ${changed}\n${all}`);
    }
  }
}

/** Bits flipped, bytes set, a part cut, doubled, moved or zeroed. */
function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (copy.length === 0) return copy;
  const at = random(copy.length);
  switch (random(7)) {
    case 0:
      copy[at] = random(256);
      return copy;
    case 1:
      return copy.slice(0, at);
    case 2:
      return concatBytes(copy, Uint8Array.of(random(256)));
    case 3:
      return concatBytes(copy.slice(0, at), copy.slice(at + 1));
    case 4:
      copy.fill(random(2) * 0xff, at, at + 1 + random(48));
      return copy;
    default:
      copy[at] = (copy[at] as number) ^ (1 << random(8));
      return copy;
  }
}

const signatures = everySignature().filter(({ name }) => !name.includes('P-521') && !name.includes('3072'));
const context = (engine: SignatureEngine) => ({ ...nodeContext, engine, ownTransport: nodeContext.ownTransport });

const mutatedSignature: Subject = (random) => {
  const one = signatures[random(signatures.length)] as (typeof signatures)[number];
  const other = signatures[random(signatures.length)] as typeof one;
  let {
    key,
    scheme,
    message,
    signature,
  }: { key: PublicKey; scheme: SignatureScheme; message: Uint8Array; signature: Uint8Array } = one;
  const what = random(6);
  if (what < 2) signature = mutate(random, signature);
  else if (what === 2) message = mutate(random, message);
  else if (what === 3) scheme = other.scheme;
  else if (what === 4) key = other.key;
  else if (key.type === 'ec') {
    const { order, size } = CURVES[key.curve];
    const edges = [
      new Uint8Array(size),
      order,
      new Uint8Array(size).fill(0xff),
      order.map((byte, at) => (at === size - 1 ? byte - 1 : byte)),
    ];
    const edge = edges[random(edges.length)] as Uint8Array;
    signature =
      random(2) === 0 ? concatBytes(edge, signature.subarray(size)) : concatBytes(signature.subarray(0, size), edge);
  } else {
    key = { ...key, ...(random(2) === 0 ? { n: mutate(random, key.n) } : { e: mutate(random, key.e) }) };
  }
  return {
    changed: one.name,
    explain: async (engine) => ({ ok: await verifySignature(engine, key, scheme, message, signature) }),
  };
};

const vector = JSON.parse(readFileSync(new URL('../runtimes/vector.json', import.meta.url), 'utf8')) as {
  now: string;
  machines: {
    evidence: string;
    nonce: string;
    policy: object;
    trustedRoots: string[];
    token: string;
    issuer: string;
    keys: { keys: object[] };
  }[];
};

/** Evidence with one of its parts changed. */
const mutatedEvidence =
  (name: string, evidence: Evidence, options: VerificationOptions): Subject =>
  (random) => {
    const changed: Evidence = { ...evidence };
    const parts: [string, () => void][] = [
      [
        'hclReport',
        () => {
          changed.hclReport = mutate(random, evidence.hclReport);
        },
      ],
    ];
    const { quote, certificates, akCertificate, eventLog, ephemeralKey } = evidence;
    if (quote !== undefined) {
      parts.push([
        'quote.message',
        () => {
          changed.quote = { ...quote, message: mutate(random, quote.message) };
        },
      ]);
      parts.push([
        'quote.signature',
        () => {
          changed.quote = { ...quote, signature: mutate(random, quote.signature) };
        },
      ]);
    }
    const vcek = certificates?.vcek;
    if (certificates !== undefined && vcek !== undefined) {
      parts.push([
        'vcek',
        () => {
          changed.certificates = {
            ...certificates,
            vcek: typeof vcek === 'string' ? mutateText(random, vcek) : mutate(random, vcek),
          };
        },
      ]);
      const { chain } = certificates;
      if (typeof chain === 'string')
        parts.push([
          'chain',
          () => {
            changed.certificates = { ...certificates, chain: mutateText(random, chain) };
          },
        ]);
    }
    if (akCertificate !== undefined)
      parts.push([
        'akCertificate',
        () => {
          changed.akCertificate = mutate(random, akCertificate);
        },
      ]);
    if (eventLog !== undefined)
      parts.push([
        'eventLog',
        () => {
          changed.eventLog = mutate(random, eventLog);
        },
      ]);
    if (ephemeralKey !== undefined) {
      parts.push([
        'certifySignature',
        () => {
          changed.ephemeralKey = { ...ephemeralKey, certifySignature: mutate(random, ephemeralKey.certifySignature) };
        },
      ]);
    }
    const [part, change] = parts[random(parts.length)] as [string, () => void];
    change();
    return { changed: `${name} ${part}`, explain: (engine) => explainEvidenceIn(context(engine), changed, options) };
  };

/** PEM whose bytes are changed and not its lines. */
function mutateText(random: Random, pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const index = random(blocks.length);
  const body = (blocks[index] ?? '').replace(/-----[^-]+-----/g, '').replace(/\s/g, '');
  const der = mutate(random, Uint8Array.from(Buffer.from(body, 'base64')));
  const block = `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----`;
  return blocks.map((one, at) => (at === index ? block : one)).join('\n');
}

const evidenceSubjects: Subject[] = vector.machines.map(({ evidence, nonce, policy, trustedRoots }) =>
  mutatedEvidence('simulated', evidenceFromJson(evidence), {
    now: new Date(vector.now),
    nonce: Uint8Array.from(Buffer.from(nonce, 'base64url')),
    policy,
    trustedRoots,
  }),
);
const tokenSubjects: Subject[] = vector.machines.map(({ token, issuer, keys }) => (random) => {
  const parts = token.split('.').map((part) => Uint8Array.from(Buffer.from(part, 'base64url')));
  const which = random(3);
  const changed = parts
    .map((part, at) => Buffer.from(at === which ? mutate(random, part) : part).toString('base64url'))
    .join('.');
  const options = { issuer, keys, now: new Date(vector.now) };
  return {
    changed: `token part ${which}`,
    explain: (engine) => explainTokenIn(context(engine), changed, options as never),
  };
});
const snpSubjects: Subject[] = [];
const tdxSubjects: Subject[] = [];
if (withFixtures) {
  for (const name of ['azure-milan-v2', 'azure-milan-v3'] as const) {
    evidenceSubjects.push(mutatedEvidence(name, azureEvidence(name), { now: NOW }));
  }
  const report = new Uint8Array(fixture('azure-milan-v3/snp-report.bin'));
  const vcek = new Uint8Array(fixture('azure-milan-v3/vcek.der'));
  const chain = fixture('amd-chains/ask_ark_milan.pem').toString('utf8');
  snpSubjects.push((random) => {
    const which = random(3);
    const input = which === 0 ? mutate(random, report) : report;
    const certificates = {
      vcek: which === 1 ? mutate(random, vcek) : vcek,
      ask: which === 2 ? mutateText(random, chain) : chain,
    };
    return {
      changed: `SNP report ${['report', 'vcek', 'chain'][which]}`,
      explain: (engine) => explainSnpReportIn(context(engine), input, certificates as never, { now: NOW }),
    };
  });
  for (const name of ['azure-spr-v4-2024', 'azure-emr-v5']) {
    const quote = genuineQuote(name);
    const options = acceptingOptions(name);
    tdxSubjects.push((random) => {
      const changed = mutate(random, quote);
      return { changed: `TD quote ${name}`, explain: (engine) => explainTdQuoteIn(context(engine), changed, options) };
    });
  }
}

describe('every engine says the same', () => {
  const share = (part: number): number => Math.ceil(MUTATIONS * part);

  it('of genuine signatures, keys and schemes that were changed', { timeout: TIMEOUT }, async () => {
    await compare([mutatedSignature], share(0.82));
  });
  it('of evidence that was changed', { timeout: TIMEOUT }, async () => {
    await compare(evidenceSubjects, share(0.05));
  });
  it('of tokens that were changed', { timeout: TIMEOUT }, async () => {
    await compare(tokenSubjects, share(0.1));
  });
  it.skipIf(!withFixtures)('of genuine reports and quotes that were changed', { timeout: TIMEOUT }, async () => {
    await compare([...snpSubjects, ...tdxSubjects], share(0.03));
  });
});

describe('hostile DER', () => {
  const sequence = (...content: number[]): Uint8Array => Uint8Array.of(0x30, content.length, ...content);
  const hostile: [string, Uint8Array][] = [
    ['an indefinite length', Uint8Array.of(0x30, 0x80, 0x02, 0x01, 0x01, 0x00, 0x00)],
    ['a length in more bytes than it needs', Uint8Array.of(0x30, 0x81, 0x03, 0x02, 0x01, 0x01)],
    ['a length with a leading zero', Uint8Array.of(0x30, 0x82, 0x00, 0x03, 0x02, 0x01, 0x01)],
    ['a length beyond the end', Uint8Array.of(0x30, 0x7f, 0x02, 0x01, 0x01)],
    ['a length of 2^32', Uint8Array.of(0x30, 0x85, 1, 0, 0, 0, 0)],
    ['a length without its bytes', Uint8Array.of(0x30, 0x84, 1, 0)],
    ['nothing but a tag', Uint8Array.of(0x30)],
    ['a negative integer', sequence(0x02, 0x01, 0x80)],
    ['an integer with a leading zero', sequence(0x02, 0x02, 0x00, 0x01)],
    ['an integer of no bytes', sequence(0x02, 0x00)],
    ['a tag in the long form', sequence(0x1f, 0x81, 0x01, 0x00)],
  ];

  it.each(hostile)('is refused: %s', (_, der) => {
    const read = (): unknown => {
      const reader = new DerReader(der, 'test');
      const inside = reader.enter();
      const value = inside.unsigned(8);
      inside.end();
      reader.end();
      return value;
    };
    expect(read).toThrow(expect.objectContaining({ name: 'AttestationError', code: 20 }));
  });

  it('is refused when something follows', () => {
    const reader = new DerReader(Uint8Array.of(0x02, 0x01, 0x01, 0x00), 'test');
    reader.pass(INTEGER);
    expect(() => reader.end()).toThrow(expect.objectContaining({ code: 20 }));
  });
});
