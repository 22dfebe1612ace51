import { createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FaultName, imdsPaths, pcsPaths, SimulatedCvm } from '../../lib/simulator/index.js';
import { AzureHandle } from '../../lib/simulator/tpm/constants.js';
import { nvRead } from '../../lib/simulator/tpm/nv.js';

const p1363 = (key: KeyObject) => ({ key, dsaEncoding: 'ieee-p1363' as const });
const sha384 = (bytes: Uint8Array): Buffer => createHash('sha384').update(bytes).digest();

async function tdReport(cvm: SimulatedCvm): Promise<Buffer> {
  return (await nvRead(cvm.tpm.transport, AzureHandle.hclReport)).subarray(32, 32 + 1024);
}

async function askForQuote(cvm: SimulatedCvm, report: string, headers: Record<string, string> = { metadata: 'true' }) {
  const response = await fetch(`${cvm.imdsUrl}${imdsPaths.tdQuote}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ report }),
  });
  const body = (await response.json()) as { quote?: string; error?: string };
  return { status: response.status, quote: Buffer.from(body.quote ?? '', 'base64url') };
}

const quoteOf = async (cvm: SimulatedCvm): Promise<Buffer> =>
  (await askForQuote(cvm, (await tdReport(cvm)).toString('base64url'))).quote;

/** The parts of a quote, each check of a signature made with node:crypto alone (tdx.md 1.2). */
function readQuote(quote: Buffer) {
  const version = quote.readUInt16LE(0);
  const bodyStart = version === 4 ? 48 : 54;
  const bodyEnd = bodyStart + (version === 4 ? 584 : quote.readUInt32LE(50));
  const signature = quote.subarray(bodyEnd + 4, bodyEnd + 4 + quote.readUInt32LE(bodyEnd));
  const [x, y] = [signature.subarray(64, 96), signature.subarray(96, 128)].map((part) => part.toString('base64url'));
  const attestationKey = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y } as never, format: 'jwk' });
  const certification = signature.subarray(134, 134 + signature.readUInt32LE(130));
  const authenticationSize = certification.readUInt16LE(448);
  const authentication = certification.subarray(450, 450 + authenticationSize);
  const chainAt = 450 + authenticationSize;
  const chain = certification
    .subarray(chainAt + 6)
    .toString('latin1')
    .replace('\0', '');
  const certificates = (chain.match(/-----BEGIN.*?END CERTIFICATE-----/gs) ?? []).map(
    (pem) => new X509Certificate(pem),
  );
  const [leaf, issuer, root] = certificates as [X509Certificate, X509Certificate, X509Certificate];
  const qeReport = certification.subarray(0, 384);
  const binding = createHash('sha256').update(signature.subarray(64, 128)).update(authentication).digest();
  return {
    version,
    body: quote.subarray(bodyStart, bodyEnd),
    root,
    leaf,
    genuine: {
      types: signature.readUInt16LE(128) === 6 && certification.readUInt16LE(chainAt) === 5,
      quote: verify('sha256', quote.subarray(0, bodyEnd), p1363(attestationKey), signature.subarray(0, 64)),
      qeReport: verify('sha256', qeReport, p1363(leaf.publicKey), certification.subarray(384, 448)),
      binding: qeReport.subarray(320, 352).equals(binding) && qeReport.subarray(352).every((byte) => byte === 0),
      chain: leaf.verify(issuer.publicKey) && issuer.verify(root.publicKey) && root.verify(root.publicKey),
    },
  };
}

const allGenuine = { types: true, quote: true, qeReport: true, binding: true, chain: true };

describe('a simulated TDX machine', () => {
  let cvm: SimulatedCvm;
  beforeAll(async () => {
    cvm = await SimulatedCvm.start({ vmType: 'tdx' });
  });
  afterAll(() => cvm?.stop());

  it('has a TDREPORT with both of its hashes in the HCL report, bound to the runtime data', async () => {
    const hcl = await nvRead(cvm.tpm.transport, AzureHandle.hclReport);
    const report = hcl.subarray(32, 32 + 1024);
    expect(hcl.readUInt32LE(1224)).toBe(4);
    expect(report.subarray(0x20, 0x50)).toEqual(sha384(report.subarray(0x100, 0x1ef)));
    expect(report.subarray(0x50, 0x80)).toEqual(sha384(report.subarray(0x200, 0x400)));
    const claims = hcl.subarray(1236, 1236 + hcl.readUInt32LE(1232));
    expect(report.subarray(0x80, 0xa0)).toEqual(createHash('sha256').update(claims).digest());
    expect(report.subarray(0x208, 0x210).toString('hex')).toBe('e718060000000000');
    expect(report.subarray(0x240, 0x2d0 + 4 * 48).every((byte) => byte === 0)).toBe(true);
  });

  it.each(['base64url', 'base64'] as const)('quotes its TDREPORT when the guest sends it in %s', async (encoding) => {
    const report = await tdReport(cvm);
    const { status, quote } = await askForQuote(cvm, report.toString(encoding));
    expect([status, quote.length]).toEqual([200, 5006]);
    const { version, body, genuine, root } = readQuote(quote);
    expect(version).toBe(4);
    expect(genuine).toEqual(allGenuine);
    expect(root.fingerprint256).toBe(new X509Certificate(cvm.trustedRoots[0] as string).fingerprint256);
    expect(body.subarray(520)).toEqual(report.subarray(0x80, 0xc0));
    expect(body.subarray(136, 184)).toEqual(report.subarray(0x210, 0x240));
    expect(cvm.verification.policy).toEqual({ tdx: { mrtd: [body.subarray(136, 184).toString('hex')] } });
  });

  it('refuses to quote what it did not make', async () => {
    const report = await tdReport(cvm);
    const status = async (bytes: Buffer): Promise<number> =>
      (await askForQuote(cvm, bytes.toString('base64url'))).status;
    expect(await status(report.subarray(1))).toBe(400);
    expect(await status(Buffer.alloc(1024))).toBe(400);
    for (const offset of [0, 0x20, 0x80, 0xe0, 0x210, 0x3ff]) {
      const changed = Buffer.from(report);
      changed[offset] = (changed[offset] ?? 0) ^ 1;
      expect(await status(changed), String(offset)).toBe(400);
    }
    await using other = await SimulatedCvm.start({ vmType: 'tdx' });
    expect(await status(await tdReport(other))).toBe(400);
    expect((await askForQuote(cvm, report.toString('base64url'), {})).status).toBe(400);
    await using snp = await SimulatedCvm.start();
    expect((await askForQuote(snp, report.toString('base64url'))).status).toBe(404);
    expect(snp.tdxCollateral).toBeUndefined();
  });

  it.each([
    [2, 584],
    [3, 648],
  ] as const)('makes quotes of version 5 with body type %i of %i bytes', async (quoteBodyType, size) => {
    await using machine = await SimulatedCvm.start({ vmType: 'tdx', tdx: { quoteVersion: 5, quoteBodyType } });
    const quote = await quoteOf(machine);
    const { version, body, genuine } = readQuote(quote);
    expect([version, quote.readUInt16LE(48), body.length]).toEqual([5, quoteBodyType, size]);
    expect(genuine).toEqual(allGenuine);
  });

  it('has collateral that its TCB signing key signed', () => {
    const collateral = cvm.tdxCollateral;
    if (!collateral) throw new Error('no collateral');
    const [signer, root] = collateral.tcbInfoIssuerChain
      .split(/(?<=END CERTIFICATE-----\n)/)
      .map((pem) => new X509Certificate(pem)) as [X509Certificate, X509Certificate];
    expect(signer.verify(root.publicKey)).toBe(true);
    const isSigned = (text: string, signature: Uint8Array): boolean =>
      verify('sha256', Buffer.from(text), p1363(signer.publicKey), signature);
    expect(isSigned(collateral.tcbInfo, collateral.tcbInfoSignature)).toBe(true);
    expect(isSigned(collateral.qeIdentity, collateral.qeIdentitySignature)).toBe(true);
    expect(cvm.verification.collateral).toBe(collateral);
  });

  it('can have certificates by the name of Intel, for verifiers that insist on it', async () => {
    const organization = 'Intel Corporation';
    await using machine = await SimulatedCvm.start({ vmType: 'tdx', organization });
    const { leaf, root } = readQuote(await quoteOf(machine));
    expect(leaf.subject).toContain('O=Intel Corporation');
    expect(root.subject).toBe('CN=Intel SGX Root CA\nO=Intel Corporation\nL=Santa Clara\nST=CA\nC=US');
    expect(new X509Certificate(cvm.trustedRoots[0] as string).subject).toContain('O=Simulated Intel');
  });
});

describe('the simulated provisioning certification service', () => {
  it('serves the collateral of its machine with the issuer chains in headers', async () => {
    await using cvm = await SimulatedCvm.start({ vmType: 'tdx' });
    const collateral = cvm.tdxCollateral;
    const get = async (path: string): Promise<Response> => fetch(`${cvm.pcsUrl}${path}`);
    const info = await get(`${pcsPaths.tcbInfo}?fmspc=90c06f000000`);
    expect(await info.text()).toContain(`{"tcbInfo":${collateral?.tcbInfo},"signature":"`);
    expect(decodeURIComponent(info.headers.get('tcb-info-issuer-chain') ?? '')).toBe(collateral?.tcbInfoIssuerChain);
    const identity = await get(pcsPaths.qeIdentity);
    expect(await identity.text()).toContain(`{"enclaveIdentity":${collateral?.qeIdentity},"signature":"`);
    const crl = await get(`${pcsPaths.pckCrl}?ca=platform&encoding=der`);
    expect(Buffer.from(await crl.arrayBuffer())).toEqual(Buffer.from(collateral?.pckCrl ?? []));
    expect((await (await get(pcsPaths.rootCaCrl)).text()).length).toBe(2 * (collateral?.rootCaCrl.length ?? 0));
    const statuses = await Promise.all(
      [
        `${pcsPaths.tcbInfo}?fmspc=50806F000000`,
        `${pcsPaths.tcbInfo}?fmspc=x`,
        `${pcsPaths.qeIdentity}?tcbEvaluationDataNumber=17`,
        `${pcsPaths.qeIdentity}?tcbEvaluationDataNumber=18`,
        `${pcsPaths.qeIdentity}?tcbEvaluationDataNumber=19`,
        `${pcsPaths.qeIdentity}?update=early&tcbEvaluationDataNumber=18`,
        `${pcsPaths.pckCrl}?ca=processor`,
        '/elsewhere',
      ].map(async (path) => (await get(path)).status),
    );
    expect(statuses).toEqual([404, 400, 410, 200, 404, 400, 404, 404]);
  });
});

describe('the named faults of a TDX machine', () => {
  it.each<[FaultName, (quote: Buffer, cvm: SimulatedCvm) => unknown, unknown]>([
    ['td-quote-missing', (quote) => quote.length, 0],
    ['td-quote-empty', (quote) => quote.length, 0],
    ['td-quote-tampered', (quote) => readQuote(quote).genuine, { ...allGenuine, quote: false }],
    ['td-quote-of-another-report', (quote) => readQuote(quote).body.subarray(520).equals(Buffer.alloc(64, 0x5a)), true],
    ['td-debug', (quote) => readQuote(quote).body.subarray(120, 128).toString('hex'), '0100001000000000'],
    ['qe-identity-wrong', (quote) => readQuote(quote).genuine, allGenuine],
    ['td-relaunch-advised', (quote) => readQuote(quote).body[0], 6],
    ['tcb-not-supported', (quote) => readQuote(quote).genuine, allGenuine],
    [
      'tcb-out-of-date',
      (_quote, cvm) => cvm.tdxCollateral?.tcbInfo.includes('"tcbStatus":"OutOfDate","advisoryIDs"'),
      true,
    ],
    ['tcb-status-revoked', (_quote, cvm) => cvm.tdxCollateral?.tcbInfo.includes('"tcbStatus":"Revoked"'), true],
    ['collateral-of-another-fmspc', (_quote, cvm) => cvm.tdxCollateral?.tcbInfo.includes('50806F000000'), true],
    ['collateral-expired', (_quote, cvm) => nextUpdate(cvm) < new Date(), true],
    ['imds-tdquote-503', (quote) => quote.length, 0],
  ])('%s is what it says', async (fault, look, expected) => {
    await using cvm = await SimulatedCvm.start({ faults: [fault] });
    expect(cvm.vmType).toBe('tdx');
    const response = await askForQuote(cvm, (await tdReport(cvm)).toString('base64url')).catch(() => undefined);
    expect(look(response?.quote ?? Buffer.alloc(0), cvm)).toEqual(expected);
  });

  it.each(['pck-certificate-revoked', 'tcb-signing-certificate-revoked'] as const)(
    '%s lists a certificate',
    async (fault) => {
      await using cvm = await SimulatedCvm.start({ faults: [fault] });
      await using ordinary = await SimulatedCvm.start({ vmType: 'tdx' });
      const sizes = ({ tdxCollateral }: SimulatedCvm) => [
        tdxCollateral?.pckCrl.length,
        tdxCollateral?.rootCaCrl.length,
      ];
      expect(sizes(cvm)).not.toEqual(sizes(ordinary));
    },
  );
});

const nextUpdate = ({ tdxCollateral }: SimulatedCvm): Date =>
  new Date((JSON.parse(tdxCollateral?.tcbInfo ?? '{}') as { nextUpdate: string }).nextUpdate);
