import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  EVENT_LOG_LIMITS,
  EVIDENCE_JSON_LIMITS,
  type Evidence,
  evidenceFromJson,
  evidenceToJson,
  explainEvidence,
  explainSnpReport,
  importTrusteeEvidence,
  parseCertificateTable,
  parseEventLog,
  parseHclReport,
  parseTpmsAttest,
} from '../../lib/index.js';
import { basicConstraints, issueCertificate } from '../../lib/simulator/pki/certificate.js';
import * as der from '../../lib/simulator/pki/der.js';
import { attestationJwk, forge } from './forge.js';
import { failedCodes } from './genuine.js';
import { EV, type MadeEvent, makeLog, variableData } from './log.js';

/** No unsigned input may hold the event loop longer; docs/evidence.md promises it. */
const STALL_MS = 50;
const MIB = 1024 * 1024;

/** A log that is as full as it may be, with events of one kind. */
function fullLog(event: MadeEvent): Buffer {
  const size = makeLog([event]).length - makeLog([]).length;
  const count = Math.min(EVENT_LOG_LIMITS.events - 1, Math.floor((EVENT_LOG_LIMITS.bytes - makeLog([]).length) / size));
  return makeLog(Array.from({ length: count }, () => event));
}

const signatureDatabase = (): Buffer => {
  const list = Buffer.alloc(28 + 48);
  list.write('2616c4c14c509240aca941f936934328', 'hex');
  list.writeUInt32LE(list.length, 16);
  list.writeUInt32LE(48, 24);
  return variableData('db', Buffer.concat(Array.from({ length: 12_000 }, () => list)));
};
const json = (members: string): string => `{"version":1,${members}}`;
const upTo = (text: string, size = EVIDENCE_JSON_LIMITS.bytes): string => text.repeat(Math.floor(size / text.length));

/** Evidence of nobody: everything is where it should be, nothing is signed. */
async function unsigned(more: Partial<Evidence>): Promise<Evidence> {
  const { evidence } = await forge({ authority: { name: 'stranger' } });
  return { ...evidence, ...more };
}
const explain = async (more: Partial<Evidence>) => {
  const evidence = await unsigned(more);
  const { options } = await forge();
  return () => explainEvidence(evidence, options);
};
const claims = (text: string): Promise<() => Promise<unknown>> =>
  forge({ claims: () => text, hcl: { paddedSize: 65_536 }, authority: { name: 'stranger' } }).then(
    ({ evidence, options }) =>
      () =>
        explainEvidence(evidence, options),
  );
/** Parses what was made before the clock runs; a refusal is an answer. */
const parsing =
  <Input>(input: Input, parse: (input: Input) => unknown): Call =>
  () => {
    try {
      parse(input);
    } catch {
      // What is measured is how long it took.
    }
  };

/** Certificates that may each have signed the leaf and one another, by name: with moduli of nobody, and no signature. */
function costlyCertificates(count: number, bits = 8192, e = 0xffff_ffff): NonNullable<Evidence['certificates']> {
  const size = bits / 8;
  const publicKeyOf = (n: Buffer): KeyObject => {
    const exponent = Buffer.from(
      e
        .toString(16)
        .padStart(8, '0')
        .replace(/^(00)+/, ''),
      'hex',
    );
    const jwk = { kty: 'RSA', n: n.toString('base64url'), e: exponent.toString('base64url') };
    return createPublicKey({ format: 'jwk', key: jwk });
  };
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  // Half the modulus: a number below it, so that the signature is computed.
  const signature = Buffer.alloc(size, 0x55);
  const pemOf = (key: KeyObject, subject: string): string => {
    const issued = issueCertificate({
      subject: { CN: subject },
      issuer: { CN: 'SEV-Milan' },
      publicKey: key,
      signingKey: privateKey,
      signatureAlgorithm: 'rsa-pss-sha384',
      serialNumber: 1,
      notBefore: new Date(),
      notAfter: new Date(Date.now() + 1e9),
      extensions: [basicConstraints(true)],
    });
    // SEQUENCE of four bytes' head, then all but the last element, a BIT STRING of 256 bytes.
    const signed = issued.der.subarray(4, -(4 + 1 + 256));
    return der.pem('CERTIFICATE', der.sequence(signed, der.bitString(signature)));
  };
  const modulus = (at: number): Buffer => Buffer.concat([Buffer.alloc(size - 1, 0xf0 - at), Buffer.of(1)]);
  const authorities = Array.from({ length: count }, (_, at) => pemOf(publicKeyOf(modulus(at)), 'SEV-Milan'));
  // An input holds at most 16.
  const half = Math.floor(count / 2);
  return {
    vcek: pemOf(publicKey, 'SEV-VCEK') + authorities.slice(0, half).join(''),
    chain: authorities.slice(half).join(''),
  };
}

type Call = () => unknown;
const INPUTS: [name: string, make: () => Call | Promise<Call>][] = [
  [
    'JSON of the largest size, one text',
    () => parsing(json(`"hclReport":"${upTo('A', 2 * MIB - 40)}"`), evidenceFromJson),
  ],
  ['JSON of more values than allowed', () => parsing(`[${upTo('0,')}0]`, evidenceFromJson)],
  ['JSON of as many values as allowed', () => parsing(`[${'"",'.repeat(32_767)}0]`, evidenceFromJson)],
  [
    'JSON of as many members as allowed',
    () => parsing(json(Array.from({ length: 32_000 }, (_, i) => `"${i}":0`).join()), evidenceFromJson),
  ],
  ['JSON of members of one name', () => parsing(json(`${'"a":1,'.repeat(32_000)}"a":1`), evidenceFromJson)],
  ['JSON of escapes', () => parsing(json(`"hclReport":"${upTo('\\"', 2 * MIB - 40)}"`), evidenceFromJson)],
  ['JSON of brackets', () => parsing(upTo('['), evidenceFromJson)],
  ['JSON of opened objects', () => parsing(upTo('{"a":'), evidenceFromJson)],
  [
    'trustee’s JSON of byte arrays',
    () =>
      parsing(
        `{"quote":{"signature":[${'255,'.repeat(32_000)}1],"message":[],"pcrs":[]},"report":[],"vcek":""}`,
        importTrusteeEvidence,
      ),
  ],
  ['HCL report of the largest size', () => parsing(new Uint8Array(65_536).fill(0x48), parseHclReport)],
  [
    'claims of as many members as fit',
    () => claims(`{"keys":[],${Array.from({ length: 6000 }, (_, i) => `"m${i}":0`).join()}}`),
  ],
  [
    'claims of as many keys as fit',
    () => claims(JSON.stringify({ keys: Array.from({ length: 900 }, () => ({ ...attestationJwk(), n: 'A' })) })),
  ],
  [
    'claims with a key of 8192 bits',
    () => {
      const n = Buffer.alloc(1024, 0xff).toString('base64url');
      return claims(JSON.stringify({ keys: [{ ...attestationJwk(), n }] }));
    },
  ],
  [
    'an event log of empty events',
    () => parsing(fullLog({ pcr: 0, type: EV.ipl, data: new Uint8Array() }), parseEventLog),
  ],
  [
    'evidence with a log of empty events',
    () => explain({ eventLog: fullLog({ pcr: 0, type: EV.ipl, data: new Uint8Array() }) }),
  ],
  [
    'evidence with a log of images',
    () => explain({ eventLog: fullLog({ pcr: 4, type: EV.application, data: Buffer.alloc(64, 4) }) }),
  ],
  [
    'evidence with one signature database of a log’s size',
    () => explain({ eventLog: makeLog([{ pcr: 7, type: EV.variable, data: signatureDatabase() }]) }),
  ],
  [
    'evidence with certificates of the largest size',
    () =>
      explain({
        certificates: {
          vcek: new Uint8Array(262_144).fill(0x30),
          chain: upTo('-----BEGIN CERTIFICATE-----\n', 262_144),
        },
      }),
  ],
  [
    'evidence with 16 certificates of one name',
    async () => {
      const { evidence } = await forge();
      const chain = String(evidence.certificates?.chain).repeat(8);
      return explain({ certificates: { vcek: evidence.certificates?.vcek ?? '', chain } });
    },
  ],
  ...[8, 31].map((count): (typeof INPUTS)[number] => [
    `evidence with ${count} certificates of one name, with keys that cost most`,
    () => explain({ certificates: costlyCertificates(count) }),
  ]),
  [
    'evidence with 8 certificates of one name, with keys like AMD’s',
    () => explain({ certificates: costlyCertificates(8, 4096, 65_537) }),
  ],
  [
    'evidence with an AK certificate of the largest size',
    () => explain({ akCertificate: Buffer.concat([Buffer.of(0x30, 0x83, 0, 0xff, 0xf0), Buffer.alloc(65_520, 0x30)]) }),
  ],
  ['a certificate table of 64 entries', () => parsing(new Uint8Array(2 * MIB).fill(1), parseCertificateTable)],
  ['a quote of 16 banks', () => parsing(new Uint8Array(4096).fill(0xff), parseTpmsAttest)],
  ['an SNP report of a million bytes', () => () => explainSnpReport(new Uint8Array(MIB), { vcek: '' })],
];

/** Processor time in milliseconds, so that other programs on the machine do not count; of this thread where Node tells. */
function processorTime(): number {
  const { user, system } =
    (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage?.() ?? process.cpuUsage();
  return (user + system) / 1000;
}

/** The longest time that one call keeps the event loop from anything else, in milliseconds; the best of five runs. */
async function stallOf(call: Call): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 5; run++) {
    let worst = 0;
    let last = processorTime();
    const tick = (): void => {
      const now = processorTime();
      worst = Math.max(worst, now - last);
      last = now;
    };
    const timer = setInterval(tick);
    await new Promise(setImmediate);
    last = processorTime();
    await call();
    tick();
    clearInterval(timer);
    best = Math.min(best, worst);
  }
  return best;
}

describe('unsigned input', () => {
  it(`holds the event loop for less than ${STALL_MS} ms, whatever it is made of`, async () => {
    const stalls: [string, number][] = [];
    for (const [name, make] of INPUTS) stalls.push([name, await stallOf(await make())]);
    stalls.sort(([, one], [, other]) => other - one);
    const slow = stalls.filter(([, stall]) => stall >= STALL_MS);
    console.info(stalls.map(([name, stall]) => `${stall.toFixed(1).padStart(6)} ms  ${name}`).join('\n'));
    expect(slow).toEqual([]);
  }, 120_000);
});

describe('the limits', () => {
  it('of evidence as JSON are those documented', async () => {
    const { evidence } = await forge();
    const text = evidenceToJson(evidence);
    expect(evidenceFromJson(text.padEnd(EVIDENCE_JSON_LIMITS.bytes)).version).toBe(1);
    const code20 = expect.objectContaining({ code: 20 });
    expect(() => evidenceFromJson(text.padEnd(EVIDENCE_JSON_LIMITS.bytes + 1))).toThrow(code20);
    expect(() => evidenceFromJson(`[${'0,'.repeat(EVIDENCE_JSON_LIMITS.values + 1)}0]`)).toThrow(code20);
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [String(index), 'AA']));
    expect(() => evidenceFromJson({ version: 1, hclReport: 'AA', quote: many })).toThrow(code20);
  });

  it('of event logs are those documented', () => {
    const event: MadeEvent = { pcr: 8, type: EV.ipl, data: new Uint8Array() };
    const events = (count: number): Buffer => makeLog(Array.from({ length: count - 1 }, () => event));
    expect(parseEventLog(events(EVENT_LOG_LIMITS.events)).events).toHaveLength(EVENT_LOG_LIMITS.events);
    const code20 = expect.objectContaining({ code: 20 });
    expect(() => parseEventLog(events(EVENT_LOG_LIMITS.events + 1))).toThrow(code20);
    const padded = Buffer.concat([makeLog([event]), Buffer.alloc(EVENT_LOG_LIMITS.bytes)]);
    expect(parseEventLog(padded.subarray(0, EVENT_LOG_LIMITS.bytes)).events).toHaveLength(2);
    expect(() => parseEventLog(padded)).toThrow(code20);
  });

  it('of what verifyEvidence takes are checks, and so are those of what is too long to be copied', async () => {
    const { evidence, options } = await forge();
    const large = new Uint8Array(8 * MIB).fill(1);
    const codes = async (more: Partial<Evidence>) =>
      failedCodes(await explainEvidence({ ...evidence, ...more }, options));
    expect(await codes({ hclReport: large })).toContain('ERR_HCL_REPORT');
    expect(await codes({ eventLog: large })).toContain('ERR_EVENT_LOG');
    expect(await codes({ akCertificate: large })).toContain('ERR_AK');
    expect(await codes({ certificates: { vcek: large } })).toContain('ERR_CERTIFICATE_FORMAT');
    const quote = { ...(evidence.quote as NonNullable<Evidence['quote']>), message: large };
    expect(await codes({ quote })).toContain('ERR_QUOTE_FORMAT');
  });

  it('describe an event only when somebody reads the description', async () => {
    const { evidence, options } = await forge({ quote: false });
    const { nonce: _, ...rest } = options;
    const result = await explainEvidence({ ...evidence, eventLog: makeLog([]) }, rest);
    expect(result.eventLog).toBeUndefined();
  });
});
