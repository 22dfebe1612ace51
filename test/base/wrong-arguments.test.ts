import { afterAll, describe, expect, it } from 'vitest';
import * as guest from '../../lib/index.js';
import * as relyingParty from '../../lib/relying-party/index.js';
import * as anywhere from '../../lib/verify.js';

// Whatever a caller hands over, he gets an error of this package that says what was wrong: never a TypeError from inside.

const trap = () => {
  throw new RangeError('a trap of a Proxy');
};
const revoked = <T extends object>(target: T): T => {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
};
function detached(): Uint8Array {
  const bytes = new Uint8Array(16);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}
class LyingBytes extends Uint8Array {
  override get length() {
    return 1e9;
  }
  override get byteLength() {
    return 1e9;
  }
}

const WRONG: Readonly<Record<string, unknown>> = {
  undefined: undefined,
  null: null,
  'a number': 5,
  NaN: Number.NaN,
  'a bigint': 10n,
  'an empty text': '',
  'a long text': 'a'.repeat(1e6),
  'a symbol': Symbol('s'),
  'an empty object': {},
  'a list': [],
  'no bytes': new Uint8Array(0),
  'bytes of no structure': new Uint8Array(3000).fill(255),
  'a Proxy that throws': new Proxy({}, { get: trap, has: trap, ownKeys: trap, getPrototypeOf: trap }),
  'a revoked Proxy': revoked({}),
  'a revoked Proxy of a function': revoked(() => {}),
  'bytes that lie about their length': new LyingBytes(10),
  'bytes that were transferred away': detached(),
  'a function': () => {},
  'an invalid date': new Date(Number.NaN),
  'a Map': new Map(),
  'a promise': Promise.resolve(1),
  'an object without prototype': Object.create(null),
  'shared memory': new Uint8Array(new SharedArrayBuffer(32)),
  'numbers of 16 bits': new Uint16Array(8),
  'an ArrayBuffer': new ArrayBuffer(8),
  'JSON with a member twice': '{"a":1,"a":2}',
  'JSON of great depth': '['.repeat(1e5),
};
const OTHERS: readonly unknown[] = [{}, 'eyJ.e.x', new Uint8Array(100)];
const OURS = new Set(['AttestationError', 'VerificationError', 'RefusedRequest', 'AbortError']);

type Anything = (...args: unknown[]) => unknown;

/** What a call with each wrong value, in each of the first three places, threw that is not an error of this package. */
async function strangeErrors(call: Anything): Promise<string[]> {
  const strange: string[] = [];
  for (const [words, value] of Object.entries(WRONG)) {
    for (const place of [0, 1, 2]) {
      for (const other of OTHERS) {
        const args = [other, other, other];
        args[place] = value;
        try {
          const made = await call(...args);
          // Some are right after all: nothing that they opened stays open.
          if (typeof made === 'object' && made !== null && 'close' in made) await (made.close as Anything)?.call(made);
        } catch (error) {
          const { name, message } = error as Error;
          if (!OURS.has(name)) strange.push(`${words} as argument ${place + 1}: ${name}: ${message.slice(0, 80)}`);
        }
      }
    }
  }
  return strange;
}

const isClass = (value: Anything): boolean => Function.prototype.toString.call(value).startsWith('class');
const called = (of: Anything): Anything =>
  isClass(of) ? (...args) => Reflect.construct(of, args) : (...args) => of(...args);

describe.each([
  ['cvm-guest-attestation', guest],
  ['cvm-guest-attestation/verify', anywhere],
  ['cvm-guest-attestation/relying-party', relyingParty],
])('wrong arguments of %s', (_, entry) => {
  const functions = Object.entries(entry as Record<string, unknown>).filter(
    // Constructors of errors take what they are given.
    (member): member is [string, Anything] => typeof member[1] === 'function' && !/Error$|Refused/.test(member[0]),
  );
  it.each(functions)('%s answers each with an error of this package', async (_name, of) => {
    expect(await strangeErrors(called(of))).toEqual([]);
  });
});

describe('wrong arguments of a client’s methods', () => {
  const client = new guest.AttestationClient({ tcti: 'swtpm:path=/nowhere/at/all', imdsUrl: 'http://127.0.0.1:1' });
  afterAll(() => client.close());

  const methods = Object.getOwnPropertyNames(guest.AttestationClient.prototype).filter(
    (name) => !['constructor', 'close'].includes(name),
  );
  it.each(methods)('%s answers each with an error of this package', async (name) => {
    const method = Object.getOwnPropertyDescriptor(guest.AttestationClient.prototype, name)?.value as unknown;
    if (typeof method !== 'function') return;
    expect(await strangeErrors((...args) => (method as Anything).apply(client, args))).toEqual([]);
  });
});
