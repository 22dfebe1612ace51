import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { parseDerCertificate } from '../../lib/guest/ak-certificate-index.js';
import type { AttestationClient, AttestationClientOptions } from '../../lib/index.js';
import { type Behaviour, imdsPaths, SimulatedCvm, type SimulatedCvmOptions } from '../../lib/simulator/index.js';
import { VtpmAuthority } from '../../lib/simulator/pki/vtpm.js';
import { NativeTpm } from '../../lib/tpm/native-tpm.js';
import { clientOf } from './client.js';

const AK_CERTIFICATE = 0x01c101d0;
const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

type CertificateOptions = NonNullable<NonNullable<SimulatedCvmOptions['tpm']>['akCertificate']>;

/** A machine whose certificate is in the given state, a client on it, and what the client logs. */
async function machineWith(akCertificate: CertificateOptions, options: AttestationClientOptions = {}) {
  const cvm = await SimulatedCvm.start({ tpm: { akCertificate } });
  cleanUp.push(() => cvm.stop());
  const log: string[] = [];
  const add = (message: string) => log.push(message);
  const client = clientOf(cvm, { logger: { debug: add, info: add, warn: add, error: add }, ...options });
  cleanUp.push(() => client.close());
  const contents = () => contentsOf(cvm);
  const renewals = () => cvm.imds.requests.filter(({ url }) => url.pathname === imdsPaths.akRenewal).length;
  return { cvm, client, log, contents, renewals };
}

async function contentsOf(cvm: SimulatedCvm): Promise<Buffer> {
  const tpm = new NativeTpm({ tcti: cvm.tcti });
  return tpm.nvRead(AK_CERTIFICATE).finally(() => tpm.close());
}

const attest = (cvm: SimulatedCvm, client: AttestationClient) => client.attest({ attestationUrl: cvm.attestationUrl });
const days = (certificate: X509Certificate) => (Date.parse(certificate.validTo) - Date.now()) / 86_400_000;

describe("the attestation key's certificate", () => {
  it.each([91.5, 365])('is left alone %d days before its end', async (daysToExpiry) => {
    const { cvm, client, renewals } = await machineWith({ daysToExpiry });
    await attest(cvm, client);
    expect(renewals()).toBe(0);
  });

  it.each([90.5, 1, -2])(
    'is renewed %d days before its end and used from memory: NV stays as it was',
    async (daysToExpiry) => {
      const { cvm, client, renewals, contents } = await machineWith({ daysToExpiry });
      const old = await contents();
      await attest(cvm, client);
      expect(renewals()).toBe(1);
      const renewed = sentCertificate(cvm);
      expect(days(parseDerCertificate(renewed))).toBeGreaterThan(300);
      expect((await contents()).equals(old)).toBe(true);
      await attest(cvm, client);
      expect(sentCertificate(cvm)).toEqual(renewed);
      expect(Buffer.from((await client.getEvidence()).akCertificate ?? [])).toEqual(renewed);
      expect(renewals()).toBe(1);
    },
  );

  it('is renewed for evidence, too', async () => {
    const { client, renewals, contents } = await machineWith({ daysToExpiry: 30 });
    const old = await contents();
    const { akCertificate } = await client.getEvidence();
    expect(days(parseDerCertificate(akCertificate ?? new Uint8Array()))).toBeGreaterThan(300);
    expect([renewals(), await contents()]).toEqual([1, old]);
  });

  it('that the platform wrote again takes the place of a renewed one in memory', async () => {
    const { cvm, client } = await machineWith({ daysToExpiry: 30 });
    await attest(cvm, client);
    const key = parseDerCertificate(sentCertificate(cvm)).publicKey;
    const { der } = cvm.vtpmAuthority.issueAkCertificate(key, cvm.vmId, { daysToExpiry: 200 });
    const tpm = new NativeTpm({ tcti: cvm.tcti });
    await tpm.nvReplace(AK_CERTIFICATE, der).finally(() => tpm.close());
    await attest(cvm, client);
    expect(sentCertificate(cvm)).toEqual(der);
  });

  it('is renewed as the host wants to be asked', async () => {
    const { cvm, client, contents } = await machineWith({ daysToExpiry: 30 });
    const old = parseDerCertificate(await contents());
    await attest(cvm, client);
    const [vmId] = cvm.imds.requests.filter(({ url }) => url.pathname === imdsPaths.vmId);
    expect(vmId?.url.search).toBe('?api-version=2019-03-11&format=text');
    const [renewal] = cvm.imds.requests.filter(({ url }) => url.pathname === imdsPaths.akRenewal);
    expect(renewal).toMatchObject({ method: 'POST' });
    expect(renewal?.headers).toMatchObject({ metadata: 'true', 'content-type': 'application/x-www-form-urlencoded' });
    expect([...(renewal?.url.searchParams.keys() ?? [])]).toEqual(['api-version', 'vmId', 'requestId']);
    expect(renewal?.url.searchParams.get('api-version')).toBe('2023-07-01');
    expect(renewal?.url.searchParams.get('requestId')).toMatch(/^[0-9a-f-]{36}$/);
    const body = renewal?.body.toString('latin1') ?? '';
    expect(body).toMatch(/^[A-Za-z0-9%._-]+$/);
    expect(new X509Certificate(decodeURIComponent(body)).fingerprint256).toBe(old.fingerprint256);
  });

  it('comes by a ticket from hosts that do not answer at once', async () => {
    const { cvm, client } = await machineWith({ daysToExpiry: 30 });
    cvm.imds.respond(imdsPaths.akRenewal, { kind: 'answer', body: '' });
    cvm.imds.respond(imdsPaths.akQuery, { kind: 'answer', status: 404 });
    await attest(cvm, client);
    const versions = cvm.imds.requests
      .filter(({ url }) => url.pathname === imdsPaths.akRenewal)
      .map(({ url }) => url.searchParams.get('api-version'));
    expect(versions).toEqual(['2023-07-01', '2021-12-01']);
    expect(days(parseDerCertificate(sentCertificate(cvm)))).toBeGreaterThan(300);
  });

  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  it.each<[string, Behaviour | ((cvm: SimulatedCvm) => Behaviour | Promise<Behaviour>)]>([
    ['is not a certificate', { kind: 'answer', body: { AkCertPem: 'garbage', CertQueryId: '1' } }],
    ['is not JSON', { kind: 'answer', body: '<html>' }],
    ['is an object', { kind: 'answer', body: { AkCertPem: {} } }],
    ['is refused', { kind: 'answer', status: 403 }],
    ['never comes', { kind: 'hang' }],
    [
      'certifies another key',
      (cvm) => {
        const { pem } = cvm.vtpmAuthority.issueAkCertificate(stranger.publicKey, cvm.vmId);
        return { kind: 'answer', body: { AkCertPem: pem } };
      },
    ],
    [
      'is by another authority of the same name',
      async (cvm) => {
        const forger = await VtpmAuthority.create('forger');
        const ak = parseDerCertificate(await contentsOf(cvm)).publicKey;
        return { kind: 'answer', body: { AkCertPem: forger.issueAkCertificate(ak, cvm.vmId).pem } };
      },
    ],
    [
      'is not valid yet',
      async (cvm) => {
        const ak = parseDerCertificate(await contentsOf(cvm)).publicKey;
        const { pem } = cvm.vtpmAuthority.issueAkCertificate(ak, cvm.vmId, { daysToExpiry: 400 });
        return { kind: 'answer', body: { AkCertPem: pem } };
      },
    ],
  ])('stays as it is when the renewed one %s, and the attestation goes on', async (_, behaviour) => {
    const { cvm, client, log, contents, renewals } = await machineWith({ daysToExpiry: 30 }, { timeoutMs: 3_000 });
    const old = await contents();
    cvm.imds.respond(imdsPaths.akRenewal, typeof behaviour === 'function' ? await behaviour(cvm) : behaviour);
    await attest(cvm, client);
    expect((await contents()).equals(old)).toBe(true);
    expect(sentCertificate(cvm)).toEqual(old);
    expect(log).toContainEqual(expect.stringMatching(/^code 32: .*not renewed/));
    // The next attestation does not wait for another try.
    await attest(cvm, client);
    expect(renewals()).toBe(1);
  });

  it('stays as it is when the renewed one would end no later', async () => {
    const { cvm, client, contents } = await machineWith({ daysToExpiry: 30 });
    const old = await contents();
    cvm.imds.renewedCertificate = { daysToExpiry: 20 };
    await attest(cvm, client);
    expect((await contents()).equals(old)).toBe(true);
  });

  it('is not asked for where its index belongs to the platform, or the caller does not want it', async () => {
    const platform = await machineWith({ daysToExpiry: 30, indexSize: 4096 });
    const old = await platform.contents();
    await attest(platform.cvm, platform.client);
    expect([platform.renewals(), await platform.contents()]).toEqual([0, old]);
    const unwanted = await machineWith({ daysToExpiry: 30 }, { renewAkCertificate: false });
    await attest(unwanted.cvm, unwanted.client);
    expect(unwanted.renewals()).toBe(0);
  });

  it('is sent as it is, with code 31 in the log, when it cannot be parsed', async () => {
    const { cvm, client, log } = await machineWith({ contents: Buffer.from('no certificate') });
    // The service refuses it: that is the service's word, not the client's.
    await expect(attest(cvm, client)).rejects.toMatchObject({ code: 6 });
    expect(log).toContainEqual(expect.stringMatching(/^code 31: /));
    expect(sentCertificate(cvm).subarray(0, 14).toString()).toBe('no certificate');
  });
});

describe("with renewAkCertificate: 'nv'", () => {
  const NV = { renewAkCertificate: 'nv' } as const;

  it('a renewed certificate is written after the service accepted it, and read back', async () => {
    const { cvm, client, contents, log } = await machineWith({ daysToExpiry: 30 }, NV);
    const old = await contents();
    await client.getEvidence();
    expect((await contents()).equals(old)).toBe(true);
    await attest(cvm, client);
    expect(await contents()).toEqual(sentCertificate(cvm));
    expect(days(parseDerCertificate(await contents()))).toBeGreaterThan(300);
    expect(log).toContainEqual(expect.stringContaining('was written to NV'));
  });

  it('nothing is written when the service refuses the evidence that carries it', async () => {
    const { cvm, client, contents } = await machineWith({ daysToExpiry: 30 }, NV);
    const old = await contents();
    cvm.attestation.respond('/attest/AzureGuest', { kind: 'answer', status: 400 });
    await expect(attest(cvm, client)).rejects.toMatchObject({ code: 6 });
    expect((await contents()).equals(old)).toBe(true);
  });

  it.each(['NV_DefineSpace', 'NV_Write', 'NV_UndefineSpace'] as const)(
    'the old bytes are there again when %s failed half-way, and the token is returned all the same',
    async (command) => {
      const { cvm, client, contents, log } = await machineWith({ daysToExpiry: 30 }, NV);
      const old = await contents();
      cvm.tpm.injectFault({ command, action: { kind: 'error', responseCode: 0x101 } });
      expect(await attest(cvm, client)).toMatch(/^ey/);
      expect((await contents()).equals(old)).toBe(true);
      expect(log).toContainEqual(expect.stringMatching(/^code 32: .*was not written/));
    },
  );
});

describe('a DER certificate in a longer index', () => {
  it('ends where its own length says', async () => {
    const { contents } = await machineWith({ indexSize: 4096 });
    const padded = await contents();
    expect(padded.length).toBe(4096);
    const certificate = parseDerCertificate(padded);
    expect(certificate.raw.length).toBeLessThan(2048);
  });

  it.each(['', '30', '3082', '308203e8', '3083ffffff', '3080', '0282000100', '3084ffffffff00'])('%s is none', (hex) => {
    expect(() => parseDerCertificate(Buffer.from(hex, 'hex'))).toThrow();
  });
});

/** `AikCert` of the last request that the service got. */
function sentCertificate(cvm: SimulatedCvm): Buffer {
  const { AttestationInfo } = JSON.parse(cvm.attestation.requests.at(-1)?.body.toString('utf8') ?? '{}');
  const info = JSON.parse(Buffer.from(AttestationInfo, 'base64url').toString('utf8'));
  return Buffer.from(info.TpmInfo.AikCert, 'base64');
}
