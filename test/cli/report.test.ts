import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixture, withFixtures } from '../fixtures.js';
import { cvmAttest, scratchFolder } from './cli.js';

const scratch = scratchFolder();
const path = (name: string): string => new URL(`../../../shared/fixtures/${name}`, import.meta.url).pathname;
const milan = path('amd-chains/ask_ark_milan.pem');
/** A report of a Milan machine with its certificates, to be verified for a program to read. */
const ofMilan = (report: string, vcek: string): string[] => [
  ...['report', '-f', path(report)],
  ...['-c', path(vcek), milan],
  '--json',
];

interface Verified {
  ok: boolean;
  product?: string;
  checks: { name: string; ok: boolean; code?: string; subject?: string }[];
  report: Record<string, unknown> & { raw: string };
  claims?: { keys: { kid: string }[] };
  certificates: Record<'ark' | 'ask' | 'vcek', { subject: string; notAfter: string }>;
}

const codes = ({ checks }: Verified): (string | undefined)[] => checks.filter(({ ok }) => !ok).map(({ code }) => code);

describe.skipIf(!withFixtures)('report --file, genuine', () => {
  it.each([
    ['azure-milan-v2/hcl-report.bin', ['azure-milan-v2/vcek.pem'], 'Milan', 2],
    ['azure-milan-v3/hcl-report.bin', ['azure-milan-v3/vcek.der', 'amd-chains/ask_ark_milan.pem'], 'Milan', 3],
    ['azure-milan-v3/snp-report.bin', ['azure-milan-v3/vcek.der', 'amd-chains/ask_ark_milan.pem'], 'Milan', 3],
    [
      'snp-milan-v3/milan_attestation_report.bin',
      ['snp-milan-v3/milan_vcek.pem', 'amd-chains/ask_ark_milan.pem'],
      'Milan',
      3,
    ],
    [
      'snp-genoa-v3/genoa_attestation_report.bin',
      ['snp-genoa-v3/genoa_vcek.pem', 'amd-chains/ask_ark_genoa.pem'],
      'Genoa',
      3,
    ],
    [
      'snp-turin-v5/turin_attestation_report.bin',
      ['snp-turin-v5/turin_vcek.pem', 'amd-chains/ask_ark_turin_vcek.pem'],
      'Turin',
      5,
    ],
  ])('%s verifies', async (file, certificates, product, version) => {
    const args = ['report', '--file', path(file), '--certs', ...certificates.map(path)];
    const machine = await cvmAttest([...args, '--json']);
    expect(machine.status).toBe(0);
    const result = JSON.parse(machine.stdout) as Verified;
    expect(result).toMatchObject({ ok: true, product, report: { version } });
    expect(result).not.toHaveProperty('caution');
    expect(result.checks.every(({ ok }) => ok)).toBe(true);
    expect(result.report.raw).toMatch(/^[0-9a-f]{2368}$/);
    expect(result.certificates.ark).toMatchObject({
      subject: `ARK-${product}`,
      notAfter: expect.stringMatching(/^20\d\d-.*Z$/),
    });

    const human = await cvmAttest(args);
    expect(human.status).toBe(0);
    expect(human.stdout).toContain(`SEV-SNP report, version ${version}`);
    expect(human.stdout).toMatch(/✓ report verified: \d+ of \d+ checks passed\n$/);
    expect(human.stdout).not.toContain('✗');
  });

  it('-p prints every field, and says no less than without', async () => {
    const args = ['report', '-f', path('azure-milan-v3/hcl-report.bin'), '-c', path('azure-milan-v3/vcek.der'), milan];
    const [brief, full] = await Promise.all([cvmAttest(args), cvmAttest([...args, '-p'])]);
    for (const name of ['author key digest', 'host data', 'signature R', 'at launch', 'alias check (BadRAM)']) {
      expect(full.stdout).toContain(name);
      expect(brief.stdout).not.toContain(name);
    }
    expect(full.stdout.split('\n').length).toBeGreaterThan(brief.stdout.split('\n').length + 30);
  });

  it('takes certificates from a folder, a bundle in any order, and stdin for the report', async () => {
    const folder = scratch('certificates');
    mkdirSync(folder);
    writeFileSync(`${folder}/vcek.der`, fixture('azure-milan-v3/vcek.der'));
    writeFileSync(`${folder}/chain.pem`, readFileSync(milan));
    writeFileSync(`${folder}/README.txt`, 'not a certificate');
    const report = fixture('azure-milan-v3/hcl-report.bin');
    const fromFolder = await cvmAttest(['report', '--file', '-', '--certs', folder], { input: report });
    expect(fromFolder.status).toBe(0);
    const pem = readFileSync(path('azure-milan-v2/vcek.pem'), 'utf8').match(
      /-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g,
    );
    const bundle = scratch('reversed.pem');
    writeFileSync(bundle, [...(pem ?? [])].reverse().join(''));
    const fromBundle = await cvmAttest(['report', '-f', path('azure-milan-v2/hcl-report.bin'), '-c', bundle]);
    expect(fromBundle.status).toBe(0);
  });

  it('refuses another chip’s certificate with exit code 1 and both codes', async () => {
    const folder = 'hcl-mismatched-vcek';
    const args = ['report', '--file', path(`${folder}/hcl-report.bin`), '--certs', path(`${folder}/certs.pem`)];
    const machine = await cvmAttest([...args, '--json']);
    expect(machine.status).toBe(1);
    expect(codes(JSON.parse(machine.stdout) as Verified)).toEqual(['ERR_HWID_MISMATCH', 'ERR_SNP_SIGNATURE']);
    const human = await cvmAttest(args);
    expect(human.status).toBe(1);
    expect(human.stdout).toMatch(/✗ hardware id {2}ERR_HWID_MISMATCH\n\s+expected [0-9a-f]+/);
    expect(human.stdout).toMatch(/✗ report refused: \d+ of \d+ checks passed; failed: .*ERR_.*\n$/);
  });

  it('refuses a report whose policy allows debugging, unless a policy accepts that', async () => {
    const args = ofMilan('snp-milan-v2-debug/report.bin', 'snp-milan-v2-debug/vcek.der');
    const refused = await cvmAttest(args);
    expect(refused.status).toBe(1);
    expect(codes(JSON.parse(refused.stdout) as Verified)).toContain('ERR_POLICY');
    const policy = scratch('debug.json');
    writeFileSync(policy, '{ "allowDebug": true }');
    const accepted = JSON.parse((await cvmAttest([...args, '--policy', policy])).stdout) as Verified;
    expect(accepted.checks.find(({ name }) => name === 'debugging')).toMatchObject({ ok: true });
    writeFileSync(policy, '{ "allowDebgu": true }');
    const mistyped = await cvmAttest([...args, '--policy', policy]);
    expect(mistyped.status).toBe(3);
    expect(JSON.parse(mistyped.stdout)).toMatchObject({
      ok: false,
      error: { code: 8, message: expect.stringContaining('allowDebgu') },
    });
  });

  it('verifies as of the time that it is told', async () => {
    const args = ofMilan('azure-milan-v3/hcl-report.bin', 'azure-milan-v3/vcek.der');
    const late = await cvmAttest([...args, '--now', '2040-01-01T00:00:00Z']);
    expect(late.status).toBe(1);
    expect(codes(JSON.parse(late.stdout) as Verified)).toEqual(['ERR_CERTIFICATE_EXPIRED']);
  });

  it('trusts other roots instead of AMD’s when told so', async () => {
    const args = ofMilan('azure-milan-v3/hcl-report.bin', 'azure-milan-v3/vcek.der');
    const genoa = readFileSync(path('amd-chains/ask_ark_genoa.pem'), 'utf8');
    const root = scratch('ark-genoa.pem');
    writeFileSync(root, genoa.slice(genoa.lastIndexOf('-----BEGIN')));
    const { status, stdout } = await cvmAttest([...args, '--trusted-root', root]);
    expect(status).toBe(1);
    expect(codes(JSON.parse(stdout) as Verified)).toEqual(['ERR_ARK_NOT_TRUSTED']);
  });

  it('shows a report without certificates, marked as not verified', async () => {
    const args = ['report', '--file', path('azure-milan-v3/hcl-report.bin')];
    const human = await cvmAttest(args);
    expect(human.status).toBe(0);
    expect(human.stdout).toContain('! not verified');
    expect(human.stdout).not.toContain('✓');
    const machine = JSON.parse((await cvmAttest([...args, '--json'])).stdout) as Verified & { verified: boolean };
    expect(machine).toMatchObject({
      verified: false,
      hclReport: { bound: true, reportType: 'snp' },
      report: { version: 3 },
    });
    expect(machine.claims?.keys.map(({ kid }) => kid)).toContain('HCLAkPub');
    expect((await cvmAttest([...args, '--html', scratch('unverified.html')])).status).toBe(2);
  });

  it('shows a TDX report as what it is and verifies nothing of it', async () => {
    const args = ['report', '--file', path('azure-tdx/hcl-report.bin')];
    const shown = await cvmAttest(args);
    expect(shown.status).toBe(0);
    expect(shown.stdout).toContain('Intel TDX');
    const refused = await cvmAttest([...args, '--certs', path('azure-milan-v3/vcek.der'), milan, '--json']);
    expect(refused.status).toBe(1);
    expect(codes(JSON.parse(refused.stdout) as Verified)).toContain('ERR_TD_QUOTE');
  });

  it('recognizes a TDREPORT and a TD quote, which are never ok without collateral', async () => {
    const report = await cvmAttest(['report', '--file', path('azure-tdx/tdreport.bin'), '--json']);
    expect(JSON.parse(report.stdout)).toMatchObject({ ok: false, verified: false, tdReport: { type: 0x81 } });
    const quote = await cvmAttest(['report', '--file', path('tdx/azure-emr-v4-2026/td-quote.bin'), '--json']);
    expect(quote.status).toBe(0);
    expect(JSON.parse(quote.stdout)).toMatchObject({ ok: false, verified: false, tdQuote: { version: 4 } });
  });

  it('verifies a genuine TD quote of Azure up to Intel’s root, with the collateral of then', async () => {
    const folder = 'tdx/azure-emr-v4-2026';
    const { now, collateral } = JSON.parse(fixture(`${folder}/case.json`).toString('utf8'));
    const args = ['report', '--file', path(`${folder}/td-quote.bin`), '--collateral', path(`${folder}/${collateral}`)];
    const good = await cvmAttest([...args, '--now', now]);
    expect(good.stdout).toMatch(/✓ report verified/);
    expect(good.stdout).toContain('UpToDate');
    const late = await cvmAttest([...args, '--now', '2027-01-01T00:00:00Z', '--json']);
    expect(late.status).toBe(1);
    expect(codes(JSON.parse(late.stdout) as Verified)).toContain('ERR_COLLATERAL_EXPIRED');
  });

  it('a flipped bit of the runtime data is told even without certificates', async () => {
    const bytes = fixture('azure-milan-v3/hcl-report.bin');
    bytes[1500] = (bytes[1500] as number) ^ 1;
    const { status, stdout } = await cvmAttest(['report', '--file', '-'], { input: bytes });
    expect(status).toBe(1);
    expect(stdout).toContain('ERR_REPORT_DATA_MISMATCH');
  });

  it.each([0, 1, 3, 4, 31, 32, 1183, 1215, 1216, 1235, 1236, 2000])(
    'the first %i bytes of a report are refused',
    async (length) => {
      const { status, stdout, stderr } = await cvmAttest(['report', '--file', '-', '--json'], {
        input: fixture('azure-milan-v3/hcl-report.bin').subarray(0, length),
      });
      expect(status).toBe(3);
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: length === 0 ? 21 : 20 } });
      expect(stderr).not.toMatch(/^\s+at /m);
    },
  );

  it('names a certificate file that is none, and a set without a leaf', async () => {
    const report = path('azure-milan-v3/hcl-report.bin');
    const garbage = scratch('garbage.pem');
    writeFileSync(garbage, 'certificate');
    const notOne = await cvmAttest(['report', '-f', report, '-c', garbage]);
    expect(notOne).toMatchObject({ status: 3, stderr: expect.stringContaining('ERR_CERTIFICATE_FORMAT') });
    const noLeaf = await cvmAttest(['report', '-f', report, '-c', milan]);
    expect(noLeaf).toMatchObject({ status: 3, stderr: expect.stringContaining('ERR_CERTIFICATE_MISSING') });
    const two = await cvmAttest([
      'report',
      '-f',
      report,
      '-c',
      path('azure-milan-v3/vcek.der'),
      path('azure-milan-v2/vcek.pem'),
    ]);
    expect(two).toMatchObject({ status: 2, stderr: expect.stringContaining('2 different') });
  });
});

describe('verify, hostile files', () => {
  it.each([
    ['nothing', ''],
    ['no JSON', '{"version":1,'],
    ['another version', '{"version":2,"hclReport":"SENMQQ"}'],
    ['an unknown member', '{"version":1,"hclReport":"SENMQQ","extra":1}'],
    ['a member twice', '{"version":1,"version":1,"hclReport":"SENMQQ"}'],
    ['deep nesting', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['a prototype', '{"version":1,"hclReport":"SENMQQ","__proto__":{"ok":true}}'],
  ])('%s is refused with its code', async (_, text) => {
    const { status, stdout } = await cvmAttest(['verify', '-', '--json'], { input: text });
    expect(status).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: expect.any(Number) } });
  });

  it('evidence that holds no report is refused by its checks', async () => {
    const { status, stdout } = await cvmAttest(['verify', '-', '--json'], {
      input: '{"version":1,"hclReport":"SENMQQ"}',
    });
    expect(status).toBe(1);
    expect(codes(JSON.parse(stdout) as Verified)).toContain('ERR_HCL_REPORT');
  });
});

describe.skipIf(!withFixtures)('token, a genuine one', () => {
  const token = path('maa-tokens/azurevm-cvm-2023.jwt');

  it('is shown, marked as not verified', async () => {
    const { status, stdout } = await cvmAttest(['token', token]);
    expect(status).toBe(0);
    expect(stdout).toContain('azure-compliant-cvm');
    expect(stdout).toContain('! not verified');
  });

  it('is refused: its keys are not these', async () => {
    const keys = scratch('keys.json');
    writeFileSync(keys, '{ "keys": [] }');
    const { claims } = JSON.parse((await cvmAttest(['token', token, '--json'])).stdout) as { claims: { iss: string } };
    const { status, stdout } = await cvmAttest(['token', token, '--issuer', claims.iss, '--keys', keys, '--json']);
    expect(status).toBe(1);
    const { ok, verified, checks } = JSON.parse(stdout);
    expect([ok, verified]).toEqual([false, false]);
    expect(checks).toContainEqual(expect.objectContaining({ ok: false, code: 'ERR_TOKEN_KEY_UNKNOWN' }));
  });
});
