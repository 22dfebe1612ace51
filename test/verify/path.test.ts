import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Certificate, parseCertificate } from '../../lib/abi/x509.js';
import { alternativeNames } from '../../lib/abi/x509-extensions.js';
import { nodeEngine } from '../../lib/engine/node.js';
import { webcryptoEngine } from '../../lib/engine/webcrypto.js';
import {
  basicConstraints,
  type CertificateExtension,
  issueCertificate,
  keyUsage,
  subjectAlternativeName,
} from '../../lib/simulator/pki/certificate.js';
import * as der from '../../lib/simulator/pki/der.js';
import { isForHost } from '../../lib/verify/host-name.js';
import { constraintsProblem } from '../../lib/verify/name-constraints.js';
import { findPath, SERVER_AUTHENTICATION } from '../../lib/verify/path.js';

interface Party {
  name: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
}

const DAY = 86_400_000;
const ec = (): { privateKey: KeyObject; publicKey: KeyObject } => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const party = (name: string): Party => ({ name, ...ec() });
const usage = (...oids: string[]): CertificateExtension => ({
  oid: '2.5.29.37',
  value: der.sequence(...oids.map(der.objectIdentifier)),
});
const AUTHORITY = [basicConstraints(true), keyUsage('keyCertSign')];
const LEAF = [
  basicConstraints(false),
  keyUsage('digitalSignature'),
  usage(SERVER_AUTHENTICATION),
  subjectAlternativeName(['vault.example', '*.vault.example']),
];

function issue(
  subject: Party,
  issuer: Party,
  extensions: readonly CertificateExtension[],
  more: { notBefore?: Date; notAfter?: Date; organization?: string } = {},
): Certificate {
  const { der: bytes } = issueCertificate({
    subject: { ...(more.organization !== undefined && { O: more.organization }), CN: subject.name },
    issuer: { CN: issuer.name },
    publicKey: subject.publicKey,
    signingKey: issuer.privateKey,
    signatureAlgorithm: issuer.privateKey.asymmetricKeyType === 'rsa' ? 'rsa-sha256' : 'ecdsa-sha256',
    serialNumber: randomBytes(19),
    notBefore: more.notBefore ?? new Date(Date.now() - DAY),
    notAfter: more.notAfter ?? new Date(Date.now() + DAY),
    extensions,
  });
  return parseCertificate(bytes);
}

const [root, middle, lower, leafParty, stranger] = ['root', 'middle', 'lower', 'leaf', 'stranger'].map(party) as [
  Party,
  Party,
  Party,
  Party,
  Party,
];
const rootCertificate = issue(root, root, AUTHORITY);
const now = new Date();
const options = { roots: [rootCertificate], now, usage: SERVER_AUTHENTICATION, constraints: constraintsProblem };

const verdict = async (leaf: Certificate, others: readonly Certificate[], more: object = {}): Promise<string> => {
  const found = await findPath(nodeEngine, leaf, others, { ...options, ...more });
  return 'path' in found ? found.path.map(({ subject }) => subject.commonName).join(' < ') : found.problem;
};

describe('findPath', () => {
  const middleCertificate = issue(middle, root, AUTHORITY);
  const leaf = issue(leafParty, middle, LEAF);

  it('findPath leads from a leaf over its authorities to a trusted root, whatever their order', async () => {
    const lowerCertificate = issue(lower, middle, AUTHORITY);
    const far = issue(leafParty, lower, LEAF);
    expect(await verdict(far, [middleCertificate, lowerCertificate])).toBe('leaf < lower < middle < root');
    expect(await verdict(far, [lowerCertificate, rootCertificate, middleCertificate])).toBe(
      'leaf < lower < middle < root',
    );
    expect(await verdict(leaf, [middleCertificate], { roots: [middleCertificate] })).toBe('leaf < middle');
    expect(await verdict(leaf, [], { roots: [leaf] })).toBe('leaf');
  });

  it('findPath gives the same verdict with every engine, for RSA and ECDSA', async () => {
    const rsa = { name: 'rsa', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) };
    const rsaRoot = issue(rsa, rsa, AUTHORITY);
    const underRsa = issue(leafParty, rsa, LEAF);
    for (const engine of [nodeEngine, webcryptoEngine]) {
      expect(await findPath(engine, underRsa, [], { ...options, roots: [rsaRoot] })).toHaveProperty('path');
      expect(await findPath(engine, leaf, [middleCertificate], options)).toHaveProperty('path');
    }
  });

  it('findPath tries every authority of a name until one leads to a root', async () => {
    const impostor = issue({ ...middle, ...ec() }, root, AUTHORITY);
    expect(await verdict(leaf, [impostor, middleCertificate])).toBe('leaf < middle < root');
  });

  const refused: [what: string, leaf: () => Certificate, others: () => Certificate[], says: RegExp][] = [
    ['without its authority', () => leaf, () => [], /no path to a trusted root/],
    [
      'whose root came along and is not trusted',
      () => issue(leafParty, stranger, LEAF),
      () => [issue(stranger, stranger, AUTHORITY)],
      /no path to a trusted root/,
    ],
    [
      'signed by a key of the right name',
      () => issue(leafParty, { ...root, ...ec() }, LEAF),
      () => [],
      /not signed by the key/,
    ],
    [
      'under an authority that is not one',
      () => leaf,
      () => [issue(middle, root, [basicConstraints(false), keyUsage('keyCertSign')])],
      /may not sign/,
    ],
    [
      'under an authority without basic constraints',
      () => leaf,
      () => [issue(middle, root, [keyUsage('keyCertSign')])],
      /may not sign/,
    ],
    [
      'under an authority whose key may not sign certificates',
      () => leaf,
      () => [issue(middle, root, [basicConstraints(true), keyUsage('digitalSignature')])],
      /may not sign/,
    ],
    [
      'that has expired',
      () => issue(leafParty, root, LEAF, { notAfter: new Date(Date.now() - 3_600_000) }),
      () => [],
      /not valid after/,
    ],
    [
      'that is not valid yet',
      () => issue(leafParty, root, LEAF, { notBefore: new Date(Date.now() + 60_000) }),
      () => [],
      /not valid before/,
    ],
    [
      'whose authority has expired',
      () => leaf,
      () => [issue(middle, root, AUTHORITY, { notAfter: new Date(Date.now() - 3_600_000) })],
      /not valid after/,
    ],
    [
      'deeper than its path length allows',
      () => issue(leafParty, lower, LEAF),
      () => [
        issue(lower, middle, AUTHORITY),
        issue(middle, root, [basicConstraints(true, 0), keyUsage('keyCertSign')]),
      ],
      /allows 0 authorities/,
    ],
    [
      'without the extended key usage',
      () =>
        issue(
          leafParty,
          root,
          LEAF.filter(({ oid }) => oid !== '2.5.29.37'),
        ),
      () => [],
      /extended key usage/,
    ],
    [
      'for another extended key usage',
      () => issue(leafParty, root, [...LEAF.filter(({ oid }) => oid !== '2.5.29.37'), usage('1.3.6.1.5.5.7.3.2')]),
      () => [],
      /extended key usage/,
    ],
    [
      'under an authority for another extended key usage',
      () => leaf,
      () => [issue(middle, root, [...AUTHORITY, usage('1.3.6.1.5.5.7.3.4')])],
      /extended key usage/,
    ],
    [
      'whose key may not sign',
      () => issue(leafParty, root, [keyUsage('keyCertSign'), ...LEAF.slice(2)]),
      () => [],
      /digitalSignature/,
    ],
    [
      'with a critical extension that nobody knows',
      () => issue(leafParty, root, [...LEAF, { oid: '1.2.3.4', critical: true, value: der.nullValue() }]),
      () => [],
      /not understood: 1.2.3.4/,
    ],
    [
      'whose authority has a critical extension that nobody knows',
      () => leaf,
      () => [
        issue(middle, root, [
          ...AUTHORITY,
          { oid: '2.5.29.36', critical: true, value: der.sequence(der.contextPrimitive(0, Uint8Array.of(0))) },
        ]),
      ],
      /not understood/,
    ],
  ];
  it.each(refused)('findPath refuses a certificate %s', async (_, make, others, says) => {
    expect(await verdict(make(), others())).toMatch(says);
  });

  it('findPath takes a leaf under a path length of 0, and one more renewed key of the same name', async () => {
    const limited = issue(middle, root, [basicConstraints(true, 0), keyUsage('keyCertSign')]);
    expect(await verdict(leaf, [limited])).toBe('leaf < middle < root');
  });

  it('findPath ends soon for certificates that lead in circles, and for many of one name', async () => {
    const [one, other] = [party('one'), party('other')];
    const circle = [issue(one, other, AUTHORITY), issue(other, one, AUTHORITY)];
    expect(await verdict(issue(leafParty, one, LEAF), circle)).toMatch(/no path/);
    const many = Array.from({ length: 60 }, () => issue({ ...middle, ...ec() }, root, AUTHORITY));
    expect(await verdict(leaf, [...many, middleCertificate])).toMatch(/too many|not signed/);
  });
});

describe('name constraints', () => {
  const constraints = (...parts: [permitted: boolean, name: Buffer][]): CertificateExtension => {
    const trees = (permitted: boolean) =>
      parts.filter(([one]) => one === permitted).map(([, name]) => der.sequence(name));
    const groups = [true, false].map((permitted, tag) => ({ tag, list: trees(permitted) }));
    return {
      oid: '2.5.29.30',
      critical: true,
      value: der.sequence(
        ...groups.filter(({ list }) => list.length > 0).map(({ tag, list }) => der.contextConstructed(tag, ...list)),
      ),
    };
  };
  const dns = (name: string): Buffer => der.contextPrimitive(2, Buffer.from(name));
  const ip = (...octets: number[]): Buffer => der.contextPrimitive(7, Uint8Array.from(octets));

  const cases: [what: string, extension: CertificateExtension, names: [string[], string[]], allowed: boolean][] = [
    [
      'a name below a permitted one',
      constraints([true, dns('example.com')]),
      [['a.b.example.com', 'example.com'], []],
      true,
    ],
    ['a name beside a permitted one', constraints([true, dns('example.com')]), [['badexample.com'], []], false],
    ['one of two names beside it', constraints([true, dns('example.com')]), [['example.com', 'evil.org'], []], false],
    ['an excluded name', constraints([false, dns('secret.example.com')]), [['x.secret.example.com'], []], false],
    [
      'a name that is permitted and excluded',
      constraints([true, dns('example.com')], [false, dns('a.example.com')]),
      [['a.example.com'], []],
      false,
    ],
    [
      'a wildcard that can stand for an excluded name',
      constraints([false, dns('Secret.vault.example')]),
      [['*.Vault.example'], []],
      false,
    ],
    [
      'such a wildcard below a permitted name',
      constraints([true, dns('vault.example')], [false, dns('secret.vault.example')]),
      [['a.vault.example', '*.vault.example'], []],
      false,
    ],
    ['a wildcard of an excluded name', constraints([false, dns('vault.example')]), [['*.vault.example'], []], false],
    ['a wildcard below an excluded name', constraints([false, dns('example')]), [['*.vault.example'], []], false],
    [
      'a wildcard of what is below a name with a dot before it',
      constraints([false, dns('.vault.example')]),
      [['*.vault.example'], []],
      false,
    ],
    [
      'a wildcard that can stand for no name below an excluded one, two labels down',
      constraints([false, dns('very.secret.vault.example')]),
      [['*.vault.example'], []],
      true,
    ],
    [
      'a wildcard beside an excluded name',
      constraints([false, dns('secret.vault.example')]),
      [['*.safe.example', '*.open.vault.example'], []],
      true,
    ],
    ['a wildcard below a permitted name', constraints([true, dns('vault.example')]), [['*.vault.example'], []], true],
    [
      'a wildcard that can stand for more than a permitted name',
      constraints([true, dns('a.vault.example')]),
      [['*.vault.example'], []],
      false,
    ],
    ['names in another case', constraints([true, dns('EXAMPLE.com')]), [['A.example.COM'], []], true],
    [
      'an address within a permitted range',
      constraints([true, ip(10, 0, 0, 0, 255, 0, 0, 0)]),
      [[], ['10.1.2.3']],
      true,
    ],
    ['an address outside of it', constraints([true, ip(10, 0, 0, 0, 255, 0, 0, 0)]), [[], ['11.1.2.3']], false],
    [
      'a name where only addresses are constrained',
      constraints([true, ip(10, 0, 0, 0, 255, 0, 0, 0)]),
      [['example.com'], []],
      true,
    ],
    [
      'a form that is not read here',
      constraints([true, der.contextConstructed(0, der.nullValue())]),
      [['example.com'], []],
      false,
    ],
    ['a range of a wrong length', constraints([true, ip(10, 0, 0)]), [['example.com'], []], false],
  ];
  it.each(cases)(
    'findPath heeds the name constraints of an authority: %s',
    async (_, extension, [hosts, addresses], allowed) => {
      const middleCertificate = issue(middle, root, [...AUTHORITY, extension]);
      const leaf = issue(leafParty, middle, [...LEAF.slice(0, 3), subjectAlternativeName(hosts, addresses)]);
      const found = await findPath(nodeEngine, leaf, [middleCertificate], options);
      expect('path' in found).toBe(allowed);
    },
  );

  it('findPath refuses an authority with name constraints where nothing evaluates them', async () => {
    const constrained = issue(middle, root, [...AUTHORITY, constraints([true, dns('example.com')])]);
    const leaf = issue(leafParty, middle, [...LEAF.slice(0, 3), subjectAlternativeName(['example.com'], [])]);
    expect(await verdict(leaf, [constrained])).toBe('leaf < middle < root');
    const { constraints: _, ...others } = options;
    expect(await findPath(nodeEngine, leaf, [constrained], others)).toEqual({
      problem: 'CN=middle: its name constraints are not evaluated here',
    });
  });
});

describe('isForHost', () => {
  const names = (dnsNames: string[], addresses: string[] = []) =>
    alternativeNames(issue(leafParty, root, [subjectAlternativeName(dnsNames, addresses)]));
  const cases: [host: string, names: ReturnType<typeof names>, match: boolean][] = [
    ['contoso.vault.azure.net', names(['*.vault.azure.net']), true],
    ['CONTOSO.vault.azure.net', names(['*.Vault.azure.NET']), true],
    ['vault.azure.net', names(['*.vault.azure.net']), false],
    ['a.b.vault.azure.net', names(['*.vault.azure.net']), false],
    ['contoso.vault.azure.net', names(['c*.vault.azure.net']), false],
    ['contoso.vault.azure.net', names(['contoso.*.azure.net']), false],
    ['contoso.net', names(['*.net']), false],
    ['contoso.net', names(['*']), false],
    ['contoso.vault.azure.net.', names(['contoso.vault.azure.net']), false],
    ['127.0.0.1', names([], ['127.0.0.1']), true],
    ['127.0.0.1', names(['127.0.0.1']), false],
    ['[::1]', names(['localhost'], ['127.0.0.1']), false],
    ['localhost', names(['localhost']), true],
    ['localhost', undefined, false],
    ['', names(['']), false],
  ];
  it.each(cases)('isForHost compares %j with what the certificate is for (%#)', (host, alternative, match) => {
    expect(isForHost(alternative, host)).toBe(match);
  });

  it('isForHost never goes by the common name', () => {
    const certificate = issue({ ...leafParty, name: 'contoso.vault.azure.net' }, root, [basicConstraints(false)]);
    expect(isForHost(alternativeNames(certificate), 'contoso.vault.azure.net')).toBe(false);
  });
});
