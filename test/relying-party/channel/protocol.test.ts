import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  batchUserData,
  challengeDigest,
  channelBinding,
  decodeAsk,
  decodeEvidence,
  encodeAsk,
  encodeEvidence,
} from '../../../lib/relying-party/channel/protocol.js';
import { CHANNEL_REFUSALS } from '../../../lib/relying-party/index.js';

const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
const facts = fc.record({
  role: fc.constantFrom('server' as const, 'client' as const),
  flags: fc.constantFrom(0, 1),
  challenge: bytes(32),
  exporter: bytes(32),
  spkiSha256: fc.option(bytes(32), { nil: undefined }),
});
const text = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const challenge = Buffer.alloc(32, 7).toString('base64url');

describe('binding of the attested channel', () => {
  it('is the hash that the documentation gives', () => {
    const expected = createHash('sha256')
      .update('cvm-guest-attestation channel v1\0server\0\x01')
      .update(Buffer.alloc(32, 1))
      .update(Buffer.alloc(32, 2))
      .update(Buffer.alloc(32, 3))
      .digest('hex');
    const binding = channelBinding({
      role: 'server',
      flags: 1,
      challenge: Buffer.alloc(32, 1),
      exporter: Buffer.alloc(32, 2),
      spkiSha256: Buffer.alloc(32, 3),
    });
    expect(Buffer.from(binding).toString('hex')).toBe(expected);
  });

  it('differs whenever one of its facts differs', () => {
    fc.assert(
      fc.property(facts, facts, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other);
        const zeros = new Uint8Array(32);
        const alike = (spki: Uint8Array | undefined) => Buffer.from(spki ?? zeros).toString('hex');
        fc.pre(same || alike(one.spkiSha256) !== alike(other.spkiSha256) || one.role !== other.role);
        expect(Buffer.compare(channelBinding(one), channelBinding(other)) === 0).toBe(same);
      }),
    );
  });

  it('of a batch depends on every challenge and on their order', () => {
    const [a, b] = [challengeDigest(Buffer.alloc(32, 1)), challengeDigest(Buffer.alloc(32, 2))];
    const digests = [[a], [b], [a, b], [b, a]].map((batch) => Buffer.from(batchUserData(batch)).toString('hex'));
    expect(new Set(digests).size).toBe(4);
  });
});

describe('messages of the attested channel', () => {
  it('come back as they were encoded', () => {
    const ask = { challenge: new Uint8Array(32).fill(7), freshReport: true };
    expect(decodeAsk(Buffer.from(encodeAsk(ask)))).toEqual(ask);
    const answer = { flags: 1, evidence: { version: 1 }, batch: [new Uint8Array(32)], challenge: new Uint8Array(32) };
    expect(decodeEvidence(Buffer.from(encodeEvidence(answer)))).toEqual(answer);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['no JSON', Buffer.from('{')],
    ['an array', text([])],
    ['another version', text({ version: 2, challenge })],
    ['a version as text', text({ version: '1', challenge })],
    ['an unknown member', text({ version: 1, challenge, exporter: challenge })],
    ['a member twice', Buffer.from(`{"version":1,"challenge":"${challenge}","challenge":"${challenge}"}`)],
    ['a short challenge', text({ version: 1, challenge: challenge.slice(2) })],
    ['a long challenge', text({ version: 1, challenge: `${challenge}AA` })],
    ['a challenge in base64', text({ version: 1, challenge: Buffer.alloc(32, 0xff).toString('base64') })],
    ['a challenge with a bit too many', text({ version: 1, challenge: `${challenge.slice(0, -1)}d` })],
    ['freshReport false', text({ version: 1, challenge, freshReport: false })],
    ['deep nesting', Buffer.from(`{"version":1,"challenge":${'['.repeat(64)}${']'.repeat(64)}}`)],
  ])('refuse a question of %s', (_what, body) => {
    expect(() => decodeAsk(body)).toThrow(expect.objectContaining({ code: 'ERR_CHANNEL_MESSAGE' }));
  });

  it.each([
    ['without flags', { version: 1, evidence: {} }, 'ERR_CHANNEL_MESSAGE'],
    ['with flags as text', { version: 1, flags: '1', evidence: {} }, 'ERR_CHANNEL_MESSAGE'],
    ['with an undefined flag', { version: 1, flags: 2, evidence: {} }, 'ERR_CHANNEL_FLAGS'],
    ['with flags beyond a byte', { version: 1, flags: 257, evidence: {} }, 'ERR_CHANNEL_FLAGS'],
    ['with evidence as text', { version: 1, flags: 0, evidence: '{}' }, 'ERR_CHANNEL_MESSAGE'],
    ['with an empty batch', { version: 1, flags: 0, evidence: {}, batch: [] }, 'ERR_CHANNEL_MESSAGE'],
    [
      'with a batch of 17',
      { version: 1, flags: 0, evidence: {}, batch: Array(17).fill(challenge) },
      'ERR_CHANNEL_MESSAGE',
    ],
  ])('refuse an answer %s', (_what, message, code) => {
    expect(() => decodeEvidence(text(message))).toThrow(expect.objectContaining({ code }));
  });

  it('are never read beyond their limit, and never crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (body) => {
        for (const decode of [decodeAsk, decodeEvidence]) {
          try {
            decode(body);
          } catch (error) {
            expect(error).toHaveProperty('code', expect.stringMatching(/^ERR_CHANNEL_/));
          }
        }
      }),
    );
    expect(() => decodeAsk(Buffer.alloc(3 * 1024 * 1024, 0x20))).toThrow('too large');
  });
});

describe('refusals of the attested channel', () => {
  it('are documented, each with its sentence', () => {
    const text = readFileSync(new URL('../../../docs/attested-channel.md', import.meta.url), 'utf8');
    const table = /<!-- codes -->(.*)<!-- \/codes -->/s.exec(text)?.[1] ?? '';
    const rows = [...table.matchAll(/^\| `(\w+)` +\| (.*?) +\|$/gm)].map(([, code, sentence]) => [code, sentence]);
    expect(rows).toEqual(Object.entries(CHANNEL_REFUSALS));
  });
});
