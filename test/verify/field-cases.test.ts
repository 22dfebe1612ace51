import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type Evidence,
  evidenceFromJson,
  evidenceToJson,
  explainEvidence,
  explainSnpReport,
  exportTrusteeEvidence,
  importTrusteeEvidence,
  parseEventLog,
  parseHclReport,
  parseTpmsAttest,
  replayEventLog,
  verifyEvidence,
  verifySnpReport,
} from '../../lib/index.js';
import { buildHclReport } from '../../lib/simulator/evidence/hcl-report.js';
import { fixture, withFixtures } from '../fixtures.js';
import { failedCodes, NOW } from './genuine.js';

const text = (path: string): string => fixture(path).toString('utf8');
const milanChain = (): string => text('amd-chains/ask_ark_milan.pem');

describe.skipIf(!withFixtures)('trustee’s evidence, version 2', () => {
  const imported = (): Evidence => {
    const evidence = importTrusteeEvidence(text('field-cases/trustee-evidence-v2.json'));
    return { ...evidence, certificates: { vcek: evidence.certificates?.vcek ?? '', chain: milanChain() } };
  };
  const nonceOf = (evidence: Evidence): Uint8Array =>
    parseTpmsAttest(evidence.quote?.message ?? new Uint8Array()).extraData;
  const options = { now: NOW, policy: { permitProvisionalFirmware: true } };

  it('is read, and verifies with the nonce as user data too', async () => {
    const evidence = imported();
    const nonce = nonceOf(evidence);
    const result = await verifyEvidence(evidence, { ...options, nonce, userData: nonce });
    expect(result).toMatchObject({ tee: 'snp', paravisor: 'id-key', reportFresh: true });
  });

  it('does not pass for a version 1: its user data are demanded, also after a trip as JSON', async () => {
    const evidence = imported();
    expect(evidence.userDataRequired).toBe(true);
    const nonce = nonceOf(evidence);
    for (const shown of [evidence, evidenceFromJson(evidenceToJson(evidence))]) {
      expect(failedCodes(await explainEvidence(shown, { ...options, nonce }))).toEqual(['ERR_USER_DATA']);
    }
    const stale = await explainEvidence(evidence, { ...options, nonce, userData: Uint8Array.of(1, 2, 3) });
    expect(failedCodes(stale)).toEqual(['ERR_USER_DATA']);
  });

  it('is written as it was read', () => {
    const original = JSON.parse(text('field-cases/trustee-evidence-v2.json')) as object;
    expect(JSON.parse(exportTrusteeEvidence(imported()))).toEqual(original);
  });

  it('is written only of a quote over all 24 PCRs, with a VCEK', () => {
    const evidence = imported();
    const invalid = expect.objectContaining({ code: 8 });
    const { quote, certificates: _, ...rest } = evidence;
    expect(() => exportTrusteeEvidence(rest)).toThrow(invalid);
    expect(() => exportTrusteeEvidence({ ...evidence, certificates: { vcek: 'no PEM' } })).toThrow(invalid);
    const values = { ...quote?.pcrs.values };
    delete values[23];
    const fewer = { ...(quote as NonNullable<typeof quote>), pcrs: { alg: 'sha256', values } } as const;
    expect(() => exportTrusteeEvidence({ ...evidence, quote: fewer })).toThrow(invalid);
  });

  it('of another version is refused', () => {
    const json = JSON.parse(text('field-cases/trustee-evidence-v2.json')) as Record<string, unknown>;
    for (const version of [0, 3, '2', null]) {
      expect(() => importTrusteeEvidence(JSON.stringify({ ...json, version }))).toThrow(
        expect.objectContaining({ code: 20 }),
      );
    }
  });
});

describe.skipIf(!withFixtures)('event logs from the field', () => {
  const log = (name: string) => parseEventLog(fixture(`field-cases/${name}.bin`));
  const extend = (value: Uint8Array, digest: Uint8Array): Buffer =>
    createHash('sha256').update(value).update(digest).digest();

  it('of Windows end with an event of no PCR, which extends nothing', () => {
    const { events } = log('eventlog-windows-trustpoint-pcr-ffffffff');
    expect(events.at(-1)).toMatchObject({ pcr: 0xffffffff, typeName: 'EV_NO_ACTION' });
    const digest = events[1]?.digests.sha256 as Uint8Array;
    const replayed = replayEventLog(parseEventLog(fixture('field-cases/eventlog-windows-trustpoint-pcr-ffffffff.bin')));
    expect([...replayed.keys()]).toEqual([0]);
    expect(Buffer.from(replayed.get(0) ?? [])).toEqual(extend(Buffer.alloc(32), digest));
  });

  it('of Windows with another event at that PCR are refused', () => {
    const bytes = fixture('field-cases/eventlog-windows-trustpoint-pcr-ffffffff.bin');
    const at = bytes.indexOf(Buffer.from('ffffffff03000000', 'hex'));
    bytes.writeUInt32LE(13, at + 4);
    expect(() => parseEventLog(bytes)).toThrow(expect.objectContaining({ code: 20 }));
  });

  it('may have fewer digests than banks: what lacks one is not replayed, and the log says so', () => {
    const sparse = log('eventlog-sha256-only-event-under-two-banks');
    expect(sparse.notReplayable).toEqual({ sha1: [12] });
    expect(replayEventLog(sparse, 'sha256').has(12)).toBe(true);
    expect(replayEventLog(sparse, 'sha1').has(12)).toBe(false);
  });

  it('with an H-CRTM event start PCR 0 at 4', () => {
    const events = log('eventlog-hcrtm');
    const [first, ...rest] = events.events.filter(({ pcr, type }) => pcr === 0 && type !== 3);
    const start = Buffer.alloc(32);
    start[31] = 4;
    let expected = extend(start, first?.digests.sha256 as Uint8Array);
    for (const event of rest) expected = extend(expected, event.digests.sha256 as Uint8Array);
    expect(first?.typeName).toBe('EV_EFI_HCRTM_EVENT');
    expect(Buffer.from(replayEventLog(events).get(0) ?? [])).toEqual(expected);
  });

  it('of zeros alone are refused as never written', () => {
    expect(() => log('eventlog-all-zero')).toThrow(expect.objectContaining({ code: 21 }));
  });

  it('replay an event of PCRs 17 to 22 before a dynamic launch from all bits set', () => {
    const bytes = fixture('field-cases/eventlog-sha256-only-event-under-two-banks.bin');
    const at = bytes.indexOf(Buffer.from('0c000000', 'hex'), 60);
    bytes.writeUInt32LE(17, at);
    const moved = parseEventLog(bytes);
    const event = moved.events.find(({ pcr }) => pcr === 17);
    const expected = extend(Buffer.alloc(32, 0xff), event?.digests.sha256 as Uint8Array);
    expect(Buffer.from(replayEventLog(moved).get(17) ?? [])).toEqual(expected);
  });
});

describe.skipIf(!withFixtures)('AK certificates as NV indices hold them', () => {
  const options = () => ({
    trustedRoots: [text('field-cases/simulated-root.pem')],
    nonce: Buffer.from('00112233445566778899aabbccddeeff', 'hex'),
    policy: { allowUnidentifiedParavisor: true },
  });
  const warning = 'the AK certificate is followed by bytes that are not zero';

  it.each([
    ['evidence-ak-zero-padded', false],
    ['evidence-ak-stale-tail', true],
  ])('%s: the certificate ends where its DER does', async (name, hasTail) => {
    const evidence = evidenceFromJson(text(`field-cases/${name}.json`));
    const result = await explainEvidence(evidence, options());
    expect(failedCodes(result)).toEqual([]);
    expect(result.warnings.includes(warning)).toBe(hasTail);
  });

  it('evidence-ak-index-all-zero: an index without a certificate is not one', async () => {
    const evidence = evidenceFromJson(text('field-cases/evidence-ak-index-all-zero.json'));
    expect(failedCodes(await explainEvidence(evidence, options()))).toEqual(['ERR_AK']);
  });
});

describe.skipIf(!withFixtures)('reports from the field', () => {
  const folder = 'field-cases/snp-launch-above-current';
  const certificates = () => ({ vcek: fixture(`${folder}/leaf.der`), ask: fixture(`${folder}/ask.der`) });
  const trustedRoots = () => [fixture(`${folder}/ark.der`)];

  it('with a launch TCB above the current one are accepted with a warning', async () => {
    const report = fixture(`${folder}/report.bin`);
    const result = await verifySnpReport(report, certificates(), { trustedRoots: trustedRoots() });
    expect(result.warnings).toEqual([expect.stringMatching(/^the TCB at launch .* is above the current one/)]);
  });

  it('with a launch TCB above the current one are refused where the policy wants committed firmware', async () => {
    const report = fixture(`${folder}/report.bin`);
    const policy = { permitProvisionalFirmware: false };
    const result = await explainSnpReport(report, certificates(), { trustedRoots: trustedRoots(), policy });
    expect(failedCodes(result)).toEqual(['ERR_POLICY']);
  });

  it('with runtime data of version 2 verify, with their capabilities', async () => {
    const hcl = 'field-cases/hcl-runtime-data-v2';
    const evidence: Evidence = {
      version: 1,
      hclReport: fixture(`${hcl}/hcl-report.bin`),
      certificates: { vcek: fixture(`${hcl}/leaf.der`), chain: [fixture(`${hcl}/ask.der`)] },
    };
    const options = { trustedRoots: [fixture(`${hcl}/ark.der`)], policy: { allowUnidentifiedParavisor: true } };
    const result = await explainEvidence(evidence, options);
    expect(failedCodes(result)).toEqual([]);
    expect(result.hclReport?.capabilities).toBeDefined();
  });

  it('of version 3 have no bit of SEV-TIO and no mitigation vectors', () => {
    const { hardwareReport } = parseHclReport(fixture('azure-milan-v3/hcl-report.bin'));
    expect(hardwareReport).toHaveLength(1184);
  });
});

describe.skipIf(!withFixtures)('a genuine report of hardware elsewhere', () => {
  it.each([
    ['snp-milan-v3', 'ask_ark_milan.pem'],
    ['snp-genoa-v3', 'ask_ark_genoa.pem'],
    ['snp-turin-v5', 'ask_ark_turin_vcek.pem'],
  ])('%s with runtime data of somebody’s making is refused as no paravisor’s', async (folder, chain) => {
    const name = folder.split('-')[1] as string;
    const variableData = Buffer.from('{"keys":[]}');
    const hardwareReport = fixture(`${folder}/${name}_attestation_report.bin`);
    const hclReport = buildHclReport({ reportType: 'snp', hardwareReport, variableData, paddedSize: 2600 });
    const certificates = { vcek: text(`${folder}/${name}_vcek.pem`), chain: text(`amd-chains/${chain}`) };
    const result = await explainEvidence({ version: 1, hclReport, certificates }, { now: NOW });
    expect(failedCodes(result)).toEqual(['ERR_PARAVISOR', 'ERR_REPORT_DATA_MISMATCH', 'ERR_AK']);
  });
});
