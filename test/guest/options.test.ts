import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AttestationClient } from '../../lib/index.js';
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

const refused = expect.objectContaining({ name: 'AttestationError', code: 8 });

/** Every call of a client that takes options, called with these. */
const CALLS: Record<string, (options: never) => unknown> = {
  attest: (options) => client.attest({ attestationUrl: cvm.attestationUrl }, options),
  'attest parameters': (options) => client.attest(options),
  decrypt: (options) => client.decrypt(new Uint8Array(256), options),
  decryptJwe: (options) => client.decryptJwe('a.b.c.d.e', options),
  createDecryptor: (options) => client.createDecryptor(new Uint8Array(8), options),
  createDecryptStream: (options) => client.createDecryptStream(options),
  decryptChunks: (options) => client.decryptChunks([], options),
  openRandomAccess: (options) => client.openRandomAccess({} as never, options),
  getEvidence: (options) => client.getEvidence(options),
  'new AttestationClient': (options) => new AttestationClient(options),
};

/** A call that throws and one that rejects are the same here. */
async function outcome(call: (options: never) => unknown, options: unknown): Promise<unknown> {
  try {
    await call(options as never);
  } catch (error) {
    return error;
  }
  return undefined;
}

class Options {
  timeoutMs = 1;
}

const throwing = (): never => {
  throw new Error('a getter of the caller');
};

describe('options that would be lost without a word', () => {
  const bad: [string, () => unknown][] = [
    ['null', () => null],
    ['a number', () => 5],
    ['a string', () => 'x'],
    ['an array', () => []],
    ['a Map', () => new Map([['signal', 1]])],
    ['an object of a class', () => new Options()],
    ['options on a prototype', () => Object.create({ additionalData: new Uint8Array(1) })],
    [
      'a getter',
      () => ({
        get signal() {
          return undefined;
        },
      }),
    ],
    [
      'a getter that throws',
      () => ({
        get signal() {
          return throwing();
        },
      }),
    ],
    ['a Proxy that throws', () => new Proxy({}, { ownKeys: throwing, get: throwing, getPrototypeOf: throwing })],
    [
      'a revoked Proxy',
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      },
    ],
    ['a promise', () => Promise.resolve({})],
    ['a misspelt name', () => ({ additonalData: new Uint8Array(1) })],
  ];

  describe.each(Object.entries(CALLS))('%s', (_, call) => {
    it.each(bad)('refuses %s with 8', async (_name, make) => {
      expect(await outcome(call, make())).toEqual(refused);
    });
  });

  it.each<[keyof typeof CALLS & string, object]>([
    ['attest', { verify: null }],
    ['attest', { verify: undefined }],
    ['attest', { verify: 'yes' }],
    ['attest', { verify: 1 }],
    ['attest', { verify: new Map([['nonce', 'x']]) }],
    ['attest', { verify: { nonce: undefined } }],
    ['attest', { verify: Promise.resolve(true) }],
    ['attest', { signal: 'now' }],
    ['attest parameters', { attestationUrl: 'https://x', clientPayload: undefined }],
    ['attest parameters', { attestationUrl: 'https://x', clientPayload: new Map([['nonce', 'x']]) }],
    ['attest parameters', { attestationUrl: undefined }],
    ['attest parameters', { attestationUrl: 'https://x', version: undefined }],
    ['attest parameters', { attestationUrl: 'https://x', version: 2 }],
    ['attest parameters', {}],
    ['decrypt', { additionalData: undefined, encryptionMetadata: new Uint8Array(1) }],
    ['decrypt', { additionalData: 'text', encryptionMetadata: new Uint8Array(1) }],
    ['decrypt', { type: undefined }],
    ['createDecryptor', { additionalData: undefined }],
    ['createDecryptor', { ordered: 'yes' }],
    ['createDecryptor', { replayWindow: '64' }],
    ['createDecryptStream', { additionalData: undefined }],
    ['decryptChunks', { additionalData: null }],
    ['openRandomAccess', { additionalData: undefined }],
    ['getEvidence', { nonce: undefined }],
    ['getEvidence', { userData: undefined }],
    ['getEvidence', { userData: 'text' }],
    ['getEvidence', { userData: new Uint8Array(65) }],
    ['getEvidence', { nonce: new Uint8Array(0) }],
    ['getEvidence', { nonce: new Uint8Array(65) }],
    ['getEvidence', { pcrs: [] }],
    ['getEvidence', { pcrs: [24] }],
    ['getEvidence', { pcrs: new Set([1]) }],
    ['getEvidence', { quote: 'false' }],
    ['getEvidence', { certificates: 'no' }],
    ['getEvidence', { certificates: { chain: 'x' } }],
    ['new AttestationClient', { parameterEncryption: 'true' }],
    ['new AttestationClient', { parameterEncryption: { keyName: undefined } }],
    ['new AttestationClient', { parameterEncryption: { keyname: new Uint8Array(34) } }],
    ['new AttestationClient', { parameterEncryption: { keyName: new Uint8Array(33) } }],
    ['new AttestationClient', { parameterEncryption: { keyHandle: 0x80000001 } }],
    ['new AttestationClient', { parameterEncryption: undefined }],
    ['new AttestationClient', { allowInsecureHttp: 'false' }],
    ['new AttestationClient', { renewAkCertificate: 'false' }],
    ['new AttestationClient', { renewAkCertificate: undefined }],
    ['new AttestationClient', { keyCache: 'false' }],
    ['new AttestationClient', { keyCache: { maxAgeMs: undefined } }],
    ['new AttestationClient', { keyCache: { maxAge: 1 } }],
    ['new AttestationClient', { retry: { retries: undefined } }],
    ['new AttestationClient', { retry: { retrys: 0 } }],
    ['new AttestationClient', { retry: new Map() }],
    ['new AttestationClient', { timeoutMs: '5' }],
    ['new AttestationClient', { tcti: '' }],
    ['new AttestationClient', { tcti: undefined }],
    ['new AttestationClient', { logger: {} }],
    ['new AttestationClient', { proxy: 'not a url' }],
    ['new AttestationClient', { proxy: 'ftp://proxy' }],
    ['new AttestationClient', { proxy: true }],
    ['new AttestationClient', { trustedRoots: 'none' }],
  ])('%s refuses %o with 8', async (name, options) => {
    const call = CALLS[name];
    expect(call).toBeDefined();
    if (call !== undefined) expect(await outcome(call, options)).toEqual(refused);
  });

  it('says which call it was, which option, and what was probably meant', async () => {
    await expect(client.getEvidence({ usrData: new Uint8Array(1) } as never)).rejects.toThrow(
      'getEvidence: there is no option "usrData": did you mean userData?',
    );
    await expect(client.getEvidence(Promise.resolve({}) as never)).rejects.toThrow('is an await missing?');
    expect(() => new AttestationClient({ parameterEncryption: { keyName: undefined } } as never)).toThrow(
      'parameterEncryption.keyName is given but undefined',
    );
  });

  it('undefined stands for absence where that cannot weaken anything: signal and logger', async () => {
    await using other = clientOf(cvm, { logger: undefined } as never);
    const evidence = await other.getEvidence({ signal: undefined, certificates: false, quote: false } as never);
    expect(evidence.version).toBe(1);
  });
});
