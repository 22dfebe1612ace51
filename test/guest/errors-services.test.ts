import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AttestationClient } from '../../lib/index.js';
import {
  attestationPaths,
  type Behaviour,
  type EnvelopeOptions,
  imdsPaths,
  SimulatedCvm,
} from '../../lib/simulator/index.js';
import { clientOf, type Expected, fails } from './client.js';

let cvm: SimulatedCvm;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
});
afterEach(() => {
  cvm.imds.clearBehaviours();
  cvm.attestation.clearBehaviours();
});
afterAll(() => cvm?.stop());

const attest = (client: AttestationClient) => client.attest({ attestationUrl: cvm.attestationUrl });

describe('trouble with the metadata service', () => {
  it.each<[string, Expected, Behaviour]>([
    ['16: no JSON', { code: 16 }, { kind: 'answer', body: '<html>' }],
    ['16: JSON of another kind', { code: 16 }, { kind: 'answer', body: '[]' }],
    ['16: too much', { code: 16 }, { kind: 'oversized', bytes: 300_000 }],
    ['17: no certificate', { code: 17 }, { kind: 'answer', body: { certificateChain: 'x' } }],
    ['17: no chain', { code: 17 }, { kind: 'modify', modify: withoutChain }],
    ['17: a certificate that is an object', { code: 17 }, { kind: 'answer', body: { vcekCert: {} } }],
    ['18: nothing', { code: 18 }, { kind: 'answer', body: '' }],
    ['4: 404 for ever', { code: 4, status: 404 }, { kind: 'answer', status: 404, times: 99 }],
    ['4: 429 for ever', { code: 4, status: 429 }, { kind: 'answer', status: 429, times: 99 }],
    ['5: 403', { code: 5, status: 403 }, { kind: 'answer', status: 403 }],
    ['7: silence', { code: 7 }, { kind: 'hang', times: 99 }],
    ['7: a closed connection', { code: 7 }, { kind: 'close', times: 99 }],
  ])('%s', async (_, expected, behaviour) => {
    cvm.imds.respond(imdsPaths.thimCertification, behaviour);
    await fails(cvm, expected, attest, patience(behaviour));
    cvm.imds.clearBehaviours();
    cvm.imds.respond(imdsPaths.thimCertification, behaviour);
    await fails(cvm, expected, (client) => client.getEvidence(), patience(behaviour));
  });

  it('is waited for where a repetition helps', async () => {
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'answer', status: 404, times: 3 });
    await attestOnce();
  });
});

describe('trouble with the attestation service', () => {
  it.each<[string, Expected, Behaviour]>([
    [
      '6: 400, with its words',
      { code: 6, status: 400, message: 'PCR digest does not match' },
      {
        kind: 'answer',
        status: 400,
        body: { error: { code: 'InvalidParameter', message: 'PCR digest\ndoes not match' } },
      },
    ],
    ['5: 401', { code: 5, status: 401 }, { kind: 'answer', status: 401 }],
    ['5: 404', { code: 5, status: 404 }, { kind: 'answer', status: 404 }],
    ['5: a redirect', { code: 5, status: 302 }, { kind: 'answer', status: 302, headers: { location: '/other' } }],
    ['4: 408 for ever', { code: 4, status: 408 }, { kind: 'answer', status: 408, times: 99 }],
    [
      '4: 429 for ever',
      { code: 4, status: 429 },
      { kind: 'answer', status: 429, times: 99, headers: { 'retry-after': '31536000' } },
    ],
    ['4: 500 for ever', { code: 4, status: 500 }, { kind: 'answer', status: 500, times: 99, body: 'down' }],
    ['7: silence', { code: 7 }, { kind: 'hang' }],
    ['7: silence after the headers', { code: 7 }, { kind: 'hang-after-headers' }],
    ['7: half an answer', { code: 7 }, { kind: 'close-mid-body' }],
    ['7: byte by byte', { code: 7 }, { kind: 'drip', intervalMs: 50 }],
    ['28: no JSON', { code: 28 }, { kind: 'answer', body: '<html>' }],
    ['28: nothing', { code: 28 }, { kind: 'answer', body: '' }],
    ['28: an array', { code: 28 }, { kind: 'answer', body: '["token"]' }],
    ['28: too much', { code: 28 }, { kind: 'oversized', bytes: 1_100_000 }],
    ['14: no token', { code: 14 }, { kind: 'answer', body: {} }],
    ['14: an empty token', { code: 14 }, { kind: 'answer', body: { token: '' } }],
    ['14: a token that is a number', { code: 14 }, { kind: 'answer', body: { token: 7 } }],
    ['14: a token that is not an envelope', { code: 14 }, { kind: 'answer', body: { token: 'e30' } }],
  ])('%s', async (_, expected, behaviour) => {
    cvm.attestation.respond(attestationPaths.guest, behaviour);
    await fails(cvm, expected, attest, patience(behaviour));
  });

  it('7: nobody there, no such name, an untrusted certificate', async () => {
    const secure = await SimulatedCvm.start({ attestation: { tls: true } });
    await using _ = secure;
    for (const attestationUrl of ['https://127.0.0.1:9', 'https://attest.invalid', secure.attestationUrl]) {
      await fails(cvm, { code: 7 }, (client) => client.attest({ attestationUrl }));
    }
    const trusting = clientOf(secure, { ca: secure.ca ?? '' });
    await using __ = trusting;
    expect(await trusting.attest({ attestationUrl: secure.attestationUrl })).toMatch(/^ey/);
  });

  it('is waited for where a repetition helps', async () => {
    cvm.attestation.respond(
      attestationPaths.guest,
      { kind: 'answer', status: 503 },
      { kind: 'answer', status: 429, headers: { 'retry-after': '0' } },
    );
    await attestOnce();
  });

  it('may be reached by a fetch of the caller', async () => {
    const urls: string[] = [];
    const viaProxy: typeof fetch = (input, init) => {
      urls.push(String(input));
      return fetch(input, init);
    };
    await using client = clientOf(cvm, { fetch: viaProxy });
    await attest(client);
    // Not the metadata service, which is never reached through it.
    expect(urls).toEqual([`${cvm.attestationUrl}/attest/AzureGuest?api-version=2020-10-01`]);
  });
});

describe('trouble with the token', () => {
  it.each<[string, EnvelopeOptions]>([
    ['a tag of 12 bytes', { tagLength: 12 }],
    ['another cipher', { modify: (envelope) => ({ ...envelope, EncryptionParams: { Cipher: 'DES' } }) }],
    ['something that is not an object', { modify: () => 'envelope' }],
  ])('14: sealed as %s', async (_, envelope) => {
    cvm.attestation.sealNext(envelope);
    await fails(cvm, { code: 14 }, attest);
    await attestOnce();
  });

  it('14: sealed with other additional data, each time', async () => {
    const envelope = { additionalData: 'transport key' };
    cvm.attestation.sealNext(envelope, envelope);
    await fails(cvm, { code: 14 }, attest);
    await attestOnce();
  });

  const attestWithInnerKey = async (block: Buffer): Promise<void> => {
    const wrong = {
      modify: (envelope: object) => ({ ...envelope, EncryptedInnerKey: block.toString('base64') }),
    };
    cvm.attestation.sealNext(wrong, wrong);
    const client = clientOf(cvm);
    await using _ = client;
    await attest(client);
  };

  it('15: its TPM refuses the wrapped key', async () => {
    await expect(attestWithInnerKey(Buffer.alloc(256, 0xff))).rejects.toMatchObject({
      code: 15,
      tpmErrorCode: expect.toSatisfy((rc: number) => rc > 0),
    });
  });

  it('15, or 14 where the TPM makes bytes up (OpenSSL 3.2): its key is wrapped for another TPM', async () => {
    await expect(attestWithInnerKey(Buffer.alloc(256, 1))).rejects.toMatchObject({
      code: expect.toSatisfy((code: number) => code === 15 || code === 14),
    });
  });

  it('is asked for again when it cannot be opened, with new evidence', async () => {
    cvm.attestation.sealNext({ additionalData: 'transport key' });
    const before = cvm.attestation.requests.length;
    await attestOnce();
    const [first, second] = cvm.attestation.requests.slice(before);
    expect(second?.body.equals(first?.body ?? Buffer.alloc(0))).toBe(false);
  });

  it('survives a reboot between the evidence and the answer', async () => {
    const machine = await SimulatedCvm.start();
    await using _ = machine;
    await using client = clientOf(machine);
    await client.attest({ attestationUrl: machine.attestationUrl });
    const { requests } = machine.attestation;
    const before = requests.length;
    machine.attestation.respond(attestationPaths.guest, { kind: 'delay', ms: 2_000 });
    const attested = client.attest({ attestationUrl: machine.attestationUrl });
    await vi.waitUntil(() => requests.length > before, { timeout: 20_000 });
    await machine.reboot();
    expect(await attested).toMatch(/^ey/);
    // The evidence that was sent first is of no use after the reboot.
    expect(requests.length).toBe(before + 2);
  });
});

/** A short timeout for those that never end by themselves, and for no others: a busy machine is slow. */
function patience({ kind }: Behaviour): { timeoutMs?: number } {
  return kind.startsWith('hang') || kind === 'drip' ? { timeoutMs: 700 } : {};
}

async function attestOnce(): Promise<void> {
  await using client = clientOf(cvm);
  expect(await attest(client)).toMatch(/^ey/);
}

function withoutChain(answer: { status: number; headers: Record<string, string>; body: Buffer }) {
  const { certificateChain: _, ...rest } = JSON.parse(answer.body.toString('utf8'));
  return { ...answer, body: Buffer.from(JSON.stringify(rest)) };
}
