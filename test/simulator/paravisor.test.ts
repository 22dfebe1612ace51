import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { type HclReportOptions, SimulatedCvm, type TpmFaultAction } from '../../lib/simulator/index.js';
import { HandleRange, listHandles } from '../../lib/simulator/tpm/capability.js';
import { execute, marshalCommand, TpmCommandError, type TpmTransport } from '../../lib/simulator/tpm/command.js';
import { AzureHandle, CommandCode, NvAttribute, PermanentHandle } from '../../lib/simulator/tpm/constants.js';
import { TpmWriter } from '../../lib/simulator/tpm/encoding.js';
import { nvDefineSpace, nvRead, nvReadPublic, nvUndefineSpace, nvWrite } from '../../lib/simulator/tpm/nv.js';
import { pcrRead } from '../../lib/simulator/tpm/pcr.js';
import { socketTransport } from '../../lib/simulator/tpm/socket-transport.js';

const run = promisify(execFile);

/** The TPM as a guest's own process reaches it: through the socket. */
const guestTpm = (cvm: SimulatedCvm): TpmTransport => socketTransport(cvm.tcti.slice('swtpm:path='.length));

const { hclReport, userData } = AzureHandle;

interface Claims {
  'user-data'?: string;
  keys: { kid: string }[];
}

const claimsOf = (report: Buffer): Claims =>
  JSON.parse(report.subarray(1236, 1236 + report.readUInt32LE(1232)).toString());

const responseCode = (promise: Promise<unknown>): Promise<number> =>
  promise.then(
    () => 0,
    (error: unknown) => (error instanceof TpmCommandError ? error.responseCode : -1),
  );

async function writeUserData(tpm: TpmTransport, data: Buffer): Promise<void> {
  const { ownerRead, ownerWrite, authRead, authWrite } = NvAttribute;
  const attributes = ownerRead | ownerWrite | authRead | authWrite;
  await nvDefineSpace(tpm, PermanentHandle.owner, { index: userData, attributes, size: data.length }).catch(() => {});
  await nvWrite(tpm, PermanentHandle.owner, userData, data);
}

const nvReadCommand = (size: number, offset: number, authorization: number = PermanentHandle.owner) => ({
  code: CommandCode.NV_Read,
  handles: [authorization, hclReport],
  authorized: 1,
  parameters: new TpmWriter().u16(size).u16(offset).toBuffer(),
});

describe('the HCL report', () => {
  it('lies in an index of its platform size that the guest can read and not change', async () => {
    await using cvm = await SimulatedCvm.start();
    const tpm = guestTpm(cvm);
    const { size, attributes } = await nvReadPublic(tpm, hclReport);
    expect(size).toBe(2600);
    expect(attributes & NvAttribute.platformCreated).toBeTruthy();
    expect(await listHandles(tpm, HandleRange.nvIndex)).toEqual([hclReport, AzureHandle.attestationKeyCertificate]);
    expect(await responseCode(nvWrite(tpm, PermanentHandle.owner, hclReport, Buffer.alloc(8)))).toBe(0x149);
    expect(await responseCode(nvUndefineSpace(tpm, PermanentHandle.owner, hclReport))).toBe(0x149);
    const definition = { index: hclReport, attributes: NvAttribute.ownerRead | NvAttribute.ownerWrite, size: 64 };
    expect(await responseCode(nvDefineSpace(tpm, PermanentHandle.owner, definition))).toBe(0x14c);
    expect(await responseCode(execute(tpm, nvReadCommand(1025, 0)))).toBe(0x1c4);
    expect(await responseCode(execute(tpm, nvReadCommand(1024, 1600)))).toBe(0x146);
    expect(await responseCode(execute(tpm, nvReadCommand(1000, 1600)))).toBe(0);
    expect(await responseCode(execute(tpm, nvReadCommand(16, 0, hclReport)))).toBe(0);
  });

  it.each<[string, HclReportOptions, number, (report: Buffer) => unknown, unknown]>([
    ['a newer header', { headerVersion: 2 }, 2600, (report) => report.readUInt32LE(4), 2],
    [
      'the older size and claims',
      { indexSize: 2048, olderClaims: true },
      2048,
      (report) => claimsOf(report).keys.map(({ kid }) => kid),
      ['HCLAkPub'],
    ],
    ['another hash', { hashType: 'sha384' }, 2600, (report) => report.readUInt32LE(1228), 2],
    ['another type', { reportType: 'vbs' }, 2600, (report) => report.readUInt32LE(1224), 1],
  ])('comes with %s', async (_name, options, size, read, expected) => {
    await using cvm = await SimulatedCvm.start({ tpm: { hclReport: options } });
    const report = await nvRead(guestTpm(cvm), hclReport);
    expect(report).toHaveLength(size);
    expect(report.subarray(0, 4).toString()).toBe('HCLA');
    expect(read(report)).toEqual(expected);
  });

  it('echoes user data only when it is made again: after two seconds, when read from the start', async () => {
    await using cvm = await SimulatedCvm.start();
    const tpm = guestTpm(cvm);
    // The paravisor's clock is this process's: it stands still but for the jumps here.
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const start = Date.now() + 10_000;
      vi.setSystemTime(start);
      const first = await nvRead(tpm, hclReport);
      expect(claimsOf(first)['user-data']).toBe('0'.repeat(128));
      await writeUserData(tpm, Buffer.from('ab'.repeat(20), 'hex'));
      vi.setSystemTime(start + 2000);
      expect(await nvRead(tpm, hclReport), 'within two seconds').toEqual(first);
      vi.setSystemTime(start + 2001);
      const { parameters } = await execute(tpm, nvReadCommand(1024, 1024));
      expect(parameters.sized(), 'not from the start').toEqual(first.subarray(1024, 2048));
      const second = await nvRead(tpm, hclReport);
      expect(claimsOf(second)['user-data']).toBe(`${'AB'.repeat(20)}${'0'.repeat(88)}`);
      expect(second.subarray(32 + 0x2a0, 32 + 0x330)).not.toEqual(first.subarray(32 + 0x2a0, 32 + 0x330));
    } finally {
      vi.useRealTimers();
    }
  });

  it.each([
    ['absent', 0x18b],
    ['unwritten', 0x14a],
  ] as const)('can be %s', async (state, code) => {
    await using cvm = await SimulatedCvm.start({ tpm: { hclReport: { state }, akCertificate: { state } } });
    const tpm = guestTpm(cvm);
    const read = (index: number) => responseCode(nvRead(tpm, index));
    expect([await read(hclReport), await read(AzureHandle.attestationKeyCertificate)].map((rc) => rc & 0xfff)).toEqual(
      state === 'absent' ? [0x18b, 0x18b] : [code, code],
    );
  });

  it('is of type TDX on a TDX VM and does not exist on a trusted launch VM', async () => {
    await using tdx = await SimulatedCvm.start({ vmType: 'tdx' });
    expect((await nvRead(guestTpm(tdx), hclReport)).readUInt32LE(1224)).toBe(4);
    await using tvm = await SimulatedCvm.start({ vmType: 'tvm' });
    expect(tvm.hclReport).toBeUndefined();
    expect(await listHandles(guestTpm(tvm), HandleRange.nvIndex)).toEqual([AzureHandle.attestationKeyCertificate]);
  });
});

const tpm2Tools = existsSync('/usr/bin/tpm2_nvread');

describe.skipIf(!tpm2Tools)('tpm2-tools, which authorize by HMAC sessions', () => {
  it('read the HCL report through the paravisor, in several pieces', async () => {
    await using cvm = await SimulatedCvm.start();
    const options = { encoding: 'buffer', env: { ...process.env, TPM2TOOLS_TCTI: cvm.tcti } } as const;
    const { stdout } = await run('tpm2_nvread', ['-C', 'o', '0x01400001'], options);
    expect(stdout).toEqual(cvm.hclReport);
    const { stdout: list } = await run('tpm2_getcap', ['handles-nv-index'], options);
    expect(list.toString()).toContain('0x1400001');
    expect(await cvm.loadedHandles()).toEqual({ transient: [], sessions: [] });
  });
});

describe('the index of the attestation key certificate', () => {
  it('can be zero-padded to 4096 bytes, and is the platform’s then', async () => {
    await using cvm = await SimulatedCvm.start({ tpm: { akCertificate: { indexSize: 4096 } } });
    const tpm = guestTpm(cvm);
    const contents = await nvRead(tpm, AzureHandle.attestationKeyCertificate);
    expect(contents).toHaveLength(4096);
    expect(contents.subarray(2000).every((byte) => byte === 0)).toBe(true);
    expect(await responseCode(nvUndefineSpace(tpm, PermanentHandle.owner, AzureHandle.attestationKeyCertificate))).toBe(
      0x149,
    );
  });

  it('can be created by the platform at any size', async () => {
    await using cvm = await SimulatedCvm.start({ tpm: { akCertificate: { platformCreated: true } } });
    const undefine = nvUndefineSpace(guestTpm(cvm), PermanentHandle.owner, AzureHandle.attestationKeyCertificate);
    expect(await responseCode(undefine)).toBe(0x149);
  });
});

describe('the way to the TPM', () => {
  it('is traced, with names and response codes', async () => {
    await using cvm = await SimulatedCvm.start();
    const tpm = guestTpm(cvm);
    const trace = cvm.trace();
    await pcrRead(tpm, 'sha256', [0, 1]);
    await responseCode(nvRead(tpm, 0x01c00002));
    const commands = trace.stop();
    await pcrRead(tpm, 'sha256', [0]);
    expect(commands.map(({ name, responseCode: rc }) => [name, rc])).toEqual([
      ['PCR_Read', 0],
      ['NV_ReadPublic', 0x18b],
    ]);
    expect(trace.counts()).toEqual({ PCR_Read: 1, NV_ReadPublic: 1 });
  });

  it.each<[string, TpmFaultAction, (tpm: TpmTransport) => Promise<unknown>, unknown]>([
    [
      'a response code',
      { kind: 'error', responseCode: 0x922 },
      (tpm) => responseCode(pcrRead(tpm, 'sha256', [0])),
      0x922,
    ],
    ['no answer and a closed connection', { kind: 'drop' }, (tpm) => responseCode(pcrRead(tpm, 'sha256', [0])), -1],
    ['half an answer', { kind: 'truncate', bytes: 12 }, (tpm) => responseCode(pcrRead(tpm, 'sha256', [0])), -1],
    [
      'silence',
      { kind: 'silence' },
      (tpm) => Promise.race([pcrRead(tpm, 'sha256', [0]), sleep(300, 'silent')]),
      'silent',
    ],
  ])('answers with %s where that is asked for, once', async (_name, action, read, expected) => {
    await using cvm = await SimulatedCvm.start();
    const tpm = guestTpm(cvm);
    cvm.tpm.injectFault({ command: 'PCR_Read', nth: 2, action });
    expect((await pcrRead(tpm, 'sha256', [0])).size).toBe(1);
    expect(await read(tpm)).toBe(expected);
    expect((await pcrRead(tpm, 'sha256', [0])).size).toBe(1);
  });

  it('flips a bit, replaces a response and runs something first where that is asked for', async () => {
    await using cvm = await SimulatedCvm.start();
    const tpm = guestTpm(cvm);
    const before = await pcrRead(tpm, 'sha256', [0]);
    cvm.tpm.injectFault({ command: 'PCR_Read', action: { kind: 'corrupt' } });
    expect(await pcrRead(tpm, 'sha256', [0])).not.toEqual(before);
    cvm.tpm.injectFault({ action: { kind: 'replace', response: Buffer.from('80010000000a00000101', 'hex') } });
    expect(await responseCode(pcrRead(tpm, 'sha256', [0]))).toBe(0x101);
    const run = (): Promise<void> => cvm.extendPcr(0, Buffer.alloc(32, 7));
    cvm.tpm.injectFault({ command: 'PCR_Read', action: { kind: 'before', run } });
    expect(await pcrRead(tpm, 'sha256', [0])).not.toEqual(before);
  });

  it('takes several commands on one connection and closes on one of an impossible size', async () => {
    await using cvm = await SimulatedCvm.start();
    const socket = connect({ path: cvm.tcti.slice('swtpm:path='.length) });
    const random = marshalCommand({ code: CommandCode.GetRandom, parameters: Buffer.from([0, 4]) });
    const received: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.write(Buffer.concat([random, random.subarray(0, 5)]));
    await expect.poll(() => Buffer.concat(received).length).toBe(16);
    socket.write(random.subarray(5));
    await expect.poll(() => Buffer.concat(received).length).toBe(32);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(Buffer.from('8001ffffffff0000017b', 'hex'));
    await closed;
  });

  it('loses its volatile state by a reboot, and boots to the same PCRs', async () => {
    await using cvm = await SimulatedCvm.start();
    const before = await cvm.readPcrs([0, 4, 7]);
    await cvm.extendPcr(4, Buffer.alloc(32, 1));
    expect(await cvm.readPcrs([0, 4, 7])).not.toEqual(before);
    await cvm.reboot();
    expect(await cvm.readPcrs([0, 4, 7])).toEqual(before);
    expect(await cvm.loadedHandles()).toEqual({ transient: [], sessions: [] });
    const keys = await listHandles(guestTpm(cvm), HandleRange.persistent);
    const { storageRootKey, attestationKey, guestKey, endorsementKey } = AzureHandle;
    expect(keys).toEqual([storageRootKey, attestationKey, guestKey, endorsementKey]);
  });
});
