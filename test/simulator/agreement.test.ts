import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { AttestationError, explainSnpReport, type Product } from '../../lib/index.js';
import { platforms } from '../../lib/simulator/evidence/platform.js';
import {
  AmdAuthority,
  buildSnpReport,
  type LeafOptions,
  ServiceRefusal,
  type SigningLeaf,
  type SnpReportFields,
  signSnpReport,
} from '../../lib/simulator/index.js';
import { verifySnpEvidence } from './second-verifier/snp-evidence.js';

const reportData = Buffer.concat([createHash('sha256').update('{"keys":[]}').digest(), Buffer.alloc(32)]);

/** What a second verifier says, which shares no code with the library's: accepted or not. */
function secondAccepts(report: Buffer, leafPem: string, authority: AmdAuthority, now: Date): boolean {
  const roots = [new X509Certificate(authority.ark.der)];
  try {
    verifySnpEvidence(report, leafPem + authority.chainPem, roots, now);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(ServiceRefusal);
    return false;
  }
}

/** What the library's verifier says. */
async function libraryAccepts(report: Buffer, leafPem: string, authority: AmdAuthority, now: Date): Promise<boolean> {
  const certificates = { vcek: leafPem, ask: authority.ask.pem, ark: authority.ark.pem };
  try {
    return (await explainSnpReport(report, certificates, { trustedRoots: [authority.ark.pem], now })).ok;
  } catch (error) {
    expect(error).toBeInstanceOf(AttestationError);
    return false;
  }
}

describe.each<Product>(['Milan', 'Genoa', 'Turin'])('a second verifier and the library agree on %s', (product) => {
  const { tcb, hardwareIdSize } = platforms[product];
  const chipId = randomBytes(hardwareIdSize);
  const now = new Date();
  let authority: AmdAuthority;
  let leaf: SigningLeaf;

  beforeAll(async () => {
    authority = await AmdAuthority.create({ product });
    leaf = await authority.issueVcek({ tcb, hardwareId: chipId });
  });

  const build = (fields: SnpReportFields, by: SigningLeaf = leaf): Buffer =>
    signSnpReport(buildSnpReport(product, { chipId, reportData, ...fields }), by.privateKey);

  const verdicts = async (
    report: Buffer,
    leafPem: string = leaf.certificate.pem,
  ): Promise<[service: boolean, library: boolean]> => [
    secondAccepts(report, leafPem, authority, now),
    await libraryAccepts(report, leafPem, authority, now),
  ];

  it('that an ordinary report is genuine', async () => {
    expect(await verdicts(build({}))).toEqual([true, true]);
  });

  it.each<[string, SnpReportFields, boolean]>([
    ['version 1', { version: 1 }, false],
    ['version 6', { version: 6 }, false],
    ['another signature algorithm', { signatureAlgorithm: 0 }, false],
    ['VLEK as signing key', { keyInfo: 1 << 2 }, false],
    ['no signing key', { keyInfo: 7 << 2 }, false],
    ['a masked chip', { keyInfo: 2 }, false],
    ['an author key', { keyInfo: 1, authorKeyDigest: randomBytes(48) }, true],
    ['another chip', { chipId: randomBytes(64) }, false],
    ['no chip', { chipId: Buffer.alloc(64) }, false],
    ['a debug policy', { policy: 0xb001fn }, false],
    ['a migration agent', { policy: 0x7001fn }, false],
    ['VMPL 1', { vmpl: 1 }, false],
    ['a host as requester', { vmpl: 0xffffffff }, false],
    ['a lower reported TCB', { reportedTcb: { ...tcb, snp: 0 } }, false],
    ['a committed TCB below the reported', { committedTcb: { ...tcb, snp: 0 } }, false],
    ['a current TCB below the committed', { currentTcb: { ...tcb, microcode: 0 } }, false],
    ['a launch TCB above the current', { launchTcb: { ...tcb, bootloader: 200 } }, true],
    ['a higher current TCB', { currentTcb: { ...tcb, snp: 200 } }, true],
    ['another image', { measurement: randomBytes(48), imageId: randomBytes(16), guestSvn: 0x1000b }, true],
    ['a processor of another line', { cpuid: product === 'Milan' ? [0x19, 0x11, 1] : [0x19, 0x01, 1] }, false],
    ['an unknown processor', { cpuid: [0x18, 0x01, 1] }, false],
  ])('on %s', async (_name, fields, accepted) => {
    expect(await verdicts(build(fields))).toEqual([accepted, accepted]);
  });

  it.each<[string, Partial<LeafOptions>, boolean]>([
    ['a wrapped hardware id', { hardwareIdEncoding: 'octet-string' }, product !== 'Turin'],
    ['another hardware id', { hardwareId: randomBytes(hardwareIdSize) }, false],
    ['a hardware id of another size', { hardwareId: randomBytes(hardwareIdSize === 8 ? 64 : 8) }, false],
    ['no hardware id', { omitExtensions: ['4'] }, false],
    ['another TCB', { tcb: { ...tcb, microcode: tcb.microcode - 1 } }, false],
    ['no microcode level', { omitExtensions: ['3.8'] }, false],
    ['no structVersion', { omitExtensions: ['1'] }, false],
    ['another structVersion', { structVersion: product === 'Turin' ? 0 : 1 }, false],
    ['the name of another product', { productName: product === 'Genoa' ? 'Milan-B0' : 'Genoa' }, false],
    ['a stepping in its name', { productName: `${product}-B1` }, true],
    ['a provider', { cspId: 'CN=cloud' }, false],
    ['dates of the past', { notBefore: new Date(0), notAfter: new Date(1e12) }, false],
    [
      'dates of the future',
      { notBefore: new Date(now.getTime() + 1e9), notAfter: new Date(now.getTime() + 2e9) },
      false,
    ],
  ])('on a VCEK with %s', async (_name, options, accepted) => {
    const other = await authority.issueVcek({ tcb, hardwareId: chipId, ...options });
    expect(await verdicts(build({}, other), other.certificate.pem)).toEqual([accepted, accepted]);
  });

  it('on a VLEK, and on a VCEK in its place', async () => {
    const vlek = await authority.issueVlek({ tcb });
    const fields = { keyInfo: 1 << 2, chipId: Buffer.alloc(64) };
    expect(await verdicts(build(fields, vlek), vlek.certificate.pem)).toEqual([false, false]);
    expect(await verdicts(build({}, vlek), vlek.certificate.pem)).toEqual([false, false]);
  });

  it('that no flipped bit of a report is genuine', async () => {
    const report = build({});
    for (let i = 0; i < 80; i++) {
      const changed = Buffer.from(report);
      const at = (i * 1009) % report.length;
      changed[at] = (changed[at] ?? 0) ^ (1 << (i % 8));
      expect(await verdicts(changed), `byte ${at}`).toEqual([false, false]);
    }
  });

  it('that no flipped bit of a VCEK is genuine', async () => {
    const report = build({});
    const { der } = leaf.certificate;
    for (let i = 0; i < 80; i++) {
      const changed = Buffer.from(der);
      const at = (i * 1009) % der.length;
      changed[at] = (changed[at] ?? 0) ^ (1 << (i % 8));
      const pem = `-----BEGIN CERTIFICATE-----\n${changed.toString('base64')}\n-----END CERTIFICATE-----\n`;
      expect(await verdicts(report, pem), `byte ${at}`).toEqual([false, false]);
    }
  });
});
