import { createHmac, hkdfSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  CHALLENGE_REFUSALS,
  type ChallengeOptions,
  challengeBytes,
  createChallenges,
  memoryReplayStore,
  type ReplayStore,
} from '../../lib/relying-party/index.js';

const secret = Buffer.alloc(32, 7);
const LIFETIME = 300_000;
const TOLERANCE = 60_000;

const challenges = (more: Partial<ChallengeOptions> = {}) =>
  createChallenges({ secret, store: memoryReplayStore(), ...more });

/** The code that a promise is rejected with, or `resolved`. */
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'resolved',
    (error: { code?: unknown }) => error.code ?? error,
  );

/** A challenge made from the specification, not by the library. */
function specified(fields: {
  expiry: number;
  context?: string;
  lifetimeMs?: number;
  secret?: Buffer;
  random?: Buffer;
}) {
  const context = Buffer.from(fields.context ?? '');
  const head = Buffer.alloc(25);
  head[0] = 1;
  (fields.random ?? Buffer.alloc(16, 0xab)).copy(head, 1);
  head.writeBigUInt64BE(BigInt(fields.expiry), 17);
  const tail = Buffer.alloc(6);
  tail.writeUInt32BE(fields.lifetimeMs ?? LIFETIME);
  tail.writeUInt16BE(context.length, 4);
  const info = 'cvm-guest-attestation challenge v1';
  const key = Buffer.from(hkdfSync('sha256', fields.secret ?? secret, new Uint8Array(0), info, 32));
  const mac = createHmac('sha256', key)
    .update(Buffer.concat([head, tail, context]))
    .digest();
  return Buffer.concat([head, mac]).toString('base64url');
}

describe('createChallenges', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('issues 76 characters of base64url that are redeemed once', async () => {
    const one = challenges();
    const challenge = one.issue();
    expect(challenge).toMatch(/^[A-Za-z0-9_-]{76}$/);
    expect(challengeBytes(challenge)).toHaveLength(57);
    await one.redeem(challenge);
    expect(await codeOf(one.redeem(challenge))).toBe('ERR_CHALLENGE_USED');
  });

  it('issues byte for byte what the specification says', () => {
    const one = challenges();
    for (const context of [undefined, 'pop-v1', 'é'.repeat(32)]) {
      const challenge = one.issue(context);
      const bytes = Buffer.from(challengeBytes(challenge));
      const expiry = Number(bytes.readBigUInt64BE(17));
      expect(expiry).toBe(Date.now() + LIFETIME);
      const random = bytes.subarray(1, 17);
      expect(challenge).toBe(specified({ expiry, random, ...(context !== undefined && { context }) }));
    }
  });

  it('redeems what another implementation of the specification made', async () => {
    const challenge = specified({ expiry: Date.now() + 1000, context: 'kbs-v1' });
    await expect(challenges().redeem(challenge, 'kbs-v1')).resolves.toBeUndefined();
  });

  it('claims the 16 random bytes for the lifetime and twice the tolerance, with the earliest possible time of issue', async () => {
    const claim = vi.fn<ReplayStore['claim']>(async () => true);
    const expiry = Date.now() + 1234;
    await challenges({ store: { claim } }).redeem(specified({ expiry }));
    expect(claim.mock.calls).toEqual([
      [`challenge:${'ab'.repeat(16)}`, LIFETIME + 2 * TOLERANCE, expiry - LIFETIME - TOLERANCE],
    ]);
  });

  it('tells what was issued by any of its secrets, and signs with the first', async () => {
    const store = memoryReplayStore();
    const [old, next] = [Buffer.alloc(32, 1), Buffer.alloc(40, 2)];
    const before = challenges({ secret: old, store });
    const during = challenges({ secret: [next, old], store });
    const after = challenges({ secret: [next], store });
    await during.redeem(before.issue());
    await after.redeem(during.issue());
    expect(await codeOf(after.redeem(before.issue()))).toBe('ERR_CHALLENGE_MAC');
  });

  it('does not let another replica redeem a challenge again', async () => {
    const store = memoryReplayStore();
    const [one, other] = [challenges({ store }), challenges({ store })];
    const challenge = one.issue();
    const outcomes = await Promise.all([one, other, one, other].map((replica) => codeOf(replica.redeem(challenge))));
    expect(outcomes.filter((outcome) => outcome === 'resolved')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === 'ERR_CHALLENGE_USED')).toHaveLength(3);
  });

  it.each([
    ['another context', 'pop-v1', 'kbs-v1'],
    ['a context where none is expected', 'pop-v1', undefined],
    ['no context where one is expected', undefined, 'pop-v1'],
  ])('refuses a challenge of %s', async (_, issued, redeemed) => {
    const one = challenges();
    expect(await codeOf(one.redeem(one.issue(issued), redeemed))).toBe('ERR_CHALLENGE_MAC');
  });

  it('refuses a challenge of a deployment with another lifetime', async () => {
    const challenge = challenges({ lifetimeMs: 200_000 }).issue();
    expect(await codeOf(challenges().redeem(challenge))).toBe('ERR_CHALLENGE_MAC');
  });

  it('refuses every challenge with one bit changed', async () => {
    const one = challenges();
    const bytes = Buffer.from(one.issue(), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const altered = Buffer.from(bytes);
      altered[bit >> 3] = (altered[bit >> 3] as number) ^ (1 << (bit & 7));
      const code = await codeOf(one.redeem(altered.toString('base64url')));
      expect(code).toBe(bit < 8 ? 'ERR_CHALLENGE_FORMAT' : 'ERR_CHALLENGE_MAC');
    }
    await one.redeem(bytes.toString('base64url'));
  });

  it.each([
    ['padding', (text: string) => `${text}=`],
    ['a blank', (text: string) => `${text} `],
    ['a newline within', (text: string) => `${text.slice(0, 40)}\n${text.slice(40)}`],
    ['the standard alphabet', (text: string) => `+${text.slice(1)}`],
    ['one character less', (text: string) => text.slice(1)],
    ['nothing', () => ''],
    ['undefined', () => undefined],
    ['an object', () => ({ length: 76 })],
    ['a megabyte', () => 'A'.repeat(1 << 20)],
  ])('refuses another spelling: %s', async (_, change) => {
    const one = challenges();
    const code = await codeOf(one.redeem(change(one.issue()) as string));
    expect(code).toBe('ERR_CHALLENGE_FORMAT');
  });

  it('refuses a challenge from its expiry on, without tolerance', async () => {
    const one = challenges();
    const [early, late] = [one.issue(), one.issue()];
    vi.setSystemTime(Date.now() + LIFETIME - 1);
    await one.redeem(early);
    vi.setSystemTime(Date.now() + 1);
    expect(await codeOf(one.redeem(late))).toBe('ERR_CHALLENGE_EXPIRED');
  });

  it('refuses a challenge that expires later than the tolerance explains', async () => {
    const one = challenges();
    const now = Date.now();
    await one.redeem(specified({ expiry: now + LIFETIME + TOLERANCE, random: Buffer.alloc(16, 1) }));
    const tooLate = specified({ expiry: now + LIFETIME + TOLERANCE + 1 });
    expect(await codeOf(one.redeem(tooLate))).toBe('ERR_CHALLENGE_FUTURE');
    const never = specified({ expiry: Number.MAX_SAFE_INTEGER + 1 });
    expect(await codeOf(one.redeem(never))).toBe('ERR_CHALLENGE_FUTURE');
  });

  it('redeems between replicas whose clocks are 30 s apart, and once', async () => {
    const one = challenges();
    const now = Date.now();
    for (const difference of [30_000, -30_000]) {
      const challenge = one.issue();
      vi.setSystemTime(now + difference);
      await one.redeem(challenge);
      vi.setSystemTime(now);
      expect(await codeOf(one.redeem(challenge))).toBe('ERR_CHALLENGE_USED');
    }
  });

  it('refuses a challenge that expired while the store was thinking', async () => {
    const challenge = challenges().issue();
    const claim = async (): Promise<boolean> => {
      vi.setSystemTime(Date.now() + LIFETIME);
      return true;
    };
    expect(await codeOf(challenges({ store: { claim } }).redeem(challenge))).toBe('ERR_CHALLENGE_EXPIRED');
  });

  it.each([
    ['says no', async () => false, 'ERR_CHALLENGE_USED'],
    ['fails', () => Promise.reject(new Error('gone')), 'ERR_STORE_UNAVAILABLE'],
    [
      'throws',
      () => {
        throw new Error('gone');
      },
      'ERR_STORE_UNAVAILABLE',
    ],
    ['never answers', () => new Promise<boolean>(() => {}), 'ERR_STORE_TIMEOUT'],
    ['answers with something else than true', async () => 1 as unknown as boolean, 'ERR_CHALLENGE_USED'],
  ])('refuses when the store %s', async (_, claim, code) => {
    const one = challenges({ store: { claim }, storeDeadlineMs: 50 });
    expect(await codeOf(one.redeem(one.issue()))).toBe(code);
    expect(CHALLENGE_REFUSALS).toHaveProperty(code as string);
  });

  it('does not ask the store about what it did not issue', async () => {
    const claim = vi.fn<ReplayStore['claim']>(async () => true);
    const one = challenges({ store: { claim } });
    await codeOf(one.redeem(challenges({ secret: Buffer.alloc(32, 9) }).issue()));
    await codeOf(one.redeem(specified({ expiry: Date.now() - 1 })));
    expect(claim).not.toHaveBeenCalled();
  });

  it.each([
    ['a short secret', { secret: Buffer.alloc(31) }],
    ['no secret', { secret: [] }],
    ['five secrets', { secret: Array.from({ length: 5 }, () => Buffer.alloc(32)) }],
    ['a string as secret', { secret: 'x'.repeat(32) }],
    ['a lost store', { store: undefined }],
    ['a store that is none', { store: {} }],
    ['a lost lifetime', { lifetimeMs: undefined }],
    ['a lifetime of zero', { lifetimeMs: 0 }],
    ['a string as tolerance', { clockToleranceMs: '60000' }],
    ['a misspelt option', { lifetime: 1000 }],
  ])('is not made with %s', (_, wrong) => {
    expect(() => challenges(wrong as never)).toThrow(expect.objectContaining({ code: 8 }));
  });

  it.each(['', 'x'.repeat(33), 7, null, '\ud800'])('refuses the context %j as an error of the caller', (context) => {
    expect(() => challenges().issue(context as string)).toThrow(expect.objectContaining({ code: 8 }));
  });

  it('keeps a copy of its secret', async () => {
    const given = Buffer.alloc(32, 3);
    const one = challenges({ secret: given });
    const challenge = one.issue();
    given.fill(0);
    await one.redeem(challenge);
  });
});
