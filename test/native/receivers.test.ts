import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { native } from '../../lib/native.js';

/** One object of each class of the addon that the public API does not hand out itself. */
function objects(): object[] {
  const { ContentKey, SecretBuffer, RsaPublicKey, SessionSealer, SessionOpener, ChunkSealer, ChunkOpener, PublicKey } =
    native();
  const jwk = createPublicKey(
    generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' }),
  ).export({ format: 'jwk' });
  const n = new Uint8Array(Buffer.from(jwk.n as string, 'base64url'));
  const e = new Uint8Array([1, 0, 1]);
  const key = new ContentKey();
  const sealer = new ChunkSealer(key, new Uint8Array());
  return [
    key,
    sealer,
    new ChunkOpener(key, sealer.prefix, new Uint8Array()),
    new SessionSealer(key, new Uint8Array(), 10),
    new SessionOpener(key, new Uint8Array(), true, 0),
    new RsaPublicKey(n, e),
    new PublicKey('rsa', n, e),
    new SecretBuffer(new Uint8Array(4)),
  ];
}

describe('the addon’s objects', () => {
  const all = objects();
  const members = all.flatMap((owner) => {
    const prototype = Object.getPrototypeOf(owner) as object;
    return Object.entries(Object.getOwnPropertyDescriptors(prototype))
      .filter(([name]) => name !== 'constructor')
      .map(([name, { get, value }]) => ({ owner, name, call: (get ?? value) as (this: unknown) => unknown }));
  });
  const foreign = [
    {},
    null,
    undefined,
    1,
    Object.create(all[0] as object),
    new Proxy(all[0] as object, {}),
    new Date(),
  ];

  it('have accessors and methods to look at', () => {
    expect(members.length).toBeGreaterThan(25);
  });

  it.each(members.map((member) => ({ ...member, of: (member.owner.constructor as { name: string }).name })))(
    '$of.$name refuses every receiver of another class instead of reading its memory',
    ({ owner, call }) => {
      for (const receiver of [...foreign, ...all.filter((other) => other !== owner)]) {
        expect(() => Reflect.apply(call, receiver, [])).toThrow();
      }
    },
  );
});
