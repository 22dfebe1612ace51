import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  AZURE_ID_KEYS,
  type Evidence,
  explainEvidence,
  type VerificationOptions,
  type VerificationPolicy,
  verifyEvidence,
} from '../../lib/index.js';
import {
  basicConstraints,
  type Certificate,
  extendedKeyUsage,
  issueCertificate,
  keyUsage,
} from '../../lib/simulator/pki/certificate.js';
import { withFixtures } from '../fixtures.js';
import { attestationPublicKey, type Forged, type Forgery, forge, strangersKey } from './forge.js';
import { azureEvidence, failedCodes, NONCE, NOW } from './genuine.js';

const AK_USAGE = '2.23.133.8.3';
const elsewhere: Forgery = { report: { idKeyDigest: new Uint8Array(48) } };
const measurementOf = (fill: number): string => fill.toString(16).padStart(2, '0').repeat(48);
const idKey = (index: number): Uint8Array => Buffer.from(AZURE_ID_KEYS[index] as string, 'hex');

async function codes({ evidence, options }: Forged, policy: VerificationPolicy = {}): Promise<string[]> {
  return failedCodes(await explainEvidence(evidence, { ...options, policy }));
}

describe('genuine hardware that is not Azure’s', () => {
  it('chooses its own claims and keys, and is refused', async () => {
    const forged = await forge(elsewhere);
    await expect(verifyEvidence(forged.evidence, forged.options)).rejects.toMatchObject({ code: 'ERR_PARAVISOR' });
    const result = await explainEvidence(forged.evidence, forged.options);
    expect(failedCodes(result)).toEqual(['ERR_PARAVISOR']);
    expect(result).not.toHaveProperty('claims');
    expect(result).not.toHaveProperty('paravisor');
  });

  it.each<[string, Forgery]>([
    ['with an ID key that nobody knows', { report: { idKeyDigest: new Uint8Array(48).fill(5) } }],
    [
      'with Azure’s ID key and host data: a confidential container',
      {
        report: { idKeyDigest: idKey(2), hostData: new Uint8Array(32).fill(1) },
      },
    ],
    [
      'with one bit of host data',
      {
        report: { idKeyDigest: idKey(2), hostData: Buffer.concat([Buffer.alloc(31), Buffer.of(1)]) },
      },
    ],
  ])('is refused %s', async (_, forgery) => {
    expect(await codes(await forge(forgery))).toEqual(['ERR_PARAVISOR']);
  });

  it('is refused at another VMPL than 0, where the guest has asked for the report, whatever is known of its launch', async () => {
    const forged = await forge({ report: { vmpl: 1, measurement: new Uint8Array(48).fill(7) } });
    expect(await codes(forged, { vmpl: 1, measurement: measurementOf(7) })).toEqual(['ERR_PARAVISOR']);
  });
});

describe('a paravisor', () => {
  it.each([0, 1, 2])('is known by Azure’s ID key %i with host data of zeros', async (index) => {
    const { evidence, options } = await forge({ report: { idKeyDigest: idKey(index) } });
    expect(await verifyEvidence(evidence, options)).toMatchObject({ ok: true, tee: 'snp', paravisor: 'id-key' });
  });

  it('is named by the policy: its measurement, one of several, in either case', async () => {
    const { evidence, options } = await forge({
      ...elsewhere,
      report: { idKeyDigest: new Uint8Array(48), measurement: new Uint8Array(48).fill(0xab) },
    });
    for (const measurement of [measurementOf(0xab), [measurementOf(1), measurementOf(0xab).toUpperCase()]]) {
      const result = await verifyEvidence(evidence, { ...options, policy: { measurement } });
      expect(result).toMatchObject({ paravisor: 'measurement' });
    }
    const refused = await explainEvidence(evidence, { ...options, policy: { measurement: measurementOf(1) } });
    expect(failedCodes(refused)).toEqual(['ERR_POLICY', 'ERR_PARAVISOR']);
  });

  it('is named by the policy’s ID key, with host data of zeros only', async () => {
    const own = new Uint8Array(48).fill(9);
    const policy = { trustedIdKeyHashes: [measurementOf(9)] };
    expect(await codes(await forge({ report: { idKeyDigest: own } }), policy)).toEqual([]);
    const container = await forge({ report: { idKeyDigest: own, hostData: new Uint8Array(32).fill(1) } });
    expect(await codes(container, policy)).toEqual(['ERR_PARAVISOR']);
    // Who signed the ID key is another question.
    const authorOnly = await forge({
      report: { idKeyDigest: own, authorKeyDigest: new Uint8Array(48).fill(8), keyInfo: 1 },
    });
    expect(await codes(authorOnly, { trustedAuthorKeyHashes: [measurementOf(8)] })).toEqual(['ERR_PARAVISOR']);
  });

  it.skipIf(!withFixtures)('of the genuine Azure evidence is known by its ID key', async () => {
    for (const name of ['azure-milan-v2', 'azure-milan-v3'] as const) {
      const result = await verifyEvidence(azureEvidence(name), { nonce: NONCE, now: NOW });
      expect(result).toMatchObject({ paravisor: 'id-key', reportFresh: false });
    }
  });
});

describe('allowUnidentifiedParavisor', () => {
  it('lifts the check, and the result says so', async () => {
    const { evidence, options } = await forge(elsewhere);
    const result = await verifyEvidence(evidence, { ...options, policy: { allowUnidentifiedParavisor: true } });
    expect(result).not.toHaveProperty('paravisor');
    expect(result.warnings).toContain(
      'the paravisor is not identified: claims, keys and PCRs may be invented by the guest',
    );
    expect(result.checks.find(({ name }) => name === 'paravisor')).toMatchObject({ ok: true, skipped: true });
  });

  it.each<[string, VerificationPolicy]>([
    ['vmIds', { vmIds: ['2f9d8d2e-3c1a-4a1b-9a55-0d5f0c7c3a10'] }],
    ['pcrs', { pcrs: { 7: '00'.repeat(32) } }],
    ['requireSecureBoot: true', { requireSecureBoot: true }],
    ['requireEventLog', { requireEventLog: true }],
  ])('is refused together with %s, which would prove nothing', async (_, policy) => {
    const { evidence, options } = await forge(elsewhere);
    const combined = { ...options, policy: { ...policy, allowUnidentifiedParavisor: true } };
    await expect(explainEvidence(evidence, combined)).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });

  it.each(['true', 1, {}, null])('is not %j', async (value) => {
    const { evidence, options } = await forge(elsewhere);
    const policy = { allowUnidentifiedParavisor: value } as never;
    await expect(explainEvidence(evidence, { ...options, policy })).rejects.toMatchObject({ code: 8 });
  });
});

describe('an AK certificate', () => {
  let root: Certificate;
  let rootKey: KeyObject;
  let intermediate: Certificate;
  let intermediateKey: KeyObject;
  const keyPair = () => generateKeyPairSync('rsa', { modulusLength: 2048 });
  const day = 86_400_000;
  const dates = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) };
  const authority = (commonName: string, publicKey: KeyObject, issuer: string, signingKey: KeyObject): Certificate =>
    issueCertificate({
      subject: { CN: commonName },
      issuer: { CN: issuer },
      publicKey,
      signingKey,
      signatureAlgorithm: 'rsa-sha256',
      serialNumber: 7,
      ...dates,
      extensions: [basicConstraints(true), keyUsage('keyCertSign', 'cRLSign')],
    });

  beforeAll(() => {
    const [own, below] = [keyPair(), keyPair()];
    rootKey = own.privateKey;
    intermediateKey = below.privateKey;
    root = authority('Azure Virtual TPM Root CA', own.publicKey, 'Azure Virtual TPM Root CA', rootKey);
    intermediate = authority('Global Virtual TPM CA', below.publicKey, 'Azure Virtual TPM Root CA', rootKey);
  });

  /** The certificate of the forged machine's attestation key, with something else about it. */
  const akCertificate = ({
    subject = 'AABB.ConfidentialVM.Azure.windows.net',
    publicKey = attestationPublicKey,
    usage = [AK_USAGE],
    ...more
  }: {
    subject?: string;
    publicKey?: KeyObject;
    usage?: string[];
    notBefore?: Date;
    notAfter?: Date;
  } = {}): Certificate =>
    issueCertificate({
      subject: { CN: subject },
      issuer: { CN: 'Global Virtual TPM CA' },
      publicKey,
      signingKey: intermediateKey,
      signatureAlgorithm: 'rsa-sha256',
      serialNumber: 9,
      ...dates,
      ...more,
      extensions: [basicConstraints(false), keyUsage('digitalSignature'), extendedKeyUsage(...usage)],
    });

  const shown = async (
    certificate: Certificate | undefined,
    forgery: Forgery = {},
    more: Partial<Evidence> = { akCertificateChain: [new Uint8Array(intermediate.der)] },
  ): Promise<{ evidence: Evidence; options: VerificationOptions }> => {
    const { evidence, options } = await forge(forgery);
    const trustedRoots = [...(options.trustedRoots ?? []), root.pem];
    const akCertificate = certificate && { akCertificate: new Uint8Array(certificate.der) };
    return { evidence: { ...evidence, ...akCertificate, ...more }, options: { ...options, trustedRoots } };
  };
  const demand = { requireAkCertificate: true };
  const refusals = async (...parameters: Parameters<typeof shown>): Promise<string[]> => {
    const { evidence, options } = await shown(...parameters);
    return failedCodes(await explainEvidence(evidence, { ...options, policy: demand }));
  };

  it('of a confidential VM, up to the root, meets the demand for one', async () => {
    const { evidence, options } = await shown(akCertificate());
    const result = await verifyEvidence(evidence, { ...options, policy: demand });
    expect(result.akCertificate).toMatchObject({ subject: 'AABB.ConfidentialVM.Azure.windows.net' });
  });

  it.each(['AABB.TrustedVM.Azure.windows.net', 'AABB.ConfidentialVM.Azure.windows.net'])(
    'of %s does not identify a paravisor: every Trusted Launch VM has one from the same root',
    async (subject) => {
      const { evidence, options } = await shown(akCertificate({ subject }), elsewhere);
      expect(failedCodes(await explainEvidence(evidence, options))).toEqual(['ERR_PARAVISOR']);
      const demanded = await explainEvidence(evidence, { ...options, policy: demand });
      expect(failedCodes(demanded)).toContain('ERR_PARAVISOR');
    },
  );

  it.each<[string, () => Promise<string[]>, string[]]>([
    ['none', () => refusals(undefined), ['ERR_AK_CERTIFICATE']],
    [
      'of a Trusted Launch VM',
      () => refusals(akCertificate({ subject: 'AABB.TrustedVM.Azure.windows.net' })),
      ['ERR_AK_CERTIFICATE'],
    ],
    [
      'whose name only contains that of a confidential VM',
      () => refusals(akCertificate({ subject: 'AABB.ConfidentialVM.Azure.windows.net.example' })),
      ['ERR_AK_CERTIFICATE'],
    ],
    ['of another key', () => refusals(akCertificate({ publicKey: strangersKey.publicKey })), ['ERR_AK']],
    ['for another use', () => refusals(akCertificate({ usage: ['1.3.6.1.5.5.7.3.1'] })), ['ERR_AK_CERTIFICATE']],
    [
      'that has expired',
      () => refusals(akCertificate({ notBefore: new Date(0), notAfter: new Date(Date.now() - day) })),
      ['ERR_AK_CERTIFICATE'],
    ],
    ['without its intermediate', () => refusals(akCertificate(), {}, {}), ['ERR_AK_CERTIFICATE']],
    [
      'without a trusted root',
      async () => {
        const { evidence } = await shown(akCertificate());
        const { options } = await forge();
        return failedCodes(await explainEvidence(evidence, { ...options, policy: demand }));
      },
      ['ERR_AK_CERTIFICATE'],
    ],
  ])('is refused where one is demanded: %s', async (_, refuse, expected) => {
    expect(await refuse()).toEqual(expected);
  });

  it.skipIf(!withFixtures)(
    'is demanded of genuine evidence up to Azure’s pinned root, when roots are not replaced',
    async () => {
      const genuine = azureEvidence('azure-milan-v3');
      const options = { nonce: NONCE, now: NOW, policy: demand };
      expect(failedCodes(await explainEvidence(genuine, options))).toEqual(['ERR_AK_CERTIFICATE']);
    },
  );
});
