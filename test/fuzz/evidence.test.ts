import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Evidence,
  evidenceFromJson,
  evidenceToJson,
  explainEvidence,
  explainSnpReport,
  importBincodeQuote,
  importTrusteeEvidence,
  parseCertificateTable,
  parseEventLog,
  parseHclReport,
  parsePolicy,
  parseSnpReport,
  parseTcb,
  parseTpm2bPublic,
  parseTpmsAttest,
  replayEventLog,
  type SnpCertificates,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { anything, mutated, mutatedJson, mutatedText } from './hostile.js';
import { asyncProperty, property, refusesTyped, rejectsTyped } from './property.js';

let cvm: SimulatedCvm;
let evidence: Evidence;
const nonce = Buffer.alloc(32, 9);

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  await using client = cvm.client();
  evidence = await client.getEvidence({ nonce });
});
afterAll(() => cvm?.stop());

describe('parsers refuse hostile bytes with documented errors:', () => {
  it('event logs of hostile bytes', () => {
    property(mutated(evidence.eventLog ?? Buffer.alloc(0)), (bytes) => {
      refusesTyped(() => {
        const log = parseEventLog(bytes);
        // What is handed out was in there: no event is made of nothing.
        expect(log.events.reduce((size, { data }) => size + data.length, 0)).toBeLessThanOrEqual(bytes.length);
        replayEventLog(log);
      });
    });
  });

  it('HCL reports, hardware reports, TCB versions', () => {
    property(mutated(evidence.hclReport), (bytes) => refusesTyped(() => parseHclReport(bytes)));
    property(mutated(evidence.hclReport.subarray(32, 32 + 1184)), (bytes) => {
      refusesTyped(() => parseSnpReport(bytes));
      refusesTyped(() => parseTcb(bytes.subarray(0, 8), 'Turin'));
    });
  });

  it('TPM structures and certificate tables', () => {
    property(mutated(evidence.quote?.message ?? Buffer.alloc(0)), (bytes) =>
      refusesTyped(() => parseTpmsAttest(bytes)),
    );
    property(mutated(evidence.ephemeralKey?.publicArea ?? Buffer.alloc(0)), (bytes) => {
      refusesTyped(() => parseTpm2bPublic(bytes));
      refusesTyped(() => parseCertificateTable(bytes));
    });
  });

  it('what is not bytes at all', () => {
    for (const parse of [
      parseEventLog,
      parseHclReport,
      parseSnpReport,
      parseTpmsAttest,
      parseTpm2bPublic,
      parseCertificateTable,
    ]) {
      property(anything, (value) => refusesTyped(() => (parse as (bytes: unknown) => unknown)(value)));
    }
  });

  it('evidence in JSON, and the formats of others', () => {
    property(mutatedText(evidenceToJson(evidence)), (text) => {
      refusesTyped(() => evidenceFromJson(text));
      refusesTyped(() => importTrusteeEvidence(text));
    });
    property(mutated(Buffer.from(evidenceToJson(evidence))), (bytes) => refusesTyped(() => importBincodeQuote(bytes)));
    property(anything, (value) => {
      refusesTyped(() => evidenceFromJson(value as string));
      refusesTyped(() => importTrusteeEvidence(value as string));
      refusesTyped(() => importBincodeQuote(value as Uint8Array));
    });
  });

  it('policies of hostile text', () => {
    const policy = {
      allowedProducts: ['Milan'],
      minimumTcb: { Milan: { snp: 8 } },
      guestPolicy: { minimumAbi: '0.31' },
      measurement: ['ab'.repeat(48)],
      pcrs: { 7: 'cd'.repeat(32) },
      trustedIdKeyHashes: ['ab'.repeat(48)],
    };
    property(mutatedJson(policy), (value) => refusesTyped(() => parsePolicy(value)));
    property(anything, (value) => refusesTyped(() => parsePolicy(value)));
  });
});

describe('explainSnpReport', () => {
  it('says no, or refuses with a documented error, whatever it is given', async () => {
    const { vcek } = evidence.certificates ?? {};
    const report = evidence.hclReport.subarray(32, 32 + 1184);
    await asyncProperty(anything, async (hostile) => {
      await rejectsTyped(() => explainSnpReport(hostile as Uint8Array, { vcek: vcek ?? '' }));
      await rejectsTyped(() => explainSnpReport(report, hostile as SnpCertificates));
      await rejectsTyped(() => explainSnpReport(report, { vcek: hostile as string, ask: hostile as string }));
      await rejectsTyped(() => explainSnpReport(report, { vcek: vcek ?? '' }, hostile as object));
    });
    await asyncProperty(mutated(Buffer.from(vcek ?? '')), (bytes) =>
      rejectsTyped(() => explainSnpReport(report, { vcek: bytes })),
    );
  });
});

describe('explainEvidence', () => {
  const verify = (hostile: unknown) => explainEvidence(hostile as Evidence, { nonce, ...cvm.verification });

  it('accepts the genuine evidence', async () => {
    expect((await verify(evidence)).ok).toBe(true);
  });

  it('says no, or refuses with a documented error, whatever one member is made of', async () => {
    await asyncProperty(mutatedJson(evidence as unknown as object), (hostile) => rejectsTyped(() => verify(hostile)));
    await asyncProperty(anything, async (hostile) => {
      await rejectsTyped(() => verify(hostile));
      await rejectsTyped(() => explainEvidence(evidence, hostile as object));
    });
  });

  it('says no to every changed byte of the quote, its signature and the certified key', {
    timeout: 120_000,
  }, async () => {
    for (const [part, member] of [
      ['quote', 'message'],
      ['quote', 'signature'],
      ['ephemeralKey', 'certifyInfo'],
      ['ephemeralKey', 'certifySignature'],
      ['ephemeralKey', 'publicArea'],
    ] as const) {
      const group = evidence[part] as unknown as Record<string, Uint8Array>;
      const genuine = Buffer.from(group[member] ?? []);
      await asyncProperty(mutated(genuine), async (bytes) => {
        if (bytes.equals(genuine)) return;
        await rejectsTyped(async () => {
          const result = await verify({ ...evidence, [part]: { ...group, [member]: bytes } });
          if (result.ok) throw new Error(`accepted a changed ${part}.${member}`);
        });
      });
    }
  });

  it('says no to every changed byte of the report that is signed', async () => {
    // Behind the runtime data there is nothing but padding, which evidence may have or not.
    const end = 1236 + Buffer.from(evidence.hclReport).readUInt32LE(1232);
    const genuine = Buffer.from(evidence.hclReport.subarray(32, end));
    await asyncProperty(mutated(genuine), async (bytes) => {
      if (bytes.length !== genuine.length || bytes.equals(genuine)) return;
      const hclReport = Buffer.concat([evidence.hclReport.subarray(0, 32), bytes, evidence.hclReport.subarray(end)]);
      await rejectsTyped(async () => {
        const { ok } = await verify({ ...evidence, hclReport });
        const changes = [...bytes.keys()].filter((i) => bytes[i] !== genuine[i]);
        // The 20 bytes between hardware report and runtime data are signed by nobody: sizes and types, checked as such.
        if (ok && changes.some((i) => i < 1184 || i >= 1204)) throw new Error(`accepted changes at ${changes}`);
      });
    });
  });
});
