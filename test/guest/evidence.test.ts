import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AttestationClient, Evidence } from '../../lib/index.js';
import { evidenceFromJson, explainEvidence, parseHclReport, parseTpmsAttest } from '../../lib/index.js';
import { imdsPaths, SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from './client.js';

let cvm: SimulatedCvm;
let client: AttestationClient;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm);
});
afterEach(() => {
  cvm.imds.clearBehaviours();
  cvm.tpm.clearFaults();
});
afterAll(async () => {
  await client?.close();
  expect(await cvm?.loadedHandles()).toEqual({ transient: [], sessions: [] });
  await cvm?.stop();
});

const failed = ({ checks }: Awaited<ReturnType<typeof explainEvidence>>) => checks.filter(({ ok }) => !ok);
const userDataOf = (evidence: Evidence) => parseHclReport(evidence.hclReport).claims['user-data']?.toLowerCase();

describe('evidence', () => {
  it('verifies down to the root, with nonce, user data and the ephemeral key', async () => {
    const nonce = randomBytes(32);
    const userData = randomBytes(32);
    const evidence = await client.getEvidence({ nonce, userData });
    const result = await explainEvidence(evidence, { nonce, userData, ...cvm.verification });
    expect(failed(result)).toEqual([]);
    expect(result.ok).toBe(true);
    expect(result.encryptionKey).toMatchObject({ kty: 'RSA', e: 'AQAB' });
  });

  it('survives JSON.stringify, and refuses an empty nonce, which would prove nothing', async () => {
    const nonce = randomBytes(32);
    const text = JSON.stringify(await client.getEvidence({ nonce }));
    const result = await explainEvidence(evidenceFromJson(text), { nonce, ...cvm.verification });
    expect(failed(result)).toEqual([]);
    await expect(client.getEvidence({ nonce: new Uint8Array() })).rejects.toMatchObject({ code: 8 });
  });

  it('has the shape that it is documented with', async () => {
    const evidence = await client.getEvidence();
    expect(evidence).toEqual({
      version: 1,
      hclReport: expect.any(Uint8Array),
      quote: {
        message: expect.any(Uint8Array),
        signature: expect.any(Uint8Array),
        pcrs: { alg: 'sha256', values: expect.any(Object) },
      },
      certificates: { vcek: expect.stringContaining('CERTIFICATE'), chain: expect.stringContaining('CERTIFICATE') },
      akCertificate: expect.any(Uint8Array),
      ephemeralKey: {
        publicArea: expect.any(Uint8Array),
        certifyInfo: expect.any(Uint8Array),
        certifySignature: expect.any(Uint8Array),
      },
      eventLog: expect.any(Uint8Array),
    });
    expect(Object.keys(evidence.quote?.pcrs.values ?? {})).toHaveLength(24);
    expect(parseTpmsAttest(evidence.quote?.message ?? new Uint8Array()).extraData).toHaveLength(0);
  });

  it('holds what was asked for, and no more', async () => {
    const some = await client.getEvidence({ pcrs: [7, 4, 4], certificates: false });
    expect(Object.keys(some.quote?.pcrs.values ?? {})).toEqual(['4', '7']);
    // Without PCRs 0–7 in the quote nobody could tell what the key is bound to.
    expect(Object.keys(some).sort()).toEqual(['akCertificate', 'eventLog', 'hclReport', 'quote', 'version']);
    const trace = cvm.trace();
    const own = { vcek: 'pem', chain: 'pem' };
    const requests = cvm.imds.requests.length;
    const unquoted = await client.getEvidence({ quote: false, certificates: own });
    expect(Object.keys(unquoted).sort()).toEqual(['akCertificate', 'certificates', 'eventLog', 'hclReport', 'version']);
    expect(unquoted.certificates).toEqual(own);
    expect(Object.keys(trace.counts()).sort()).toEqual(['NV_Read', 'NV_ReadPublic']);
    expect(cvm.imds.requests.length).toBe(requests);
    trace.stop();
  });

  it('can be had of a TDX guest, without certificates of AMD’s', async () => {
    const tdx = await SimulatedCvm.start({ vmType: 'tdx' });
    await using _ = tdx;
    await using guest = clientOf(tdx);
    const evidence = await guest.getEvidence({ nonce: randomBytes(8) });
    expect(parseHclReport(evidence.hclReport)).toMatchObject({ reportType: 'tdx', bound: true });
    expect(evidence.certificates).toBeUndefined();
  });

  it('does without a certificate of the attestation key, and without an event log', async () => {
    const bare = await SimulatedCvm.start({ tpm: { akCertificate: { state: 'absent' } } });
    await using _ = bare;
    await using guest = clientOf(bare, { eventLogPath: '/nonexistent/log' });
    const evidence = await guest.getEvidence();
    expect([evidence.akCertificate, evidence.eventLog]).toEqual([undefined, undefined]);
  });

  it('is none on a trusted launch VM: 13 with the code of the missing index', async () => {
    const tvm = await SimulatedCvm.start({ vmType: 'tvm' });
    await using _ = tvm;
    await using guest = clientOf(tvm);
    const noIndex = { code: 13, tpmErrorCode: 0x18b, message: expect.stringContaining('0x01400001') };
    await expect(guest.getEvidence()).rejects.toMatchObject(noIndex);
    await expect(guest.getEvidence({ userData: randomBytes(8) })).rejects.toMatchObject({ code: 13 });
  });

  it.each<[string, object]>([
    ['a nonce of 65 bytes', { nonce: new Uint8Array(65) }],
    ['a nonce that is text', { nonce: 'nonce' }],
    ['user data of 65 bytes', { userData: new Uint8Array(65) }],
    ['PCR 24', { pcrs: [24] }],
    ['PCR -1', { pcrs: [-1] }],
    ['PCR 1.5', { pcrs: [1.5] }],
    ['no PCR', { pcrs: [] }],
    ['PCRs that are not an array', { pcrs: 7 }],
  ])('8: %s, before the TPM is asked anything', async (_, options) => {
    const trace = cvm.trace();
    await expect(client.getEvidence(options as never)).rejects.toMatchObject({ code: 8 });
    expect(trace.stop()).toEqual([]);
  });
});

describe('user data', () => {
  it.each([0, 1, 64])('of %i bytes is in the report, zero-padded', async (size) => {
    const userData = randomBytes(size);
    const evidence = await client.getEvidence({ userData, quote: false, certificates: false });
    expect(userDataOf(evidence)).toBe(userData.toString('hex').padEnd(128, '0'));
  });

  it('of calls at the same time does not get mixed up', async () => {
    const all = Array.from({ length: 3 }, () => randomBytes(16));
    const reports = await Promise.all(
      all.map((userData) => client.getEvidence({ userData, quote: false, certificates: false })),
    );
    expect(reports.map(userDataOf)).toEqual(all.map((userData) => userData.toString('hex').padEnd(128, '0')));
  }, 30_000);

  it('9: on a platform that does not carry any', async () => {
    const older = await SimulatedCvm.start({ tpm: { hclReport: { olderClaims: true } } });
    await using _ = older;
    await using guest = clientOf(older);
    await expect(guest.getEvidence({ userData: randomBytes(8) })).rejects.toMatchObject({ code: 9 });
  });

  it('9: when the platform goes on returning an old report', async () => {
    const stale = await SimulatedCvm.start({ tpm: { hclReport: { refreshMs: 3_600_000 } } });
    await using _ = stale;
    await using guest = clientOf(stale);
    await expect(guest.getEvidence({ userData: randomBytes(8) })).rejects.toMatchObject({ code: 9 });
  }, 30_000);

  it('is not waited for once the signal aborts, nor does it hold the next caller up', async () => {
    const signal = AbortSignal.timeout(200);
    const first = client.getEvidence({ userData: randomBytes(8), quote: false, certificates: false });
    const aborted = client.getEvidence({ userData: randomBytes(8), signal });
    const third = randomBytes(8);
    const last = client.getEvidence({ userData: third, quote: false, certificates: false });
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    await first;
    expect(userDataOf(await last)).toBe(third.toString('hex').padEnd(128, '0'));
  }, 30_000);
});

describe('a quote', () => {
  it('is taken again when a PCR changes between quoting and reading', async () => {
    const run = () => cvm.extendPcr(16, randomBytes(32));
    cvm.tpm.injectFault({ command: 'PCR_Read', action: { kind: 'before', run } });
    const nonce = randomBytes(8);
    const trace = cvm.trace();
    const evidence = await client.getEvidence({ nonce });
    trace.stop();
    expect(trace.counts()).toMatchObject({ Quote: 2 });
    const result = await explainEvidence(evidence, { nonce, ...cvm.verification });
    expect(failed(result)).toEqual([]);
  });

  it('is of the same PCR state as the certified key', async () => {
    const other = await SimulatedCvm.start();
    await using _ = other;
    await using guest = clientOf(other);
    // Strikes after the quote, when the PCRs are read for the key's policy: three reads come before, for the quote.
    const run = () => other.extendPcr(7, randomBytes(32));
    other.tpm.injectFault({ command: 'PCR_Read', nth: 4, action: { kind: 'before', run } });
    const trace = other.trace();
    const evidence = await guest.getEvidence();
    expect(trace.counts()).toMatchObject({ Quote: 2 });
    const result = await explainEvidence(evidence, other.verification);
    expect(failed(result)).toEqual([]);
    expect(evidence.ephemeralKey).toBeDefined();
  });

  it('comes with certificates or not at all: the failure of either ends both', async () => {
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'answer', status: 403 });
    await expect(client.getEvidence()).rejects.toMatchObject({ code: 5 });
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'hang' });
    cvm.tpm.injectFault({ command: 'Quote', action: { kind: 'error', responseCode: 0x101 } });
    await expect(client.getEvidence()).rejects.toMatchObject({ code: 13 });
  });
});
