import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { internalEvidence } from '../../lib/guest/internal-evidence.js';
import { type AttestationClient, type EvidenceOptions, parseTpmsAttest } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from './client.js';

let cvm: SimulatedCvm;
let client: AttestationClient;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm);
});
afterAll(async () => {
  await client?.close();
  await cvm?.stop();
});

const quoted = async (options: EvidenceOptions): Promise<string> => {
  const { quote } = await client.getEvidence({ certificates: false, pcrs: [0], ...options });
  return Buffer.from(parseTpmsAttest(quote?.message ?? new Uint8Array()).extraData).toString('hex');
};
const expected = (context: string, nonce: Uint8Array): string =>
  `${Buffer.from('CGA-qdv1').toString('hex')}${createHash('sha256').update(`${context}\0`).update(nonce).digest('hex')}`;

describe('getEvidence with a context', () => {
  it.each([1, 32, 57, 64])('quotes CGA-qdv1 and the hash of context and a nonce of %i bytes', async (size) => {
    const nonce = randomBytes(size);
    expect(await quoted({ nonce, context: 'my-protocol-v1' })).toBe(expected('my-protocol-v1', nonce));
  });

  it.each<[string, object]>([
    ['a context without a nonce', { context: 'mine' }],
    ['a context that is empty', { context: '', nonce: randomBytes(8) }],
    ['a context in capitals', { context: 'Mine', nonce: randomBytes(8) }],
    ['a context of 33 characters', { context: 'a'.repeat(33), nonce: randomBytes(8) }],
    ['a context that is undefined', { context: undefined, nonce: randomBytes(8) }],
    ['a nonce without a quote', { quote: false, nonce: randomBytes(8) }],
    [
      'a raw nonce that is the qualifying data of a context',
      { nonce: Buffer.from(expected('channel-v1', Buffer.alloc(32)), 'hex') },
    ],
    ['a raw nonce that begins with CGA-qdv1', { nonce: Buffer.from('CGA-qdv1') }],
    ...['channel-v1', 'pop-v1', 'verifier-v1', 'kbs-v1', 'cga-', 'cga-mine'].map((context): [string, object] => [
      `the reserved context ${context}`,
      { context, nonce: randomBytes(8) },
    ]),
  ])('is refused with 8: %s', async (_, options) => {
    await expect(client.getEvidence(options)).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });

  it('is open to the protocols of the package for their own contexts, by an entry that is not exported', async () => {
    const nonce = randomBytes(32);
    const { quote } = await internalEvidence(client, { nonce, context: 'channel-v1', certificates: false });
    const { extraData } = parseTpmsAttest(quote?.message ?? new Uint8Array());
    expect(Buffer.from(extraData).toString('hex')).toBe(expected('channel-v1', nonce));
    await expect(
      internalEvidence(client, { nonce: Buffer.from(expected('channel-v1', nonce), 'hex') }),
    ).rejects.toMatchObject({ code: 8 });
    expect(Object.keys(await import('../../lib/index.js')).filter((name) => /internal/i.test(name))).toEqual([]);
  });

  it('copies the nonce when it is called', async () => {
    const nonce = randomBytes(32);
    const copy = Buffer.from(nonce);
    const result = quoted({ nonce, context: 'mine' });
    nonce.fill(0);
    expect(await result).toBe(expected('mine', copy));
  });
});
