import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Certificate, parseCertificate } from '../../lib/abi/x509.js';
import type { SignatureEngine } from '../../lib/engine/engine.js';
import { nodeEngine } from '../../lib/engine/node.js';
import { explainSnpReport, parseHclReport, type SnpReportVerification } from '../../lib/index.js';
import { signSnpReport } from '../../lib/simulator/evidence/snp-report.js';
import {
  basicConstraints,
  type CertificateExtension,
  type Certificate as IssuedCertificate,
  issueCertificate,
  keyUsage,
} from '../../lib/simulator/pki/certificate.js';
import * as der from '../../lib/simulator/pki/der.js';
import { explainSnpReportIn } from '../../lib/verify/snp/verify-snp-report.js';
import { forge } from './forge.js';

type Pair = { publicKey: KeyObject; privateKey: KeyObject };
type Extensions = readonly CertificateExtension[];
type Role = 'ark' | 'ask' | 'leaf';

const DAY = 86_400_000;
const NAMES = { ark: 'ARK-Milan', ask: 'SEV-Milan', leaf: 'SEV-VCEK' };
const KEY_USAGE = '2.5.29.15';
const extensionsOf = ({ extensions }: Certificate): CertificateExtension[] =>
  [...extensions].map(([oid, { critical, value }]) => ({ oid, critical, value }));
/** Extensions with others in place of those of the same kind. */
const replaced = (extensions: Extensions, ...by: Extensions): Extensions => [
  ...extensions.filter(({ oid }) => !by.some((other) => other.oid === oid)),
  ...by,
];
const nameConstraints = (critical: boolean, value = der.sequence()): CertificateExtension => ({
  oid: '2.5.29.30',
  critical,
  value,
});

let report: Uint8Array;
let original: Record<Role, Extensions>;
const rsa = (): Pair => generateKeyPairSync('rsa', { modulusLength: 2048 });
const leafKey = generateKeyPairSync('ec', { namedCurve: 'P-384' });
let keys: Record<'ark' | 'ask', Pair>;

beforeAll(async () => {
  keys = { ark: rsa(), ask: rsa() };
  const { evidence, authority } = await forge({ quote: false });
  report = parseHclReport(evidence.hclReport).hardwareReport.slice();
  signSnpReport(Buffer.from(report.buffer), leafKey.privateKey);
  original = {
    ark: extensionsOf(parseCertificate(authority.ark.der)),
    ask: extensionsOf(parseCertificate(authority.ask.der)),
    leaf: extensionsOf(parseCertificate(evidence.certificates?.vcek as Uint8Array)),
  };
});

function issue(role: Role, issuer: 'ark' | 'ask', publicKey: KeyObject, signingKey: KeyObject, extensions: Extensions) {
  return issueCertificate({
    subject: { CN: NAMES[role] },
    issuer: { CN: NAMES[issuer] },
    publicKey,
    signingKey,
    signatureAlgorithm: 'rsa-pss-sha384',
    serialNumber: 1,
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + DAY),
    extensions,
  });
}

interface Chain {
  ark: IssuedCertificate;
  ask: IssuedCertificate;
  leaf: IssuedCertificate;
}

/** A chain of the extensions that AMD's have, but for those of a role; of other keys where they are given. */
function chainOf(changed: Partial<Record<Role, Extensions>> = {}, { ark, ask } = keys): Chain {
  const extensions = { ...original, ...changed };
  return {
    ark: issue('ark', 'ark', ark.publicKey, ark.privateKey, extensions.ark),
    ask: issue('ask', 'ark', ask.publicKey, ark.privateKey, extensions.ask),
    leaf: issue('leaf', 'ask', leafKey.publicKey, ask.privateKey, extensions.leaf),
  };
}

const explain = ({ leaf, ask, ark }: Chain): Promise<SnpReportVerification> =>
  explainSnpReport(report, { vcek: leaf.der, ask: ask.pem, ark: ark.pem }, { trustedRoots: [ark.pem] });
const faults = ({ checks }: SnpReportVerification): string[] =>
  checks.filter(({ ok }) => !ok).map(({ code, name, actual }) => `${code} ${name}: ${actual}`);

describe('the chain of an SNP report', () => {
  it('is taken with the extensions that AMD’s certificates have, and with a leaf that says that it signs', async () => {
    expect(faults(await explain(chainOf()))).toEqual([]);
    const leaf = replaced(original.leaf, basicConstraints(false), keyUsage('digitalSignature'));
    expect(faults(await explain(chainOf({ leaf })))).toEqual([]);
    expect(original.leaf.map(({ oid }) => oid)).not.toContain(KEY_USAGE);
    const ark = replaced(original.ark, basicConstraints(true, 1));
    expect(faults(await explain(chainOf({ ark })))).toEqual([]);
  });

  const LEAF = 'ERR_CERTIFICATE_CHAIN signing key signed the leaf';
  const ASK = 'ERR_CERTIFICATE_CHAIN root signed the signing key certificate';
  const ARK = 'ERR_CERTIFICATE_CHAIN root signed itself';
  const NOT_UNDERSTOOD = 'a critical extension that is not understood';
  const cases: [what: string, change: () => Partial<Record<Role, Extensions>>, fault: string][] = [
    [
      'name constraints in the ASK',
      () => ({ ask: [...original.ask, nameConstraints(true)] }),
      `${ASK}: ${NOT_UNDERSTOOD}`,
    ],
    [
      'name constraints in the ASK that are none',
      () => ({ ask: [...original.ask, nameConstraints(true, Buffer.of(0xff))] }),
      `${ASK}: ${NOT_UNDERSTOOD}`,
    ],
    [
      'name constraints in the ASK that are not critical',
      () => ({ ask: [...original.ask, nameConstraints(false)] }),
      `${ASK}: ${NOT_UNDERSTOOD}`,
    ],
    [
      'name constraints in the ARK',
      () => ({ ark: [...original.ark, nameConstraints(true)] }),
      `${ARK}: ${NOT_UNDERSTOOD}`,
    ],
    [
      'name constraints in the leaf',
      () => ({ leaf: [...original.leaf, nameConstraints(true)] }),
      `${LEAF}: ${NOT_UNDERSTOOD}`,
    ],
    [
      'an ASK below an ARK that allows none',
      () => ({ ark: replaced(original.ark, basicConstraints(true, 0)) }),
      `${ASK}: the issuer allows no authorities below it`,
    ],
    [
      'a leaf that is a CA',
      () => ({ leaf: [...original.leaf, basicConstraints(true, 0)] }),
      `${LEAF}: a leaf that is a CA`,
    ],
    [
      'a leaf that is a CA whose key may only sign reports',
      () => ({ leaf: [...original.leaf, basicConstraints(true), keyUsage('digitalSignature')] }),
      `${LEAF}: a leaf that is a CA`,
    ],
    [
      'a leaf whose key may only sign certificates',
      () => ({ leaf: [...original.leaf, keyUsage('keyCertSign')] }),
      `${LEAF}: a leaf whose key usage has no digitalSignature`,
    ],
  ];
  it.each(cases)('is refused with %s', async (_, change, fault) => {
    expect(faults(await explain(chainOf(change())))).toEqual([fault]);
  });
});

describe('issuers of one name', () => {
  /** Failed checks of a chain with more certificates before the ASK, and how many signatures were verified with RSA. */
  async function tried(
    chain: Chain,
    others: readonly IssuedCertificate[],
  ): Promise<{ failed: string[]; count: number }> {
    let count = 0;
    const engine: SignatureEngine = Object.create(nodeEngine, {
      verify: {
        value: (...given: Parameters<SignatureEngine['verify']>) => {
          if (given[0].type === 'rsa') count++;
          return nodeEngine.verify(...given);
        },
      },
    });
    const pem = (list: readonly IssuedCertificate[]): string => list.map((each) => each.pem).join('');
    const vcek = pem([chain.leaf, ...others.slice(0, 15)]);
    const certificates = { vcek, ask: pem([...others.slice(15), chain.ask]), ark: chain.ark.pem };
    const options = { trustedRoots: [chain.ark.pem] };
    const failed = faults(await explainSnpReportIn({ engine }, report, certificates, options));
    return { failed, count };
  }
  /** ASKs of the right name that signed nothing here: with moduli of nobody, above any signature. */
  const impostors = (count: number): IssuedCertificate[] =>
    Array.from({ length: count }, (_, at) => {
      const n = Buffer.alloc(256, 0xff).fill(at, 128, 129).toString('base64url');
      const publicKey = createPublicKey({ format: 'jwk', key: { kty: 'RSA', n, e: 'AQAB' } });
      return issue('ask', 'ark', publicKey, keys.ark.privateKey, original.ask);
    });

  it('are tried until one made the signature, 8 of them', async () => {
    expect(await tried(chainOf(), impostors(7))).toEqual({ failed: [], count: 8 + 2 });
  });

  it('are refused when there are more, before any of them is tried', async () => {
    const { failed, count } = await tried(chainOf(), impostors(8));
    expect(failed[0]).toMatch(
      /^ERR_CERTIFICATE_FORMAT certificates can be read: .*more than 8 of the name of an issuer$/,
    );
    expect(count).toBe(0);
  });

  it('are tried once each, however often they were given', async () => {
    const [impostor] = impostors(1) as [IssuedCertificate];
    const many = Array.from({ length: 27 }, () => impostor);
    expect(await tried(chainOf(), many)).toEqual({ failed: [], count: 2 + 2 });
  });

  it.each([
    ['of more than 4096 bits', { modulusLength: 4104 }],
    ['with another exponent', { modulusLength: 2048, publicExponent: 3 }],
  ])('are not tried with keys %s', async (_, options) => {
    const pair = generateKeyPairSync('rsa', options);
    const { failed, count } = await tried(chainOf({}, { ...keys, ask: pair }), []);
    expect(failed[0]).toMatch(/signing key signed the leaf: .*the issuer has no usable RSA key/);
    expect(count).toBe(2);
    const under = await tried(chainOf({}, { ...keys, ark: pair }), []);
    expect(under.failed.filter((fault) => fault.endsWith('the issuer has no usable RSA key'))).toHaveLength(2);
    expect(under.count).toBe(1);
  });
});
