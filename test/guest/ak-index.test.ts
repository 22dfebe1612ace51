import { createPublicKey, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { parseTpm2bPublic } from '../../lib/abi/tpm.js';
import { silentLogger } from '../../lib/base/logger.js';
import { readAkCertificate } from '../../lib/guest/ak-certificate-index.js';
import type { AttestationClientOptions } from '../../lib/index.js';
import { SimulatedCvm, type SimulatedCvmOptions } from '../../lib/simulator/index.js';
import {
  basicConstraints,
  type CertificateExtension,
  issueCertificate,
  keyUsage,
} from '../../lib/simulator/pki/certificate.js';
import * as der from '../../lib/simulator/pki/der.js';
import { freshP256KeyPair } from '../../lib/simulator/pki/key-pool.js';
import type { GuestTpm } from '../../lib/tpm/native-tpm.js';
import { NativeTpm } from '../../lib/tpm/native-tpm.js';
import { clientOf } from './client.js';

const AK_CERTIFICATE = 0x01c101d0;
const AK = 0x81000003;
const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

type CertificateOptions = NonNullable<NonNullable<SimulatedCvmOptions['tpm']>['akCertificate']>;

async function machineWith(akCertificate: CertificateOptions, options: AttestationClientOptions = {}) {
  const cvm = await SimulatedCvm.start({ tpm: { akCertificate } });
  cleanUp.push(() => cvm.stop());
  const log: string[] = [];
  const add = (message: string) => log.push(message);
  const client = clientOf(cvm, { logger: { debug: add, info: add, warn: add, error: add }, ...options });
  cleanUp.push(() => client.close());
  return { cvm, client, log };
}

async function withTpm<T>(cvm: SimulatedCvm, work: (tpm: NativeTpm) => Promise<T>): Promise<T> {
  const tpm = new NativeTpm({ tcti: cvm.tcti });
  return work(tpm).finally(() => tpm.close());
}

async function akPublicKey(cvm: SimulatedCvm): Promise<KeyObject> {
  const { publicArea } = await withTpm(cvm, (tpm) => tpm.readPublic(AK));
  const n = Buffer.from(parseTpm2bPublic(publicArea).modulus).toString('base64url');
  return createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
}

const CALLS = ['attest', 'getEvidence'] as const;

describe('an AK certificate that is still being issued', () => {
  it.each(CALLS)('is read again by %s until the platform has written it', async (call) => {
    const { cvm, client, log } = await machineWith({ state: 'unwritten' });
    const { der: certificate } = cvm.vtpmAuthority.issueAkCertificate(await akPublicKey(cvm), cvm.vmId);
    const running = call === 'attest' ? client.attest({ attestationUrl: cvm.attestationUrl }) : client.getEvidence();
    setTimeout(() => void withTpm(cvm, (tpm) => tpm.nvReplace(AK_CERTIFICATE, certificate)), 600);
    const result = await running;
    if (typeof result !== 'string') expect(Buffer.from(result.akCertificate ?? [])).toEqual(certificate);
    expect(log).toContainEqual(expect.stringMatching(/is not written: reading it again in \d+ ms/));
  });

  it('that stays unwritten: attest fails with 13 (330) and says so, getEvidence goes on without', async () => {
    const { cvm, client, log } = await machineWith({ state: 'unwritten' });
    const [attested, evidence] = await Promise.all([
      client.attest({ attestationUrl: cvm.attestationUrl }).catch((error: unknown) => error),
      client.getEvidence(),
    ]);
    expect(attested).toMatchObject({
      code: 13,
      tpmErrorCode: 330,
      message: expect.stringContaining('has not delivered'),
    });
    expect(evidence).not.toHaveProperty('akCertificate');
    expect(evidence.quote).toBeDefined();
    expect(log).toContainEqual(expect.stringContaining('evidence without it'));
  }, 40_000);

  it('that stays all zeros: attest fails with 29 and says so, getEvidence goes on without', async () => {
    const { cvm, client } = await machineWith({ contents: Buffer.alloc(4096) });
    const [attested, evidence] = await Promise.all([
      client.attest({ attestationUrl: cvm.attestationUrl }).catch((error: unknown) => error),
      client.getEvidence(),
    ]);
    expect(attested).toMatchObject({ code: 29, message: expect.stringContaining('all zeros') });
    expect(evidence).not.toHaveProperty('akCertificate');
  }, 40_000);

  it('is not waited for once the call is aborted', async () => {
    const { client } = await machineWith({ state: 'unwritten' });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 400);
    const started = performance.now();
    await expect(client.getEvidence({ signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it.each([0x14a, 0xb014a])('is known by response code 0x%s, whichever layer reports it', async (tpmErrorCode) => {
    const answers: (Error | Buffer)[] = [
      Object.assign(new Error('no'), { kind: 'tpm', tpmErrorCode }),
      Buffer.alloc(64),
      Buffer.from('not a certificate'),
    ];
    const tpm = {
      nvReadIfDefined: async () => {
        const next = answers.shift();
        if (next instanceof Error) throw next;
        return next;
      },
    } as Partial<GuestTpm> as GuestTpm;
    const stored = await readAkCertificate(tpm, silentLogger, undefined, [1, 1]);
    expect(stored?.contents.toString()).toBe('not a certificate');
  });

  it('another failure of the TPM is not waited for', async () => {
    let reads = 0;
    const tpm = {
      nvReadIfDefined: async () => {
        reads++;
        throw Object.assign(new Error('no'), { kind: 'tpm', tpmErrorCode: 0x149 });
      },
    } as Partial<GuestTpm> as GuestTpm;
    await expect(readAkCertificate(tpm, silentLogger)).rejects.toMatchObject({ code: 13, tpmErrorCode: 0x149 });
    expect(reads).toBe(1);
  });
});

describe('bytes after the AK certificate in its index', () => {
  it.each([0, 0xa5])('of %i: evidence has the certificate alone, and stale ones are logged', async (filler) => {
    const { cvm, client, log } = await machineWith({});
    const { der: certificate } = cvm.vtpmAuthority.issueAkCertificate(await akPublicKey(cvm), cvm.vmId);
    const contents = Buffer.concat([certificate, Buffer.alloc(500, filler)]);
    await withTpm(cvm, (tpm) => tpm.nvReplace(AK_CERTIFICATE, contents));
    const { akCertificate } = await client.getEvidence();
    expect(Buffer.from(akCertificate ?? [])).toEqual(certificate);
    expect(log.some((line) => line.includes('other bytes than zeros'))).toBe(filler !== 0);
  });

  it('that is not a certificate at all: evidence goes without, and code 31 is logged', async () => {
    const { client, log } = await machineWith({ contents: Buffer.from('no certificate') });
    expect(await client.getEvidence()).not.toHaveProperty('akCertificate');
    expect(log).toContainEqual(expect.stringMatching(/^code 31: /));
  });
});

const authorityInformation = (url: string): CertificateExtension => ({
  oid: '1.3.6.1.5.5.7.1.1',
  value: der.sequence(
    der.sequence(der.objectIdentifier('1.3.6.1.5.5.7.48.2'), der.contextPrimitive(6, Buffer.from(url, 'ascii'))),
  ),
});

describe('the issuers of an AK certificate', () => {
  /** A root, an intermediate, and an AK certificate that says where the intermediate is. */
  async function family(cvm: SimulatedCvm, address: (path: string) => string) {
    const rootKeys = await freshP256KeyPair();
    const middleKeys = await freshP256KeyPair();
    const common = {
      signatureAlgorithm: 'ecdsa-sha256' as const,
      serialNumber: 7,
      notBefore: new Date(Date.now() - 86_400_000),
      notAfter: new Date(Date.now() + 86_400_000 * 400),
    };
    const authority = [basicConstraints(true), keyUsage('keyCertSign')];
    const [rootName, middleName] = [{ CN: 'Root of a test' }, { CN: 'Intermediate of a test' }];
    const root = issueCertificate({
      ...common,
      subject: rootName,
      issuer: rootName,
      publicKey: rootKeys.publicKey,
      signingKey: rootKeys.privateKey,
      extensions: authority,
    });
    const middle = issueCertificate({
      ...common,
      subject: middleName,
      issuer: rootName,
      publicKey: middleKeys.publicKey,
      signingKey: rootKeys.privateKey,
      extensions: authority,
    });
    const leaf = issueCertificate({
      ...common,
      subject: { CN: 'AK of a test' },
      issuer: middleName,
      publicKey: await akPublicKey(cvm),
      signingKey: middleKeys.privateKey,
      extensions: [basicConstraints(false), keyUsage('digitalSignature'), authorityInformation(address('/middle.crt'))],
    });
    return { root, middle, leaf };
  }

  async function publisher(body: () => Buffer) {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end(body());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanUp.push(async () => void server.close());
    const { port } = server.address() as AddressInfo;
    return { asked, address: (path: string) => `http://127.0.0.1:${port}${path}` };
  }

  it('are fetched once by the guest and travel with its evidence', async () => {
    const { cvm } = await machineWith({});
    let body: Buffer = Buffer.alloc(0);
    const { asked, address } = await publisher(() => body);
    const { root, middle, leaf } = await family(cvm, address);
    body = middle.der;
    await withTpm(cvm, (tpm) => tpm.nvReplace(AK_CERTIFICATE, leaf.der));
    await using client = clientOf(cvm, { trustedRoots: [root.pem] });
    for (let call = 0; call < 2; call++) {
      const { akCertificateChain } = await client.getEvidence();
      expect(akCertificateChain?.map((one) => Buffer.from(one))).toEqual([middle.der]);
    }
    expect(asked).toEqual(['/middle.crt']);
  });

  it.each<[string, (right: Buffer, other: Buffer) => Buffer]>([
    ['nothing', () => Buffer.alloc(0)],
    ['another certificate', (_, other) => other],
    ['no certificate', () => Buffer.from('<html>')],
    ['16 MiB', () => Buffer.alloc(16 << 20, 0x30)],
  ])('are left out, and logged, where the publisher answers with %s', async (_, answer) => {
    const { cvm } = await machineWith({});
    let body: Buffer = Buffer.alloc(0);
    const { address } = await publisher(() => body);
    const { root, middle, leaf } = await family(cvm, address);
    body = answer(middle.der, root.der);
    await withTpm(cvm, (tpm) => tpm.nvReplace(AK_CERTIFICATE, leaf.der));
    const log: string[] = [];
    const warn = (line: string) => log.push(line);
    const logger = { debug: warn, info: warn, warn, error: warn };
    await using client = clientOf(cvm, { trustedRoots: [root.pem], logger });
    const evidence = await client.getEvidence();
    expect(Buffer.from(evidence.akCertificate ?? [])).toEqual(leaf.der);
    expect(evidence).not.toHaveProperty('akCertificateChain');
    expect(log).toContainEqual(expect.stringContaining('cannot be fetched'));
  });

  it.each([
    'http://127.0.0.1:1/x',
    'http://169.254.169.254/metadata',
    'http://internal.example/x',
    'http://microsoft.com.evil.example/x',
    'http://www.microsoft.com:8080/x',
    'http://user@www.microsoft.com/x',
    'ldap://www.microsoft.com/x',
    'file:///etc/passwd',
  ])('are not fetched from %s, whoever wrote the certificate', async (url) => {
    const { cvm } = await machineWith({});
    const { leaf } = await family(cvm, () => url);
    await withTpm(cvm, (tpm) => tpm.nvReplace(AK_CERTIFICATE, leaf.der));
    const log: string[] = [];
    const warn = (line: string) => log.push(line);
    const { tcti, imdsUrl, eventLogPath } = cvm;
    const { AttestationClient } = await import('../../lib/index.js');
    await using client = new AttestationClient({
      tcti,
      imdsUrl,
      eventLogPath,
      logger: { debug: warn, info: warn, warn, error: warn },
    });
    expect(await client.getEvidence()).not.toHaveProperty('akCertificateChain');
    expect(log).toContainEqual(expect.stringContaining('no certificate is fetched from'));
  });
});
