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

  it.each([null, undefined, 5])('and so is %s for a report', async (report) => {
    await expect(new KdsClient({ cacheDirectory: false }).certificatesFor(report as never)).rejects.toEqual(refused);
  });
});
