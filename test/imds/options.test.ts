import { describe, expect, it } from 'vitest';
import { fetchThimCertificates, KdsClient, MaaClient } from '../../lib/index.js';

const refused = expect.objectContaining({ name: 'AttestationError', code: 8 });

describe('services’ options that are none', () => {
  it.each([null, 5, { credential: 5 }, { credential: {} }, { fetch: 5 }, { timeoutMs: 'x' }, { retry: 5 }])(
    'are refused by MaaClient: %j',
    (options) => {
      expect(() => new MaaClient('https://attestation.example', options as never)).toThrow(refused);
    },
  );

  it.each([null, 5, { fetch: 5 }, { baseUrl: 5 }, { baseUrl: 'ftp://host' }])(
    'are refused by KdsClient: %j',
    (options) => {
      expect(() => new KdsClient(options as never)).toThrow(refused);
    },
  );

  it.each([null, 5, { imdsUrl: 'nowhere' }])('are refused by fetchThimCertificates: %j', async (options) => {
    await expect(fetchThimCertificates(options as never)).rejects.toEqual(refused);
  });

  const LOST: [string, object][] = [
    ['a Map', new Map([['retry', {}]])],
    ['an option that is undefined', { timeoutMs: undefined }],
    ['a misspelt one', { timeoutMS: 5 }],
    ['a retry with a value that got lost', { retry: { retries: undefined } }],
    ['a retry that is a Map', { retry: new Map() }],
    ['a retry with a misspelt name', { retry: { retrys: 1 } }],
    ['a flag that is a string', { allowInsecureHttp: 'false' }],
    [
      'a getter',
      {
        get timeoutMs() {
          return 5;
        },
      },
    ],
  ];
  it.each(LOST)('are refused by KdsClient, MaaClient and fetchThimCertificates: %s', async (_, options) => {
    expect(() => new KdsClient(options as never)).toThrow(refused);
    expect(() => new MaaClient('https://attestation.example', options as never)).toThrow(refused);
    await expect(fetchThimCertificates(options as never)).rejects.toEqual(refused);
  });

  it.each([null, new Map(), { sgnal: 1 }, { signal: 1 }])(
    'are refused by every call of KdsClient: %o',
    async (options) => {
      const kds = new KdsClient({ cacheDirectory: false });
      await expect(kds.chain('Milan', 'vcek', options as never)).rejects.toEqual(refused);
      await expect(kds.crl('Milan', 'vcek', options as never)).rejects.toEqual(refused);
      await expect(kds.certificatesFor(new Uint8Array(1184), options as never)).rejects.toEqual(refused);
    },
  );

  it.each([null, undefined, 5])('KdsClient answers %s in place of a report with code 8', async (report) => {
    await expect(new KdsClient({ cacheDirectory: false }).certificatesFor(report as never)).rejects.toEqual(refused);
  });
});
