import { execFile } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type AkCertificateIndexOptions, SimulatedCvm, type SimulatedCvmOptions } from '../../lib/simulator/index.js';
import { execute, TpmCommandError, type TpmTransport } from '../../lib/simulator/tpm/command.js';
import { AzureHandle, CommandCode, PermanentHandle } from '../../lib/simulator/tpm/constants.js';
import { TpmWriter } from '../../lib/simulator/tpm/encoding.js';
import { nvRead, nvReadPublic } from '../../lib/simulator/tpm/nv.js';
import { pcrExtend, pcrRead } from '../../lib/simulator/tpm/pcr.js';

const run = promisify(execFile);
const { attestationKeyCertificate } = AzureHandle;

const responseCode = (promise: Promise<unknown>): Promise<number> =>
  promise.then(
    () => 0,
    (error: unknown) => (error instanceof TpmCommandError ? error.responseCode : -1),
  );

const readHead = (tpm: TpmTransport) =>
  execute(tpm, {
    code: CommandCode.NV_Read,
    handles: [PermanentHandle.owner, attestationKeyCertificate],
    authorized: 1,
    parameters: new TpmWriter().u16(64).u16(0).toBuffer(),
  });

describe("the attestation key's certificate", () => {
  const certificateOf = async (cvm: SimulatedCvm): Promise<X509Certificate> =>
    new X509Certificate(await nvRead(cvm.tpm.transport, attestationKeyCertificate));

  it.each([
    ['snp', 'ConfidentialVM'],
    ['tvm', 'TrustedVM'],
  ] as const)('of a %s machine is for a %s and for attestation keys', async (vmType, kind) => {
    await using cvm = await SimulatedCvm.start({ vmType });
    const certificate = await certificateOf(cvm);
    expect(certificate.subject).toBe(`CN=${cvm.vmId.toLowerCase()}.${kind}.Azure.windows.net`);
    expect(certificate.keyUsage).toEqual(['2.23.133.8.3']);
    expect(certificate.infoAccess).toBeUndefined();
    const [root, issuer] = cvm.vtpmRoots.map((pem) => new X509Certificate(pem)) as [X509Certificate, X509Certificate];
    expect(issuer.subject).toContain('CN=Global Virtual TPM CA - 03');
    expect(certificate.verify(issuer.publicKey) && issuer.verify(root.publicKey)).toBe(true);
  });

  it('of the other hierarchy leads to the same root by the addresses in the certificates', async () => {
    await using cvm = await SimulatedCvm.start({ tpm: { akCertificate: { hierarchy: 'cloud' } } });
    const chain = [await certificateOf(cvm)];
    for (let i = 0; i < 3; i++) {
      const url = /^CA Issuers - URI:(\S+)/m.exec(chain[i]?.infoAccess ?? '')?.[1];
      const response = await fetch(url as string);
      const issuer = new X509Certificate(Buffer.from(await response.arrayBuffer()));
      expect(chain[i]?.verify(issuer.publicKey), chain[i]?.subject).toBe(true);
      chain.push(issuer);
    }
    expect(chain.slice(1).map(({ subject }) => /CN=(.*)/.exec(subject)?.[1])).toEqual([
      'Azure Cloud Virtual TPM CA - 11',
      'Azure Cloud Virtual TPM CA 2025',
      'Azure Virtual TPM Root CA 2023',
    ]);
    expect(chain[3]?.fingerprint256).toBe(new X509Certificate(cvm.vtpmRoots[0] as string).fingerprint256);
    const client = cvm.client();
    await client.attest({ attestationUrl: cvm.attestationUrl });
    await client.close();
  });

  it.each<[string, AkCertificateIndexOptions, number, (tail: Buffer) => boolean]>([
    ['4096 bytes', { indexSize: 4096 }, 4096, (tail) => tail.every((byte) => byte === 0)],
    ['16384 bytes', { indexSize: 16384 }, 16384, (tail) => tail.every((byte) => byte === 0)],
    ['stale bytes after it', { indexSize: 4096, tail: 'stale' }, 4096, (tail) => tail.includes('stale bytes')],
    ['zeros alone', { contents: 'zeros' }, 4096, (tail) => tail.every((byte) => byte === 0)],
  ])('can lie in an index with %s', async (_name, akCertificate, size, isTail) => {
    await using cvm = await SimulatedCvm.start({ tpm: { akCertificate } });
    const contents = await nvRead(cvm.tpm.transport, attestationKeyCertificate);
    expect(contents.length).toBe(size);
    const end = contents[0] === 0x30 ? 4 + contents.readUInt16BE(2) : 0;
    expect(isTail(contents.subarray(end))).toBe(true);
  });

  it('can be on its way: the index answers 0x14a twice, then it is there', async () => {
    await using cvm = await SimulatedCvm.start({ tpm: { akCertificate: { state: 'pending' } } });
    const tpm = cvm.tpm.transport;
    const { attributes } = await nvReadPublic(tpm, attestationKeyCertificate);
    expect(attributes & (1 << 29)).toBe(0);
    expect(await responseCode(readHead(tpm))).toBe(0x14a);
    expect(await responseCode(readHead(tpm))).toBe(0x14a);
    expect(await responseCode(readHead(tpm))).toBe(0);
    expect((await certificateOf(cvm)).subject).toContain('ConfidentialVM');
  });
});

describe('the PCRs of a simulated guest', () => {
  it('17 to 22 cannot be extended, the others can', async () => {
    await using cvm = await SimulatedCvm.start();
    const extend = (index: number) =>
      responseCode(pcrExtend(cvm.tpm.transport, index, { sha256: Buffer.alloc(32, index) }));
    for (const index of [17, 18, 19, 20, 21, 22]) expect(await extend(index), String(index)).toBe(0x907);
    for (const index of [0, 8, 15, 16, 23]) expect(await extend(index), String(index)).toBe(0);
  });

  it('11 can hold something that the log does not tell of, after a reboot as well', async () => {
    await using cvm = await SimulatedCvm.start({ unloggedPcrs: [11] });
    const before = (await cvm.readPcrs([11])).get(11);
    expect(before).not.toEqual(Buffer.alloc(32));
    await cvm.reboot();
    expect((await cvm.readPcrs([11])).get(11)).toEqual(before);
  });
});

describe.skipIf(!existsSync('/usr/bin/tpm2_eventlog'))('tpm2_eventlog of tpm2-tools', () => {
  it.each<[string, SimulatedCvmOptions]>([
    ['an ordinary machine', {}],
    ['a machine without secure boot', { secureBoot: false }],
    ['a Trusted Launch VM', { vmType: 'tvm' }],
    ['a TDX machine', { vmType: 'tdx' }],
  ])('accepts the event log of %s and replays it to its PCRs', async (_name, options) => {
    await using cvm = await SimulatedCvm.start(options);
    const { stdout, stderr } = await run('tpm2_eventlog', [cvm.eventLogPath]);
    expect(stderr).toBe('');
    const replayed = [...(stdout.split(/^ {2}sha256:/m)[1] ?? '').matchAll(/^ {4}(\d+) *: 0x([0-9a-f]{64})$/gm)];
    expect(replayed.length).toBeGreaterThan(8);
    const pcrs = await pcrRead(
      cvm.tpm.transport,
      'sha256',
      replayed.map(([, index]) => Number(index)),
    );
    for (const [, index, value] of replayed) expect(pcrs.get(Number(index))?.toString('hex'), index).toBe(value);
  });
});

describe('the event log of a simulated guest', () => {
  it('measures the text of GRUB commands, the value of BootOrder and what is in files', async () => {
    const { linuxBoot } = await import('../../lib/simulator/index.js');
    const events = linuxBoot({ secureBoot: true });
    const find = (text: string, encoding: BufferEncoding = 'latin1') =>
      events.find(({ data }) => data.includes(Buffer.from(text, encoding)));
    expect(find('grub_cmd: ')?.measured?.toString()).toMatch(/^linux \/boot.*ttyS0$/);
    expect(find('kernel_cmdline: ')?.measured?.toString()).toMatch(/^\/boot.*ttyS0$/);
    expect(find('BootOrder', 'utf16le')?.measured).toEqual(Buffer.alloc(2));
    expect(find('ACPI DATA')?.type).toBe(0xa);
    expect(find('(hd0,gpt1)')?.measured?.toString()).not.toContain('\0');
  });

  it('can be empty, or end as the logs of Windows do', async () => {
    await using empty = await SimulatedCvm.start({ eventLog: 'empty' });
    const { readFile } = await import('node:fs/promises');
    expect((await readFile(empty.eventLogPath)).length).toBe(0);
    await using windows = await SimulatedCvm.start({ eventLog: 'windows' });
    const log = await readFile(windows.eventLogPath);
    const last = log.subarray(-(12 + 34 + 4 + 68));
    expect([last.readUInt32LE(0), last.readUInt32LE(4), last.readUInt32LE(8)]).toEqual([0xffffffff, 3, 1]);
  });
});

describe('the instance metadata service', () => {
  const get = async (cvm: SimulatedCvm, path: string): Promise<{ status: number; text: string }> => {
    const response = await fetch(`${cvm.imdsUrl}/metadata/instance${path}`, { headers: { metadata: 'true' } });
    return { status: response.status, text: await response.text() };
  };

  it('knows the whole machine, by branch and by leaf', async () => {
    await using cvm = await SimulatedCvm.start({ region: 'northeurope' });
    const version = 'api-version=2021-02-01';
    const whole = JSON.parse((await get(cvm, `?${version}`)).text);
    expect(whole.compute).toMatchObject({
      vmId: cvm.vmId,
      location: 'northeurope',
      osType: 'Linux',
      vmSize: 'Standard_DC4as_v5',
      securityProfile: { securityType: 'ConfidentialVM', secureBootEnabled: 'true' },
    });
    expect(JSON.parse((await get(cvm, `/compute?${version}`)).text)).toEqual(whole.compute);
    expect((await get(cvm, `/compute/location?${version}&format=text`)).text).toBe('northeurope');
    expect((await get(cvm, `/network/interface/0/macAddress?${version}`)).text).toBe('00224899A1B2');
    expect((await get(cvm, `/compute/nothing?${version}`)).status).toBe(404);
    expect((await get(cvm, '/compute')).status).toBe(400);
  });
});

describe("OpenHCL's claims", () => {
  it('have the time, and spell ids in lower case', async () => {
    await using cvm = await SimulatedCvm.start({ tpm: { hclReport: { openHclClaims: true } } });
    const report = await nvRead(cvm.tpm.transport, AzureHandle.hclReport);
    const claims = JSON.parse(report.subarray(1236, 1236 + report.readUInt32LE(1232)).toString());
    expect(Math.abs(claims['vm-configuration']['current-time'] - Date.now() / 1000)).toBeLessThan(60);
    expect(claims['vm-configuration'].vmUniqueId).toBe(cvm.vmId.toLowerCase());
    const client = cvm.client();
    await client.attest({ attestationUrl: cvm.attestationUrl });
    await client.close();
  });
});

describe('a guest elsewhere', () => {
  it.each(['snp', 'tdx'] as const)(
    'has runtime data of its own making signed by genuine %s hardware',
    async (vmType) => {
      await using cvm = await SimulatedCvm.start({ vmType });
      const runtimeData = Buffer.from('{"keys":[]}');
      const { hclReport, tdQuote } = cvm.foreignReport(runtimeData);
      expect(hclReport.subarray(1236)).toEqual(runtimeData);
      const reportData = hclReport.subarray(32 + (vmType === 'tdx' ? 0x80 : 0x50));
      expect(reportData.subarray(0, 32)).toEqual(createHash('sha256').update(runtimeData).digest());
      expect(tdQuote === undefined).toBe(vmType === 'snp');
      const measurement = hclReport.subarray(32 + 0x90, 32 + 0xc0).toString('hex');
      expect(JSON.stringify(cvm.verification.policy)).not.toContain(measurement);
    },
  );
});
