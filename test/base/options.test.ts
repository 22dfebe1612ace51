import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { AttestationError } from '../../lib/base/errors.js';
import * as kinds from '../../lib/base/option-kinds.js';
import { checkOptions, nested, type OptionTable, recordOf, required } from '../../lib/base/options.js';

interface Example {
  issuer: string;
  nonce?: Uint8Array;
  allowDebug?: boolean;
  limit?: number;
  inner?: { depth?: number };
  payload?: Record<string, string>;
  names?: readonly string[];
  now?: Date;
  signal?: AbortSignal;
}

const TABLE: OptionTable<Example> = {
  issuer: required(kinds.text),
  nonce: kinds.bytes(1, 64),
  allowDebug: kinds.flag,
  limit: kinds.integer(0, 10),
  inner: nested<NonNullable<Example['inner']>>({ depth: kinds.integer(1, 3) }),
  payload: recordOf(kinds.anyText),
  names: kinds.oneOrMore(kinds.text),
  now: kinds.date,
  signal: kinds.abortSignal,
};

const check = (given: unknown): Example => checkOptions('example', given, TABLE);
const refusal = (given: unknown): unknown => {
  try {
    check(given);
  } catch (error) {
    if (error instanceof AttestationError) return [error.code, error.message];
    throw error;
  }
  return undefined;
};

const issuer = 'https://a';

describe('checkOptions', () => {
  it('returns a copy of what it has checked', () => {
    const nonce = new Uint8Array([1, 2]);
    const names = ['a'];
    const now = new Date(5000);
    const given = { issuer, nonce, names, now, inner: { depth: 1 }, payload: { a: 'b' } };
    const checked = check(given);
    nonce[0] = 9;
    names[0] = 'z';
    now.setTime(1);
    given.inner.depth = 3;
    given.payload.a = 'x';
    expect(checked).toEqual({
      issuer,
      nonce: new Uint8Array([1, 2]),
      names: ['a'],
      now: new Date(5000),
      inner: { depth: 1 },
      payload: { a: 'b' },
    });
  });

  it('takes options of another realm, without a prototype, and with a polluted Object.prototype only for what is own', () => {
    expect(check(runInNewContext('({ issuer: "https://a", inner: { depth: 2 } })'))).toEqual({
      issuer,
      inner: { depth: 2 },
    });
    expect(check(Object.assign(Object.create(null), { issuer }))).toEqual({ issuer });
    Object.defineProperty(Object.prototype, 'allowDebug', { value: true, configurable: true, writable: true });
    try {
      expect(Object.hasOwn(check({ issuer }), 'allowDebug')).toBe(false);
    } finally {
      Reflect.deleteProperty(Object.prototype, 'allowDebug');
    }
  });

  it('treats undefined as absent only for signal and the others that cannot weaken anything', () => {
    expect(check({ issuer, now: undefined, signal: undefined })).toEqual({ issuer });
    for (const name of ['nonce', 'allowDebug', 'limit', 'inner', 'payload', 'names']) {
      expect(refusal({ issuer, [name]: undefined })).toEqual([
        8,
        expect.stringContaining(`${name} is given but undefined`),
      ]);
    }
    expect(refusal({ issuer, inner: { depth: undefined } })).toEqual([
      8,
      expect.stringContaining('inner.depth is given'),
    ]);
    expect(refusal({ issuer, payload: { a: undefined } })).toEqual([8, expect.stringContaining('payload.a is given')]);
  });

  class Options {
    issuer = issuer;
  }
  const hostile: [string, unknown][] = [
    ['null', null],
    ['nothing where something is required', undefined],
    ['a string', 'x'],
    ['an array', [issuer]],
    ['a Map', new Map([['issuer', issuer]])],
    ['an object of a class', new Options()],
    ['options on a prototype', Object.create({ issuer })],
    ['options on a prototype without prototype', Object.create(Object.assign(Object.create(null), { issuer }))],
    [
      'a getter',
      {
        get issuer() {
          return issuer;
        },
      },
    ],
    [
      'a throwing getter',
      {
        get issuer(): string {
          throw new Error('secret');
        },
      },
    ],
    ['a member that is not enumerable', Object.defineProperty({}, 'issuer', { value: issuer })],
    ['a symbol', { issuer, [Symbol('nonce')]: 1 }],
    ['a promise', Promise.resolve({ issuer })],
    [
      'a Proxy that throws',
      new Proxy(
        { issuer },
        {
          getOwnPropertyDescriptor: () => {
            throw new Error('no');
          },
        },
      ),
    ],
    [
      'a Proxy whose keys throw',
      new Proxy(
        { issuer },
        {
          ownKeys: () => {
            throw new Error('no');
          },
        },
      ),
    ],
    [
      'a Proxy whose prototype throws',
      new Proxy(
        { issuer },
        {
          getPrototypeOf: () => {
            throw new Error('no');
          },
        },
      ),
    ],
    ['a revoked Proxy', revoked()],
    [
      'a nested Proxy that throws',
      {
        issuer,
        inner: new Proxy(
          {},
          {
            ownKeys: () => {
              throw new Error('no');
            },
          },
        ),
      },
    ],
    ['a nested Map', { issuer, inner: new Map() }],
    ['a payload of a Map', { issuer, payload: new Map([['a', 'b']]) }],
    ['a payload of an array', { issuer, payload: ['a'] }],
    ['an empty list', { issuer, names: [] }],
    ['a list of something else', { issuer, names: [issuer, 1] }],
    ['a list-like object', { issuer, names: { length: 1, 0: 'a' } }],
    ['a flag in words', { issuer, allowDebug: 'false' }],
    ['a flag as number', { issuer, allowDebug: 0 }],
    ['a flag as null', { issuer, allowDebug: null }],
    ['a number as text', { issuer, limit: '5' }],
    ['a number that is none', { issuer, limit: Number.NaN }],
    ['a fraction', { issuer, limit: 1.5 }],
    ['a number out of range', { issuer, limit: 11 }],
    ['no bytes', { issuer, nonce: new Uint8Array() }],
    ['too many bytes', { issuer, nonce: new Uint8Array(65) }],
    ['a string as bytes', { issuer, nonce: 'abc' }],
    ['an invalid date', { issuer, now: new Date(Number.NaN) }],
    ['a look-alike of a date', { issuer, now: { [Symbol.toStringTag]: 'Date', getTime: () => 1 } }],
    ['a look-alike of a signal', { issuer, signal: {} }],
    ['a misspelt name', { issuer, allowdebug: true }],
    ['__proto__ as a name', JSON.parse('{"issuer":"https://a","__proto__":{"x":1}}')],
  ];

  function revoked(): unknown {
    const { proxy, revoke } = Proxy.revocable({ issuer }, {});
    revoke();
    return proxy;
  }

  it.each(hostile)('refuses %s with 8', (_, given) => {
    expect(refusal(given)).toEqual([8, expect.stringMatching(/^example: (?!.*secret)/)]);
  });

  it('says what was meant by a misspelt name, or what there is', () => {
    const of = (name: string) => (refusal({ issuer, [name]: 1 }) as [number, string])[1];
    expect(of('Nonce')).toContain('did you mean nonce?');
    expect(of('nonec')).toContain('did you mean nonce?');
    expect(of('allowDebugg')).toContain('did you mean allowDebug?');
    expect(of('isuer')).toContain('did you mean issuer?');
    expect(of('something')).toContain('there are issuer, nonce');
    expect((refusal({ issuer, inner: { dept: 1 } }) as [number, string])[1]).toContain('in inner: did you mean depth?');
  });

  it('asks for the await that was forgotten', () => {
    expect((refusal(Promise.resolve()) as [number, string])[1]).toContain('is an await missing?');
    expect((refusal({ issuer: Promise.resolve(issuer) }) as [number, string])[1]).toContain('is an await missing?');
  });
});
