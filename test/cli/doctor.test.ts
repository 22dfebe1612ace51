import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { examineDevice } from '../../lib/cli/doctor/device.js';
import type { DoctorEnvironment } from '../../lib/cli/doctor/environment.js';
import type { Finding } from '../../lib/cli/doctor/finding.js';
import { examineMachine, isSupportedNode } from '../../lib/cli/doctor/machine.js';
import { examineServices } from '../../lib/cli/doctor/services.js';
import { type FaultName, SimulatedCvm } from '../../lib/simulator/index.js';
import { cvmAttest, scratchFolder, variablesOf } from './cli.js';

const scratch = scratchFolder();

interface Diagnosis {
  ok: boolean;
  problems: number;
  warnings: number;
  findings: Finding[];
}

async function diagnose(
  args: string[],
  env: Record<string, string> = {},
  uid?: number,
): Promise<Diagnosis & { status: number | null }> {
  const { status, stdout, stderr } = await cvmAttest(['doctor', '--json', ...args], {
    env,
    ...(uid === undefined ? {} : { uid }),
  });
  expect(stderr).not.toMatch(/error/);
  return { status, ...(JSON.parse(stdout) as Diagnosis) };
}

const noServices = ['--imds-url', 'http://127.0.0.1:9'];
const byId = ({ findings }: { findings: Finding[] }, id: string): Finding | undefined =>
  findings.find((finding) => finding.id === id);

/** Whether the tests may become another user, and that user may read this checkout. */
const NOBODY = 65534;
const otherUser =
  process.getuid?.() === 0 && (await cvmAttest(['--version'], { uid: NOBODY }).catch(() => undefined))?.status === 0;

describe('the versions of Node that the doctor takes', () => {
  it.each([
    ['18.20.0', false],
    ['20.18.9', false],
    ['20.19.0', true],
    ['21.7.3', false],
    ['22.11.0', false],
    ['22.12.0', true],
    ['24.0.0', true],
    ['26.1.0', true],
  ])('are those of engines in package.json: %s is %s', (version, supported) => {
    expect(isSupportedNode(version)).toBe(supported);
    const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(engines.node).toBe('^20.19.0 || >=22.12.0');
  });
});

/** What to do begins with what to do. */
const ACTION =
  /^(Allocate|Allow|Assign|Check|Create|Find|Give|Install|Let|Mend|Redeploy|Repeat|Restart|Run|Set|Start|Switch|Use) /;

describe('doctor without a TPM', () => {
  it('says so, what it means and what to do, and exits with 1', async () => {
    const result = await diagnose(['--tcti', 'device:/nonexistent/tpmrm0', ...noServices]);
    expect(result).toMatchObject({ status: 1, ok: false });
    expect(result.problems).toBe(result.findings.filter(({ status }) => status === 'problem').length);
    expect(byId(result, 'tpm-device')).toMatchObject({
      status: 'problem',
      found: expect.stringContaining('/nonexistent/tpmrm0'),
    });
    expect(byId(result, 'ak')).toMatchObject({ status: 'skipped' });
    expect(byId(result, 'imds')).toMatchObject({
      status: 'problem',
      action: expect.stringContaining('169.254.169.254'),
    });
    for (const { status, meaning, action } of result.findings) {
      if (status !== 'problem' && status !== 'warning') continue;
      expect(meaning).toMatch(/\.$/);
      expect(action).toMatch(ACTION);
      expect(action).toBeTruthy();
    }
  });

  it('is printed for people when --json is not given', async () => {
    const { stdout } = await cvmAttest(['doctor', '--tcti', 'device:/nonexistent', ...noServices]);
    expect(stdout).toMatch(/✗ TPM device +there is no \/nonexistent/);
    expect(stdout).toMatch(/→ /);
    expect(stdout).toMatch(/✗ \d problems, \d warnings?\n$/);
  });

  it.skipIf(!otherUser)('names the group of a device that may not be opened', async () => {
    const device = scratch('tpmrm0');
    writeFileSync(device, '');
    chmodSync(device, 0o600);
    chmodSync(scratch('.'), 0o755);
    const root = byId(await diagnose(['--tcti', `device:${device}`, ...noServices], {}, NOBODY), 'tpm-device');
    expect(root).toMatchObject({
      status: 'problem',
      meaning: 'Only root may open it.',
      action: expect.stringContaining('tpm-udev'),
    });
  });

  it.skipIf(!otherUser)('tells which group to join', async () => {
    const device = scratch('tpmrm1');
    writeFileSync(device, '');
    chownSync(device, 0, 1); // daemon, on Debian
    chmodSync(device, 0o660);
    chmodSync(scratch('.'), 0o755);
    const grouped = byId(await diagnose(['--tcti', `device:${device}`, ...noServices], {}, NOBODY), 'tpm-device');
    expect(grouped).toMatchObject({ status: 'problem', action: expect.stringMatching(/usermod -aG \w+ \w+/) });
  });

  it('does not take a file for a TPM', async () => {
    const device = scratch('tpmrm2');
    writeFileSync(device, '');
    const result = await diagnose(['--tcti', `device:${device}`, ...noServices]);
    expect(result.status).toBe(1);
    expect(byId(result, 'tpm')).toMatchObject({ status: 'problem' });
  });

  it('knows a socket that nobody listens on', async () => {
    const result = await diagnose(['--tcti', 'swtpm:path=/nonexistent/socket', ...noServices]);
    expect(byId(result, 'tpm-device')).toMatchObject({ status: 'problem', found: expect.stringContaining('ENOENT') });
  });
});

describe('doctor on a simulated guest', () => {
  async function examine(faults: FaultName[]): Promise<Diagnosis & { status: number | null }> {
    await using cvm = await SimulatedCvm.start({ faults });
    return await diagnose([], await variablesOf(cvm));
  }

  it('finds nothing wrong with a good one', async () => {
    const result = await examine([]);
    expect(result).toMatchObject({ status: 0, ok: true, problems: 0 });
    for (const id of [
      'tpm',
      'pcr-banks',
      'hcl-report-index',
      'ak',
      'ak-certificate',
      'thim',
      'event-log',
      'evidence',
      'attest',
    ]) {
      expect(byId(result, id), id).toMatchObject({ status: 'ok' });
    }
  });

  it.each<[FaultName, string, Finding['status'], RegExp]>([
    ['hcl-report-missing', 'hcl-report-index', 'problem', /not defined/],
    ['hcl-report-unwritten', 'hcl-report-index', 'problem', /never written/],
    ['hcl-report-unbound', 'vm-type', 'problem', /bind/],
    ['ak-certificate-missing', 'ak-certificate-index', 'problem', /not defined/],
    ['ak-certificate-unwritten', 'ak-certificate-index', 'problem', /never written/],
    ['ak-certificate-garbage', 'ak-certificate-index', 'problem', /no certificate/],
    ['ak-certificate-expired', 'ak-certificate', 'problem', /expired 10 days ago/],
    ['ak-certificate-expiring', 'ak-certificate', 'warning', /(29|30) days from now/],
    ['secure-boot-off', 'secure-boot-claim', 'warning', /off/],
    ['debug-policy', 'evidence', 'problem', /ERR_POLICY/],
    ['stranger-chip', 'evidence', 'problem', /ERR_HWID_MISMATCH/],
    ['outdated-vcek', 'evidence', 'problem', /ERR_TCB_MISMATCH/],
    ['expired-vcek', 'evidence', 'problem', /ERR_CERTIFICATE_EXPIRED/],
    ['event-log-missing', 'event-log', 'warning', /missing/],
    ['event-log-tampered', 'evidence', 'problem', /ERR_EVENT_LOG/],
    ['thim-not-found', 'thim', 'problem', /404/],
    ['thim-empty', 'thim', 'problem', /no certificates/],
    ['thim-without-certificate', 'thim', 'problem', /no certificates/],
    ['service-refuses', 'attest', 'problem', /the policy of this provider denies the guest/],
    ['service-down', 'attest', 'problem', /4 HTTP_REQUEST_EXCEEDED_RETRIES/],
    ['service-not-json', 'attest', 'problem', /28 PARSING_ATTESTATION_RESPONSE/],
    ['tpm-decrypt-fails', 'attest', 'problem', /15 JWT_DECRYPTION_TPM_ERROR/],
  ])('with the fault %s: %s is a %s', async (fault, id, status, found) => {
    const result = await examine([fault]);
    expect(byId(result, id)).toMatchObject({ status, found: expect.stringMatching(found) });
    expect(result.status).toBe(status === 'problem' ? 1 : 0);
  });

  it('knows a trusted launch VM and a TDX guest', async () => {
    await using trusted = await SimulatedCvm.start({ vmType: 'tvm' });
    expect(byId(await diagnose([], await variablesOf(trusted)), 'hcl-report-index')).toMatchObject({
      status: 'problem',
      action: expect.stringContaining('DCas_v5'),
    });
    await using tdx = await SimulatedCvm.start({ vmType: 'tdx' });
    const diagnosis = await diagnose([], await variablesOf(tdx));
    expect(byId(diagnosis, 'vm-type')).toMatchObject({ status: 'ok', found: 'Intel TDX' });
    expect(byId(diagnosis, 'thim')).toMatchObject({ status: 'skipped' });
  });

  it('does not wait for ever for a service that says nothing', async () => {
    await using cvm = await SimulatedCvm.start({ faults: ['thim-hangs', 'service-hangs'] });
    const result = await diagnose([], await variablesOf(cvm));
    expect(result.status).toBe(1);
    expect(byId(result, 'thim')).toMatchObject({ status: 'problem' });
    expect(byId(result, 'attest')).toMatchObject({ status: 'problem' });
  });
});

describe('what the doctor reads of a machine', () => {
  const machine = (name: string): DoctorEnvironment => {
    const root = scratch(name);
    for (const folder of ['dev', 'etc', 'sys/class/dmi/id', 'sys/firmware/efi/efivars'])
      mkdirSync(`${root}/${folder}`, { recursive: true });
    return {
      tcti: `device:${root}/dev/tpmrm0`,
      imdsUrl: 'http://127.0.0.1:9',
      root,
      signal: new AbortController().signal,
    };
  };
  const secureBoot = 'sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';

  it('Azure, and secure boot of the firmware', async () => {
    const environment = machine('azure');
    writeFileSync(`${environment.root}/sys/class/dmi/id/chassis_asset_tag`, '7783-7084-3265-9085-8269-3286-77\n');
    writeFileSync(`${environment.root}/${secureBoot}`, Buffer.from([6, 0, 0, 0, 1]));
    const findings = await examineMachine(environment);
    expect(byId({ findings }, 'vm')).toMatchObject({ status: 'ok', found: 'on Azure' });
    expect(byId({ findings }, 'secure-boot')).toMatchObject({ status: 'ok', found: 'on' });
    writeFileSync(`${environment.root}/${secureBoot}`, Buffer.from([6, 0, 0, 0, 0]));
    expect(byId({ findings: await examineMachine(environment) }, 'secure-boot')).toMatchObject({
      status: 'warning',
      found: 'off',
    });
  });

  it('a TPM under another name, and one without a resource manager', async () => {
    const environment = machine('old-kernel');
    writeFileSync(`${environment.root}/dev/tpm0`, '');
    expect((await examineDevice(environment))[0]).toMatchObject({
      status: 'problem',
      action: expect.stringContaining('/dev/tpm0'),
    });
    const direct = await examineDevice({ ...environment, tcti: `device:${environment.root}/dev/tpm0` });
    expect(direct.map(({ status }) => status)).toEqual(['ok', 'warning']);
  });

  it.each([
    ['Standard_D4s_v5', 'TrustedLaunch', 'problem'],
    ['Standard_DC4as_v5', 'ConfidentialVM', 'ok'],
    ['Standard_EC8ads_v5', undefined, 'ok'],
  ])('VM size %s with security type %s is %s', async (vmSize, securityType, status) => {
    const server = createServer((request, response) => {
      expect(request.headers.metadata).toBe('true');
      response.setHeader('date', new Date(Date.now() - 600_000).toUTCString());
      response.end(JSON.stringify({ vmSize, securityProfile: securityType === undefined ? {} : { securityType } }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const imdsUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const findings = await examineServices({ ...machine('sizes'), imdsUrl });
      expect(byId({ findings }, 'vm-size')).toMatchObject({ status, found: expect.stringContaining(vmSize) });
      expect(byId({ findings }, 'clock-skew')).toMatchObject({
        status: 'warning',
        found: expect.stringMatching(/^(599|6\d\d) s ahead$/),
      });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe('docs/cli.md', () => {
  it('names every finding', async () => {
    const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
    await using cvm = await SimulatedCvm.start();
    const { findings } = await diagnose([], await variablesOf(cvm));
    for (const { id } of findings) expect(page).toContain(`\`${id}\``);
  });
});
