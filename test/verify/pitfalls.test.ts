import { describe, expect, it } from 'vitest';
import { explainEvidence, type VerificationOptions } from '../../lib/index.js';
import { attestationJwk, FORGED_NONCE, type Forgery, forge, makeQuote, strangersKey } from './forge.js';
import { failedCodes } from './genuine.js';

/** What a verifier must not get wrong: number, mistake, evidence that would exploit it, the code that refuses it. */
type Row = [number: string, mistake: string, forgery: Forgery, code: string, options?: Partial<VerificationOptions>];

const tcb = { bootloader: 4, tee: 0, snp: 24, microcode: 219 };
const ones = (size: number): Buffer => Buffer.alloc(size, 1);
const claims = (change: (keys: ReturnType<typeof attestationJwk>[]) => unknown[]): Forgery => ({
  claims: (genuine) =>
    JSON.stringify({ ...genuine, keys: change(genuine.keys as ReturnType<typeof attestationJwk>[]) }),
});
const strangersJwk = (): Record<string, unknown> => ({
  ...attestationJwk(),
  n: strangersKey.publicKey.export({ format: 'jwk' }).n,
});

const ROWS: Row[] = [
  ['1', 'report_data not compared', { reportData: () => ones(64) }, 'ERR_REPORT_DATA_MISMATCH'],
  ['1', 'runtime data of another guest', { afterHcl: (hcl) => hcl.fill(0x20, 1236, 1237) }, 'ERR_RUNTIME_CLAIMS'],
  [
    '1',
    'runtime data changed behind the report',
    { afterHcl: (hcl) => swapSecureBoot(hcl) },
    'ERR_REPORT_DATA_MISMATCH',
  ],
  [
    '3',
    'report_data tail not zero',
    { reportData: (binding) => Buffer.concat([binding.subarray(0, 63), Buffer.of(1)]) },
    'ERR_REPORT_DATA_MISMATCH',
  ],
  ['4', 'two attestation keys', claims((keys) => [...keys, strangersJwk()]), 'ERR_AK'],
  ['4', 'no attestation key', claims((keys) => keys.map((key) => ({ ...key, kid: 'HCLEkPub' }))), 'ERR_AK'],
  [
    '4',
    'the first key taken for the attestation key',
    {
      ...claims((keys) => [{ ...strangersJwk(), kid: 'HCLEkPub' }, ...keys]),
      quote: { key: strangersKey.privateKey },
    },
    'ERR_QUOTE_SIGNATURE',
  ],
  ['4', 'attestation key with exponent 3', claims((keys) => keys.map((key) => ({ ...key, e: 'Aw' }))), 'ERR_AK'],
  [
    '4',
    'attestation key of 1024 bits',
    claims((keys) => keys.map((key) => ({ ...key, n: key.n.slice(0, 171) }))),
    'ERR_AK',
  ],
  [
    '4',
    'attestation key doubled in JSON',
    { claims: (genuine) => JSON.stringify(genuine).replace('{', `{"keys":[],`) },
    'ERR_RUNTIME_CLAIMS',
  ],
  ['5', 'stale quote: other nonce', { quote: { nonce: ones(11) } }, 'ERR_QUOTE_NONCE'],
  ['5', 'stale quote: no nonce', { quote: { nonce: new Uint8Array() } }, 'ERR_QUOTE_NONCE'],
  ['5', 'stale quote: nonce cut short', { quote: { nonce: FORGED_NONCE.slice(0, -1) } }, 'ERR_QUOTE_NONCE'],
  ['5', 'no quote at all for a nonce', { quote: false }, 'ERR_QUOTE_NONCE'],
  ['6', 'stale report: user data not echoed', {}, 'ERR_USER_DATA', { userData: Uint8Array.of(1, 2, 3) }],
  [
    '6',
    'stale report: no user data in the claims',
    { claims: ({ 'user-data': _, ...rest }) => JSON.stringify(rest) },
    'ERR_USER_DATA',
    { userData: new Uint8Array(64) },
  ],
  [
    '7',
    'fewer PCRs quoted than shown',
    { quote: { selected: [0], shown: [0, 1, 2, 3, 4, 5, 6, 7] } },
    'ERR_PCR_SELECTION',
  ],
  ['7', 'fewer PCRs shown than quoted', { quote: { shown: [0, 1, 2] } }, 'ERR_PCR_SELECTION'],
  ['7', 'no PCRs quoted', { quote: { selected: [], shown: [] } }, 'ERR_PCR_SELECTION'],
  [
    '7',
    'PCR of the policy not quoted',
    { quote: { selected: [0, 1] } },
    'ERR_PCR_SELECTION',
    { policy: { pcrs: { 7: '08'.repeat(32) } } },
  ],
  ['7', 'PCR value changed', { quote: { values: (values) => values[7]?.fill(9) } }, 'ERR_PCR_DIGEST'],
  ['7', 'digest of other PCRs', { quote: { digest: ones(32) } }, 'ERR_PCR_DIGEST'],
  ['8', 'PCR value not what the policy wants', {}, 'ERR_POLICY', { policy: { pcrs: { 7: '00'.repeat(32) } } }],
  ['9', 'quote without the TPM magic', { quote: { magic: 0xff544348 } }, 'ERR_QUOTE_MAGIC'],
  ['9', 'certification taken for a quote', { quote: { type: 0x8017 } }, 'ERR_QUOTE_FORMAT'],
  ['9', 'time attestation taken for a quote', { quote: { type: 0x8019 } }, 'ERR_QUOTE_TYPE'],
  ['10', 'quote signed by another key', { quote: { key: strangersKey.privateKey } }, 'ERR_QUOTE_SIGNATURE'],
  ['11', 'root out of the evidence', { authority: { name: 'stranger' } }, 'ERR_ARK_NOT_TRUSTED'],
  ['12', 'certificate of another chip', { report: { chipId: ones(64) } }, 'ERR_HWID_MISMATCH'],
  [
    '12',
    'chip id of Turin with more behind it',
    { product: 'Turin', beforeSigning: (report) => report.fill(1, 0x1a8, 0x1a9) },
    'ERR_HWID_MISMATCH',
  ],
  ['13', 'certificate of another microcode', { leaf: { tcb: { ...tcb, microcode: 220 } } }, 'ERR_TCB_MISMATCH'],
  ['13', 'certificate of another boot loader', { leaf: { tcb: { ...tcb, bootloader: 3 } } }, 'ERR_TCB_MISMATCH'],
  ['13', 'certificate of another SNP firmware', { leaf: { tcb: { ...tcb, snp: 23 } } }, 'ERR_TCB_MISMATCH'],
  ['13', 'certificate of another TEE', { leaf: { tcb: { ...tcb, tee: 1 } } }, 'ERR_TCB_MISMATCH'],
  [
    '13',
    'certificate of another FMC on Turin',
    { product: 'Turin', leaf: { tcb: { fmc: 2, bootloader: 1, tee: 1, snp: 4, microcode: 81 } } },
    'ERR_TCB_MISMATCH',
  ],
  ['14', 'TCB below the minimum', {}, 'ERR_POLICY', { policy: { minimumTcb: { microcode: 220 } } }],
  ['14', 'minimum for other products only', {}, 'ERR_POLICY', { policy: { minimumTcb: { Genoa: { snp: 1 } } } }],
  ['14', 'reported above committed', { report: { committedTcb: { ...tcb, snp: 23 } } }, 'ERR_TCB_ORDER'],
  ['14', 'committed above current', { report: { currentTcb: { ...tcb, microcode: 218 } } }, 'ERR_TCB_ORDER'],
  [
    '14',
    'current not committed, where the policy wants that',
    { report: { currentTcb: { ...tcb, microcode: 220 } } },
    'ERR_POLICY',
    { policy: { permitProvisionalFirmware: false } },
  ],
  [
    '14',
    'reported below committed, where the policy forbids that',
    { report: { committedTcb: { ...tcb, snp: 25 }, currentTcb: { ...tcb, snp: 25 } } },
    'ERR_POLICY',
    { policy: { requireCommittedTcb: true } },
  ],
  ['15', 'debugging allowed', { report: { policy: 0x3001fn | (1n << 19n) } }, 'ERR_POLICY'],
  ['16', 'migration agent allowed', { report: { policy: 0x3001fn | (1n << 18n) } }, 'ERR_POLICY'],
  ['17', 'report of the guest, not of the paravisor', { report: { vmpl: 2 } }, 'ERR_POLICY'],
  ['17', 'report that the host asked for', { report: { vmpl: 0xffffffff } }, 'ERR_POLICY'],
  ['18', 'VLEK without leave', { kind: 'vlek', report: { keyInfo: 1 << 2 } }, 'ERR_POLICY'],
  ['18', 'VLEK taken for a VCEK', { kind: 'vlek' }, 'ERR_SIGNING_KEY', { policy: { allowVlek: true } }],
  ['18', 'VCEK taken for a VLEK', { report: { keyInfo: 1 << 2 } }, 'ERR_SIGNING_KEY', { policy: { allowVlek: true } }],
  [
    '18',
    'VLEK of another provider',
    { kind: 'vlek', report: { keyInfo: 1 << 2 } },
    'ERR_POLICY',
    { policy: { allowVlek: true, cspIds: ['CN=other.example'] } },
  ],
  ['19', 'masked chip id', { report: { keyInfo: 2 } }, 'ERR_CHIP_KEY_MASKED'],
  ['19', 'unsigned report', { report: { keyInfo: 7 << 2 } }, 'ERR_SIGNING_KEY'],
  ['20', 'another signature algorithm', { report: { signatureAlgorithm: 2 } }, 'ERR_SNP_SIGNATURE_ALGO'],
  ['22', 'expired certificate', { leaf: { notAfter: new Date(Date.now() - 1000) } }, 'ERR_CERTIFICATE_EXPIRED'],
  [
    '22',
    'certificate of tomorrow',
    { leaf: { notBefore: new Date(Date.now() + 86_400_000) } },
    'ERR_CERTIFICATE_NOT_YET_VALID',
  ],
  ['22', 'expired root', { authority: { notAfter: new Date(Date.now() - 1000) } }, 'ERR_CERTIFICATE_EXPIRED'],
  ['23', 'signature over other bytes', { afterSigning: (report) => flip(report, 0x90) }, 'ERR_SNP_SIGNATURE'],
  ['24', 'data in the unsigned tail', { afterSigning: (report) => flip(report, 0x330) }, 'ERR_SNP_SIGNATURE_ENCODING'],
  ['24', 'second encoding of R', { afterSigning: (report) => flip(report, 0x2a0 + 71) }, 'ERR_SNP_SIGNATURE_ENCODING'],
  ['24', 'second encoding of S', { afterSigning: (report) => flip(report, 0x2e8 + 48) }, 'ERR_SNP_SIGNATURE_ENCODING'],
  ['24', 'R of zero', { afterSigning: (report) => report.fill(0, 0x2a0, 0x2d0) }, 'ERR_SNP_SIGNATURE'],
  [
    '24',
    'S of the group order and above',
    { afterSigning: (report) => report.fill(0xff, 0x2e8, 0x318) },
    'ERR_SNP_SIGNATURE',
  ],
  ['25', 'certificate without a patch level', { leaf: { omitExtensions: ['3.8'] } }, 'ERR_CERTIFICATE_FORMAT'],
  ['25', 'certificate without a hardware id', { leaf: { omitExtensions: ['4'] } }, 'ERR_SIGNING_KEY'],
  ['25', 'hardware id of 63 bytes', { leaf: { hardwareId: ones(63) } }, 'ERR_CERTIFICATE_FORMAT'],
  ['25', 'patch level of 256', { leaf: { tcb: { ...tcb, microcode: 256 } } }, 'ERR_CERTIFICATE_FORMAT'],
  ['26', 'another ID key', {}, 'ERR_POLICY', { policy: { trustedIdKeyHashes: ['00'.repeat(48)] } }],
  ['26', 'no author key', {}, 'ERR_POLICY', { policy: { requireAuthorKey: true } }],
  [
    '26',
    'no ID block',
    { report: { idKeyDigest: Buffer.alloc(48) } },
    'ERR_POLICY',
    { policy: { requireIdBlock: true } },
  ],
  ['27', 'unknown hash type', { hcl: { hashType: 4 } }, 'ERR_HCL_REPORT'],
  ['27', 'unknown report type', { hcl: { reportType: 5 } }, 'ERR_HCL_REPORT'],
  ['27', 'trusted launch report', { hcl: { reportType: 'tvm' } }, 'ERR_REPORT_TYPE'],
  ['27', 'VBS report', { hcl: { reportType: 'vbs' } }, 'ERR_REPORT_TYPE'],
  ['27', 'header of another request', { hcl: { requestType: 1 } }, 'ERR_HCL_REPORT'],
  [
    '27',
    'over-long user data',
    { claims: (genuine) => ({ ...genuine, 'user-data': 'AB'.repeat(65) }) },
    'ERR_RUNTIME_CLAIMS',
  ],
  ['27', 'claims without keys', { claims: () => '{}' }, 'ERR_RUNTIME_CLAIMS'],
  ['27', 'claims that are not JSON', { claims: () => 'keys' }, 'ERR_RUNTIME_CLAIMS'],
  ['27', 'claims nested without end', { claims: () => '['.repeat(2000) + ']'.repeat(2000) }, 'ERR_RUNTIME_CLAIMS'],
  ['27', 'report version 1', { report: { version: 1 } }, 'ERR_SNP_VERSION'],
  ['27', 'report version 6', { report: { version: 6 } }, 'ERR_SNP_VERSION'],
  ['27', 'report of version 0', { report: { version: 0 } }, 'ERR_SNP_REPORT'],
  ['27', 'processor of another product', { report: { cpuid: [0x19, 0x11, 1] } }, 'ERR_PRODUCT'],
  ['27', 'processor that is not known', { report: { cpuid: [0x1a, 0x50, 1] } }, 'ERR_PRODUCT'],
  ['27', 'certificate of another product', { leaf: { productName: 'Genoa' } }, 'ERR_PRODUCT'],
  ['27', 'certificate with the other TCB layout', { leaf: { structVersion: 1 } }, 'ERR_CERTIFICATE_FORMAT'],
  ['33', 'certificates of the host without a trusted root', { authority: { name: 'stranger' } }, 'ERR_ARK_NOT_TRUSTED'],
];

function flip(bytes: Buffer, at: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
}

function swapSecureBoot(hcl: Buffer): void {
  const at = hcl.indexOf('"secure-boot":true');
  hcl.write('null', at + '"secure-boot":'.length, 'latin1');
}

describe('evidence with nothing wrong', () => {
  it.each(['Milan', 'Genoa', 'Turin'] as const)('of %s is accepted', async (product) => {
    const { evidence, options } = await forge({ product });
    const userData = Uint8Array.of(0xab, 0xab, 0xab, 0xab);
    const result = await explainEvidence(evidence, { ...options, userData });
    expect(failedCodes(result)).toEqual([]);
    expect(result).toMatchObject({ ok: true, product });
  });

  it.each(['sha256', 'sha384', 'sha512'] as const)('bound by %s is accepted', async (hash) => {
    const { evidence, options } = await forge({ hash });
    expect(failedCodes(await explainEvidence(evidence, options))).toEqual([]);
  });

  it('signed by a VLEK is accepted where the policy says so', async () => {
    const { evidence, options } = await forge({
      kind: 'vlek',
      report: { keyInfo: 1 << 2, chipId: new Uint8Array(64) },
    });
    const policy = { allowVlek: true, cspIds: ['CN=simulated.example'] };
    expect(failedCodes(await explainEvidence(evidence, { ...options, policy }))).toEqual([]);
  });

  it('with a hardware id inside an OCTET STRING is accepted', async () => {
    const { evidence, options } = await forge({ leaf: { hardwareIdEncoding: 'octet-string' } });
    expect(failedCodes(await explainEvidence(evidence, options))).toEqual([]);
  });

  it('with a hardware id that begins like an OCTET STRING is accepted', async () => {
    const chipId = new Uint8Array(64).fill(9);
    chipId.set([0x04, 0x40]);
    const { evidence, options } = await forge({ leaf: { hardwareId: chipId }, report: { chipId } });
    expect(failedCodes(await explainEvidence(evidence, options))).toEqual([]);
  });

  it('with patch levels around 128 is accepted', async () => {
    const high = { bootloader: 127, tee: 128, snp: 129, microcode: 255 };
    const { evidence, options } = await forge({ report: { reportedTcb: high } });
    expect(failedCodes(await explainEvidence(evidence, options))).toEqual([]);
  });

  it('with bits that nobody knows is accepted, and says so', async () => {
    const { evidence, options } = await forge({
      report: { policy: 0x3001fn | (1n << 40n), platformInfo: 0x41n },
      beforeSigning: (report) => report.fill(5, 0x210, 0x211),
    });
    const result = await explainEvidence(evidence, options);
    expect(failedCodes(result)).toEqual([]);
    expect(result.warnings).toEqual([
      'reserved bytes 0x1f8 to 0x29f are not zero',
      'unknown guest policy bits 0x10000000000',
      'unknown platform info bits 0x40',
    ]);
  });

  it('without a quote proves less, and says so', async () => {
    const { evidence, options } = await forge({ quote: false });
    const { nonce: _, ...withoutNonce } = options;
    const result = await explainEvidence(evidence, withoutNonce);
    expect(result.ok).toBe(true);
    expect(result.checks.find((check) => check.name === 'quote')).toMatchObject({ ok: true, skipped: true });
    expect(result.pcrs).toBeUndefined();
  });
});

describe('what a verifier must not get wrong', () => {
  it.each(ROWS)('#%s %s', async (_number, _mistake, forgery, code, more) => {
    const { evidence, options } = await forge(forgery);
    const result = await explainEvidence(evidence, { ...options, ...more });
    expect(failedCodes(result)).toContain(code);
    expect(result.ok).toBe(false);
  });

  it('#2 claims are handed out only when a genuine report binds them', async () => {
    const unbound = await forge({ reportData: () => ones(64) });
    expect((await explainEvidence(unbound.evidence, unbound.options)).claims).toBeUndefined();
    const untrusted = await forge({ authority: { name: 'stranger' } });
    const result = await explainEvidence(untrusted.evidence, untrusted.options);
    expect(result.claims).toBeUndefined();
    expect(result.hclReport?.claims.keys).toHaveLength(1);
  });

  it('#10 an AK certificate of another key does not make that key the attestation key', async () => {
    const { evidence, options } = await forge({ quote: { key: strangersKey.privateKey } });
    const { evidence: other } = await forge();
    const akCertificate = other.certificates?.vcek as Uint8Array;
    const result = await explainEvidence({ ...evidence, akCertificate }, options);
    expect(failedCodes(result)).toEqual(['ERR_AK', 'ERR_QUOTE_SIGNATURE']);
  });

  it('#11 one machine’s evidence is not taken under another product’s root', async () => {
    const { evidence } = await forge();
    const { options } = await forge({ product: 'Genoa' });
    expect(failedCodes(await explainEvidence(evidence, options))).toContain('ERR_ARK_NOT_TRUSTED');
  });

  it('#11 AMD’s roots do not vouch for a simulated machine', async () => {
    const { evidence } = await forge();
    expect(failedCodes(await explainEvidence(evidence, { nonce: FORGED_NONCE }))).toEqual(['ERR_ARK_NOT_TRUSTED']);
  });

  it('#27 swapping quote and report of two guests is refused', async () => {
    const { evidence, options } = await forge(claims(() => [strangersJwk()]));
    const result = await explainEvidence({ ...evidence, quote: makeQuote() }, options);
    expect(failedCodes(result)).toEqual(['ERR_QUOTE_SIGNATURE']);
  });
});
