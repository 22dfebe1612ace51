import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../lib/base/logger.js';
import { parseOsRelease } from '../../lib/guest/os-release.js';
import type { HttpSettings } from '../../lib/http/retry.js';
import { retryDelay, retrySettings } from '../../lib/http/retry.js';
import { parseServiceUrl } from '../../lib/http/service-url.js';
import { thimCertificates } from '../../lib/imds/thim.js';
import { decodeUnverifiedToken, encrypt, encryptJwe, tokenEncryptionKey, verifyToken } from '../../lib/index.js';
import { encodeClientPayload } from '../../lib/maa/client-payload.js';
import { parseGuestEnvelope } from '../../lib/maa/guest-envelope.js';
import { postGuestEvidence } from '../../lib/maa/guest-service.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { anything, mutated, mutatedJson, mutatedText } from './hostile.js';
import { asyncProperty, property, refusesTyped, rejectsTyped } from './property.js';

let cvm: SimulatedCvm;
let token: string;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  await using client = cvm.client();
  token = await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload: { nonce: 'n' } });
});
afterAll(() => cvm?.stop());

/** A service whose one answer has this body. */
const answering = (body: Buffer, status = 200): HttpSettings => ({
  transport: async () => ({ status, headers: {}, body }),
  limits: { connectTimeoutMs: 1, timeoutMs: 1, maxBodyBytes: 1 << 20 },
  retry: retrySettings({ retries: 0 }),
  retryOn: () => false,
  logger: silentLogger,
});
const base = new URL('http://127.0.0.1:1/');

describe('tokens', () => {
  const verify = (hostile: unknown) =>
    verifyToken(hostile as string, { issuer: cvm.attestationUrl, keys: cvm.tokenKeys as never, nonce: 'n' });

  it('verify as they came', async () => {
    await expect(
      verifyToken(token, { issuer: cvm.attestationUrl, keys: cvm.tokenKeys as never }),
    ).resolves.toMatchObject({ iss: cvm.attestationUrl });
  });

  it('are refused, with a documented error, after any change', async () => {
    await asyncProperty(mutatedText(token), async (text) => {
      if (text === token) return;
      refusesTyped(() => decodeUnverifiedToken(text));
      await rejectsTyped(async () => {
        await verifyToken(text, { issuer: cvm.attestationUrl, keys: cvm.tokenKeys as never });
        throw new Error(`accepted a changed token: ${text.slice(0, 40)}…`);
      });
      await rejectsTyped(() => tokenEncryptionKey(text, { issuer: cvm.attestationUrl, keys: cvm.tokenKeys as never }));
    });
  });

  it('are refused with any other header or claim under a signature that was for another', async () => {
    const [header = '', payload = '', signature = ''] = token.split('.');
    const json = (part: string): object => JSON.parse(Buffer.from(part, 'base64url').toString()) as object;
    const encoded = (value: unknown) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url');
    const forged = fc.oneof(
      mutatedJson(json(header)).map((value) => `${encoded(value)}.${payload}.${signature}`),
      mutatedJson(json(payload)).map((value) => `${header}.${encoded(value)}.${signature}`),
    );
    await asyncProperty(forged, async (text) => {
      if (text === token) return; // a member was replaced by its own value
      await rejectsTyped(async () => {
        await verify(text);
        throw new Error('accepted a forged token');
      });
    });
  });

  it('key sets that are anything else end in a documented error', async () => {
    await asyncProperty(anything, (value) => rejectsTyped(() => verify(value)));
    await asyncProperty(fc.oneof(anything, mutatedJson(cvm.tokenKeys)), (keys) =>
      rejectsTyped(() => verifyToken(token, { issuer: cvm.attestationUrl, keys: keys as never })),
    );
  });

  it('whose key is hostile are refused before anything is encrypted', async () => {
    const [header = '', payload = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { 'x-ms-runtime': object };
    await asyncProperty(mutatedJson(claims['x-ms-runtime']), async (runtime) => {
      const part = Buffer.from(JSON.stringify({ ...claims, 'x-ms-runtime': runtime })).toString('base64url');
      const hostile = `${header}.${part}.${signature}`;
      await rejectsTyped(() => encrypt(hostile, Buffer.from('x'), { type: 'None' }));
      await rejectsTyped(() => encryptJwe(hostile, Buffer.from('x')));
    });
  });
});

describe('answers', () => {
  it('of the certificate service end in certificates or a documented error', async () => {
    const genuine = JSON.stringify({
      vcekCert: cvm.signingLeaf.certificate.pem,
      certificateChain: cvm.authority.chainPem,
      tcbm: 'DB18',
    });
    await asyncProperty(mutated(Buffer.from(genuine)), (body) =>
      rejectsTyped(async () => {
        const { vcekCert, certificateChain } = await thimCertificates({ base, settings: answering(body) });
        expect(vcekCert + certificateChain).toContain('BEGIN CERTIFICATE');
      }),
    );
    await asyncProperty(fc.jsonValue(), (value) =>
      rejectsTyped(() => thimCertificates({ base, settings: answering(Buffer.from(JSON.stringify(value))) })),
    );
  });

  it('of the attestation service end in an envelope or a documented error, which does not quote them', async () => {
    const envelope = {
      AuthenticationData: Buffer.alloc(16).toString('base64'),
      EncryptedInnerKey: Buffer.alloc(256, 3).toString('base64'),
      EncryptionParams: {
        BlockMode: 'ChainingModeGCM',
        BlockPadding: 'PKCS7',
        Cipher: 'AES',
        Iv: 'AAAAAAAAAAAAAAAA',
        KeySizeInBits: 256,
      },
      Jwt: Buffer.from('sealed').toString('base64'),
    };
    const wrapped = (value: unknown) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url');
    parseGuestEnvelope(wrapped(envelope));
    property(mutatedJson(envelope), (value) => refusesTyped(() => parseGuestEnvelope(wrapped(value))));
    const body = Buffer.from(JSON.stringify({ token: wrapped(envelope) }));
    await asyncProperty(fc.tuple(mutated(body), fc.constantFrom(200, 400, 401, 500, 302)), ([hostile, status]) =>
      rejectsTyped(() => postGuestEvidence({ url: base, settings: answering(hostile, status) }, '{}')),
    );
  });

  it('may ask for any wait: it stays bounded', () => {
    const settings = retrySettings();
    const header = fc.oneof(
      fc.string(),
      fc.nat().map(String),
      fc.constantFrom('31536000', '-1', '1e999', '9'.repeat(400)),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    );
    property(fc.tuple(header, fc.nat(99)), ([retryAfter, attempt]) => {
      const wait = retryDelay(settings, attempt, retryAfter);
      expect(wait).toBeGreaterThanOrEqual(0);
      expect(wait).toBeLessThanOrEqual(settings.maxRetryAfterMs * 1.5);
    });
  });
});

describe('what the caller and the machine say', () => {
  it('hostile client payloads end in a documented error', () => {
    property(fc.oneof(anything, fc.json(), fc.string()), (payload) =>
      refusesTyped(() => {
        const encoded = encodeClientPayload(payload);
        for (const value of Object.values(encoded ?? {})) expect(value).toMatch(/^[A-Za-z0-9+/]*={0,2}$/);
      }),
    );
  });

  it('a hostile os-release ends in a documented error', () => {
    const line = fc.oneof(
      fc.string(),
      fc.tuple(fc.constantFrom('NAME', 'VERSION_ID', 'ID'), fc.string()).map(([name, value]) => `${name}=${value}`),
    );
    property(
      fc.array(line, { maxLength: 20 }).map((lines) => lines.join('\n')),
      (text) =>
        refusesTyped(() => {
          const { versionMajor, versionMinor } = parseOsRelease(text);
          for (const number of [versionMajor, versionMinor]) expect(Number.isSafeInteger(number)).toBe(true);
        }),
    );
  });

  it('hostile addresses end in a documented error', () => {
    const url = fc.oneof(
      fc.webUrl(),
      fc.string(),
      anything,
      fc.domain().map((host) => `https://${host}:1/?a#b`),
      fc.ipV6().map((host) => `http://[${host}]`),
    );
    property(url, (value) =>
      refusesTyped(() => {
        const { protocol, hostname } = parseServiceUrl(value as string, { allowInsecureHttp: false });
        if (protocol !== 'https:') expect(['localhost', '[::1]']).toContain(hostname.replace(/^127\..*/, 'localhost'));
      }),
    );
  });
});
