import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AttestationClient } from '../../lib/index.js';
import { SimulatedCvm, type SimulatedCvmOptions } from '../../lib/simulator/index.js';
import { clientOf, type Expected, fails } from './client.js';

let cvm: SimulatedCvm;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
});
afterEach(() => cvm.tpm.clearFaults());
afterAll(() => cvm?.stop());

const NO_DEVICE = { tcti: 'device:/nonexistent/tpmrm0' };
const attest = (client: AttestationClient) => client.attest({ attestationUrl: cvm.attestationUrl });

describe('wrong arguments of attest', () => {
  it.each<[string, number, unknown]>([
    ['no parameters', 8, undefined],
    ['version 2', 8, { version: 2, attestationUrl: 'https://x' }],
    ['no URL', 8, {}],
    ['an empty URL', 8, { attestationUrl: '' }],
    ['plain http to another machine', 8, { attestationUrl: 'http://attest.example' }],
    ['a blank URL', 27, { attestationUrl: '  ' }],
    ['a malformed URL', 7, { attestationUrl: 'https://a b' }],
    ['an empty payload', 8, { attestationUrl: 'https://x', clientPayload: '' }],
    ['a nested payload', 8, { attestationUrl: 'https://x', clientPayload: { a: {} } }],
  ])('%s: %i, before the TPM is asked anything', async (_, code, params) => {
    const trace = cvm.trace();
    await fails(cvm, { code }, (client) => client.attest(params as never));
    expect(trace.stop()).toEqual([]);
  });
});

describe('trouble with the TPM', () => {
  it('13 with 655370: there is no device', async () => {
    await fails(cvm, { code: 13, tpmErrorCode: 655370 }, attest, NO_DEVICE);
    await fails(cvm, { code: 13, tpmErrorCode: 655370 }, (client) => client.getEvidence(), NO_DEVICE);
  });

  it('26 with 655370: there is no device to decrypt with', async () => {
    const call = (client: AttestationClient) => client.decrypt(randomBytes(256), { type: 'None' });
    await fails(cvm, { code: 26, tpmErrorCode: 655370 }, call, NO_DEVICE);
  });

  it.each<[string, Expected, SimulatedCvmOptions]>([
    [
      'the certificate index is missing',
      { code: 13, tpmErrorCode: 395 },
      { tpm: { akCertificate: { state: 'absent' } } },
    ],
    [
      'the certificate index is unwritten',
      { code: 13, tpmErrorCode: 330 },
      { tpm: { akCertificate: { state: 'unwritten' } } },
    ],
    ['the report index is unwritten', { code: 13, tpmErrorCode: 330 }, { tpm: { hclReport: { state: 'unwritten' } } }],
    ['the report is empty', { code: 21 }, { tpm: { hclReport: { modify: (report) => Buffer.alloc(report.length) } } }],
    [
      'the report is of another kind',
      { code: 20 },
      { tpm: { hclReport: { modify: (report) => Buffer.concat([Buffer.from('XXXX'), report.subarray(4)]) } } },
    ],
    [
      'the report does not bind its runtime data',
      { code: 20, message: 'bind' },
      { tpm: { hclReport: { modify: flipped(32 + 0x50) } } },
    ],
    [
      'the report claims more runtime data than there is',
      { code: 20 },
      { tpm: { hclReport: { modify: (report) => patched(report, 1232, 0xffff) } } },
    ],
    [
      'the report has no runtime data',
      { code: 9 },
      { tpm: { hclReport: { modify: (report) => patched(report, 1232, 0) } } },
    ],
    ['the report has no type', { code: 20 }, { tpm: { hclReport: { reportType: 0 } } }],
    [
      "the attestation key's certificate is provisional",
      { code: 29 },
      { tpm: { akCertificate: { issuerCommonName: 'MICROSOFT AZURE TRUSTED VM RSA 2021' } } },
    ],
    ['os-release has an empty name', { code: 9 }, { osRelease: 'NAME=""\nVERSION_ID=12\n' }],
    ['os-release has version 0', { code: 9 }, { osRelease: 'NAME=x\nVERSION_ID=0.5\n' }],
    ['os-release has no name', { code: 11 }, { osRelease: 'ID=x\n' }],
    ['the report is of a debuggable guest', { code: 6, status: 400 }, { snpReport: { policy: 0xb001fn } }],
  ])('%s', async (_, expected, options) => {
    await using machine = await SimulatedCvm.start(options);
    await fails(machine, expected, (client) => client.attest({ attestationUrl: machine.attestationUrl }));
  });

  it.each<[string, number]>([
    ['NV_ReadPublic', 13],
    ['NV_Read', 13],
    ['ReadPublic', 13],
    ['PCR_Read', 13],
    ['Quote', 13],
    ['CreatePrimary', 13],
    ['Certify', 13],
    ['RSA_Decrypt', 15],
  ])('an attest whose %s fails is an error %i with the response code', async (command, code) => {
    // TPM_RC_FAILURE.
    const action = { kind: 'error', responseCode: 0x101 } as const;
    cvm.tpm.injectFault({ command: command as 'Quote', times: Number.POSITIVE_INFINITY, action });
    await fails(cvm, { code, tpmErrorCode: 0x101 }, attest, { retry: { retries: 0 } });
    cvm.tpm.clearFaults();
    await attestOnce();
  });

  it('13: the PCRs change each time while they are quoted', async () => {
    let count = 0;
    const run = () => cvm.extendPcr(23, randomBytes(32)).then(() => void count++);
    cvm.tpm.injectFault({ command: 'PCR_Read', times: Number.POSITIVE_INFINITY, action: { kind: 'before', run } });
    await fails(cvm, { code: 13, message: 'changed' }, (client) => client.getEvidence());
    expect(count).toBeGreaterThan(2);
  });

  it('12: a block that no TPM takes; 26: any other wrong length; 8: none', async () => {
    for (const [length, code] of [
      [513, 12],
      [512, 26],
      [257, 26],
      [255, 26],
      [1, 26],
      [0, 8],
    ] as const) {
      await fails(cvm, { code }, (client) => client.decrypt(new Uint8Array(length), { type: 'None' }));
    }
  });

  it('26 with a response code: a block under another key', async () => {
    const client = clientOf(cvm);
    await using _ = client;
    // RSAES: above every modulus, because a TPM over OpenSSL 3.2 answers wrong padding with bytes that it makes up.
    for (const [scheme, block] of [
      ['RSAES', Buffer.alloc(256, 0xff)],
      ['RSA-OAEP', Buffer.concat([Buffer.alloc(1), randomBytes(255)])],
    ] as const) {
      await expect(client.decrypt(block, { type: 'None', scheme })).rejects.toMatchObject({
        code: 26,
        tpmErrorCode: expect.toSatisfy((rc: number) => rc !== 0),
      });
    }
  });

  it('12: closed while calls are in progress; 8: after', async () => {
    const client = clientOf(cvm);
    const calls = Array.from({ length: 20 }, () => client.decrypt(randomBytes(256), { type: 'None' }));
    const outcomes = Promise.allSettled(calls);
    await client.close();
    const codes = (await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason.code);
    expect(codes.at(-1)).toBe(12);
    expect(codes.every((code) => code === 12 || code === 26)).toBe(true);
    await expect(attest(client)).rejects.toMatchObject({ code: 8, message: 'the client is closed' });
    await client.close();
    expect(await cvm.loadedHandles()).toEqual({ transient: [], sessions: [] });
  });
});

describe('trouble with files', () => {
  it('11: there is no os-release', async () => {
    await fails(cvm, { code: 11 }, attest, { osReleasePath: '/nonexistent/os-release' });
  });

  it('9: an event log that never ends', async () => {
    await fails(cvm, { code: 9 }, attest, { eventLogPath: '/dev/zero' });
  });

  it('no event log is not an error of the client: it attests without', async () => {
    const warnings: string[] = [];
    const warn = (message: string) => warnings.push(message);
    const logger = { debug: () => {}, info: () => {}, warn, error: () => {} };
    await using client = clientOf(cvm, { eventLogPath: '/nonexistent/log', logger });
    expect(await attest(client)).toMatch(/^ey/);
    expect(warnings).toEqual([expect.stringContaining('/nonexistent/log')]);
  });
});

describe('the constructor', () => {
  it.each<[number, object]>([
    [8, { tcti: 7 }],
    [8, { tcti: '' }],
    [8, { imdsUrl: 'not a url' }],
    [8, { imdsUrl: 'file:///etc/passwd' }],
    [8, { timeoutMs: 0 }],
    [8, { timeoutMs: 1.5 }],
    [8, { connectTimeoutMs: '1' }],
    [8, { tpmTimeoutMs: -1 }],
    [8, { retry: { retries: -1 } }],
    [8, { logger: {} }],
    [8, { fetch: 'fetch' }],
    [8, { fetch, ca: 'x' }],
    [8, { eventLogPath: 5 }],
    [1, { ca: 'no certificate' }],
    [1, { ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' }],
  ])('throws %i for %o', (code, options) => {
    expect(() => clientOf(cvm, options as never)).toThrow(expect.objectContaining({ name: 'AttestationError', code }));
  });
});

async function attestOnce(): Promise<void> {
  await using client = clientOf(cvm);
  expect(await attest(client)).toMatch(/^ey/);
}

function flipped(offset: number): (report: Buffer) => Buffer {
  return (report) => {
    report[offset] = (report[offset] ?? 0) ^ 1;
    return report;
  };
}

function patched(report: Buffer, offset: number, value: number): Buffer {
  report.writeUInt32LE(value, offset);
  return report;
}
