import { createHash, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  CHECK_CODES,
  ErrorCode,
  explainEvidence,
  parsePolicy,
  type VerificationOptions,
  type VerificationPolicy,
} from '../../lib/index.js';
import { type Forged, forge } from './forge.js';
import { failedCodes } from './genuine.js';

const ID_KEY = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
const AUTHOR_KEY = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
const pem = (key: typeof ID_KEY): string => key.export({ type: 'spki', format: 'pem' }).toString();
const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const tcb = { bootloader: 4, tee: 0, snp: 24, microcode: 219 };
const field = (size: number, fill: number): Uint8Array => new Uint8Array(size).fill(fill);
const hexOf = (size: number, fill: number): string => Buffer.alloc(size, fill).toString('hex');

/** SHA-384 of a key in AMD's format: curve 2, Qx and Qy little-endian in 72 bytes each, 1028 bytes in all. */
function amdDigest(key: typeof ID_KEY): Uint8Array {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const coordinate = (value: string): Buffer =>
    Buffer.concat([Buffer.from(value, 'base64url').reverse(), Buffer.alloc(24)]);
  const encoded = Buffer.concat([Buffer.of(2, 0, 0, 0), coordinate(x), coordinate(y), Buffer.alloc(880)]);
  expect(encoded).toHaveLength(0x404);
  return createHash('sha384').update(encoded).digest();
}

/** A policy that the evidence below fulfils, and a nearby one that it does not. */
const ROWS: [name: string, fulfilled: VerificationPolicy, refused: VerificationPolicy][] = [
  ['allowedProducts', { allowedProducts: ['Genoa', 'Milan'] }, { allowedProducts: ['Genoa', 'Turin'] }],
  ['vmpl', { vmpl: [0, 1] }, { vmpl: [1, 2, 3] }],
  ['guestPolicy.minimumAbi', { guestPolicy: { minimumAbi: '0.31' } }, { guestPolicy: { minimumAbi: '0.32' } }],
  ['guestPolicy.minimumAbi major', { guestPolicy: { minimumAbi: '0.0' } }, { guestPolicy: { minimumAbi: '1.0' } }],
  ['guestPolicy.smt', { guestPolicy: { smt: true } }, { guestPolicy: { smt: false } }],
  ['guestPolicy.singleSocket', { guestPolicy: { singleSocket: false } }, { guestPolicy: { singleSocket: true } }],
  ['guestPolicy.cxlAllow', { guestPolicy: { cxlAllow: false } }, { guestPolicy: { cxlAllow: true } }],
  ['guestPolicy.memAes256Xts', { guestPolicy: { memAes256Xts: false } }, { guestPolicy: { memAes256Xts: true } }],
  ['guestPolicy.raplDis', { guestPolicy: { raplDis: false } }, { guestPolicy: { raplDis: true } }],
  [
    'guestPolicy.ciphertextHidingDram',
    { guestPolicy: { ciphertextHidingDram: false } },
    { guestPolicy: { ciphertextHidingDram: true } },
  ],
  [
    'guestPolicy.pageSwapDisable',
    { guestPolicy: { pageSwapDisable: false } },
    { guestPolicy: { pageSwapDisable: true } },
  ],
  ['platformInfo.smtEn', { platformInfo: { smtEn: true } }, { platformInfo: { smtEn: false } }],
  ['platformInfo.tsmeEn', { platformInfo: { tsmeEn: false } }, { platformInfo: { tsmeEn: true } }],
  ['platformInfo.eccEn', { platformInfo: { eccEn: true } }, { platformInfo: { eccEn: false } }],
  ['platformInfo.raplDis', { platformInfo: { raplDis: false } }, { platformInfo: { raplDis: true } }],
  [
    'platformInfo.aliasCheckComplete',
    { platformInfo: { aliasCheckComplete: true } },
    { platformInfo: { aliasCheckComplete: false } },
  ],
  ['platformInfo.tioEn', { platformInfo: { tioEn: false } }, { platformInfo: { tioEn: true } }],
  ['minimumGuestSvn', { minimumGuestSvn: 10 }, { minimumGuestSvn: 11 }],
  ['minimumVersion', { minimumVersion: '1.55' }, { minimumVersion: '1.56' }],
  ['minimumVersion major', { minimumVersion: '0.99' }, { minimumVersion: '2.0' }],
  ['minimumBuild', { minimumBuild: 29 }, { minimumBuild: 30 }],
  [
    'minimumVersion and minimumBuild',
    { minimumVersion: '1.54', minimumBuild: 200 },
    { minimumVersion: '1.55', minimumBuild: 30 },
  ],
  ['permitProvisionalFirmware', { permitProvisionalFirmware: true }, { permitProvisionalFirmware: false }],
  ['requireCommittedTcb', { requireCommittedTcb: false }, { requireCommittedTcb: true }],
  ['minimumTcb', { minimumTcb: tcb }, { minimumTcb: { ...tcb, bootloader: 5 } }],
  [
    'minimumTcb by product',
    { minimumTcb: { Milan: tcb, Genoa: { snp: 255 } } },
    { minimumTcb: { Milan: { snp: 25 } } },
  ],
  ['minimumTcb of another product', { minimumTcb: { Milan: { microcode: 1 } } }, { minimumTcb: { Turin: { snp: 1 } } }],
  ['minimumTcb with a component that Milan has not', { minimumTcb: { snp: 1 } }, { minimumTcb: { fmc: 1 } }],
  ['minimumLaunchTcb', { minimumLaunchTcb: { microcode: 200 } }, { minimumLaunchTcb: { microcode: 201 } }],
  ['measurement', { measurement: hexOf(48, 0xa1).toUpperCase() }, { measurement: hexOf(48, 0xa2) }],
  ['measurement list', { measurement: [hexOf(48, 0), hexOf(48, 0xa1)] }, { measurement: [hexOf(48, 0)] }],
  ['hostData', { hostData: hexOf(32, 0xa3) }, { hostData: hexOf(32, 0) }],
  ['familyId', { familyId: hexOf(16, 0xa4) }, { familyId: hexOf(16, 0) }],
  ['imageId', { imageId: hexOf(16, 0xa5) }, { imageId: hexOf(16, 0) }],
  ['reportId', { reportId: hexOf(32, 0xa6) }, { reportId: hexOf(32, 0) }],
  ['reportIdMa', { reportIdMa: hexOf(32, 0xff) }, { reportIdMa: hexOf(32, 0) }],
  ['requireIdBlock', { requireIdBlock: true }, { requireIdBlock: true, trustedIdKeyHashes: [hexOf(48, 1)] }],
  ['requireAuthorKey', { requireAuthorKey: true }, { requireAuthorKey: true, trustedAuthorKeyHashes: [hexOf(48, 1)] }],
  ['trustedIdKeys', { trustedIdKeys: [pem(ID_KEY)] }, { trustedIdKeys: [pem(AUTHOR_KEY)] }],
  ['trustedAuthorKeys', { trustedAuthorKeys: [pem(AUTHOR_KEY)] }, { trustedAuthorKeys: [pem(ID_KEY)] }],
  [
    'an ID key under a trusted author key',
    { trustedIdKeyHashes: [hexOf(48, 1)], trustedAuthorKeys: [pem(AUTHOR_KEY)] },
    { trustedIdKeyHashes: [hexOf(48, 1)], trustedAuthorKeyHashes: [hexOf(48, 2)] },
  ],
  ['pcrs', { pcrs: { 0: hexOf(32, 1), 23: [hexOf(32, 0), hexOf(32, 24)] } }, { pcrs: { 0: hexOf(32, 2) } }],
];

describe('a policy', () => {
  let forged: Forged;
  beforeAll(async () => {
    forged = await forge({
      report: {
        measurement: field(48, 0xa1),
        hostData: field(32, 0xa3),
        familyId: field(16, 0xa4),
        imageId: field(16, 0xa5),
        reportId: field(32, 0xa6),
        idKeyDigest: amdDigest(ID_KEY),
        authorKeyDigest: amdDigest(AUTHOR_KEY),
        keyInfo: 1,
        committedTcb: { ...tcb, microcode: 220 },
        currentTcb: { ...tcb, microcode: 221 },
        launchTcb: { ...tcb, microcode: 200 },
      },
    });
  });

  it.each(ROWS)('may demand %s', async (_, fulfilled, refused) => {
    const { evidence, options } = forged;
    // The machine's measurement identifies its paravisor, where the row itself does not ask for another one.
    const named = (policy: VerificationPolicy): VerificationPolicy =>
      'measurement' in policy
        ? { allowUnidentifiedParavisor: true, ...policy }
        : { measurement: hexOf(48, 0xa1), ...policy };
    expect(failedCodes(await explainEvidence(evidence, { ...options, policy: named(fulfilled) }))).toEqual([]);
    expect(failedCodes(await explainEvidence(evidence, { ...options, policy: named(refused) }))).toEqual([
      'ERR_POLICY',
    ]);
  });

  it('may lift the refusal of debugging, migration and VMPL', async () => {
    const { evidence, options } = await forge({ report: { policy: 0x3001fn | (3n << 18n), vmpl: 2 } });
    const refusals = ['ERR_POLICY', 'ERR_POLICY', 'ERR_POLICY', 'ERR_PARAVISOR'];
    expect(failedCodes(await explainEvidence(evidence, options))).toEqual(refusals);
    // A report made at VMPL 2 is of the guest's asking: whose paravisor is there does not matter any more.
    const lifted = { allowDebug: true, allowMigration: true, vmpl: 2 };
    expect(failedCodes(await explainEvidence(evidence, { ...options, policy: lifted }))).toEqual(['ERR_PARAVISOR']);
    const policy = { ...lifted, allowUnidentifiedParavisor: true };
    expect(failedCodes(await explainEvidence(evidence, { ...options, policy }))).toEqual([]);
  });

  it('may demand that secure boot is configured', async () => {
    const policy = { requireSecureBoot: 'configured' } as const;
    const named = { measurement: hexOf(48, 0xa1), ...policy };
    expect(failedCodes(await explainEvidence(forged.evidence, { ...forged.options, policy: named }))).toEqual([]);
    for (const claim of [false, 'true', undefined]) {
      const { evidence, options } = await forge({
        claims: (claims) => JSON.stringify({ ...claims, 'vm-configuration': { 'secure-boot': claim } }),
      });
      const codes = failedCodes(await explainEvidence(evidence, { ...options, policy }));
      expect(codes).toEqual(['ERR_POLICY']);
    }
  });

  it('may demand a quote', async () => {
    const { evidence, options } = await forge({ quote: false });
    const { nonce: _, ...rest } = options;
    for (const policy of [{ requireQuote: true }, { pcrs: { 7: hexOf(32, 8) } }, { quotedPcrs: [7] }]) {
      expect(failedCodes(await explainEvidence(evidence, { ...rest, policy }))).toEqual(['ERR_QUOTE_MISSING']);
    }
  });
});

describe('parsePolicy', () => {
  it.each([
    ['a misspelt member', { minimunTcb: {} }, 'no option "minimunTcb" in policy: did you mean minimumTcb?'],
    [
      'a misspelt member deep inside',
      { guestPolicy: { SMT: true } },
      'no option "SMT" in policy.guestPolicy: did you mean smt?',
    ],
    ['a string for a number', { minimumGuestSvn: '10' }, 'policy.minimumGuestSvn must be a whole number'],
    ['hex of the wrong size', { measurement: 'ab' }, 'policy.measurement must be 48 bytes in hex'],
    [
      'a component above 255',
      { minimumTcb: { snp: 256 } },
      'policy.minimumTcb.snp must be a whole number from 0 to 255',
    ],
    ['PCR 24', { pcrs: { 24: hexOf(32, 0) } }, 'no option "24" in policy.pcrs'],
    ['an empty list', { measurement: [] }, 'policy.measurement must be a list of 1'],
    ['another product', { allowedProducts: ['Rome'] }, 'policy.allowedProducts[0] must be Milan or Genoa or Turin'],
    ['VMPL 4', { vmpl: 4 }, 'policy.vmpl must be a whole number from 0 to 3'],
    ['a list', [], 'policy must be a plain object'],
    ['null', null, 'policy must be a plain object'],
  ])('refuses %s, and says which', (_, policy, words) => {
    expect(() => parsePolicy(policy)).toThrow(expect.objectContaining({ code: ErrorCode.INVALID_INPUT_PARAMETER }));
    expect(() => parsePolicy(policy)).toThrow(words);
  });

  it('refuses a key that is none, when it is used', async () => {
    const { evidence, options } = await forge();
    for (const key of [
      '-----BEGIN PUBLIC KEY-----',
      pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey),
    ]) {
      await expect(explainEvidence(evidence, { ...options, policy: { trustedIdKeys: [key] } })).rejects.toMatchObject({
        code: ErrorCode.INVALID_INPUT_PARAMETER,
      });
    }
  });

  it('copies', () => {
    const policy: VerificationPolicy = { allowedProducts: ['Milan'] };
    const parsed = parsePolicy(policy);
    policy.allowedProducts?.push('Genoa');
    expect(parsed).toEqual({ allowedProducts: ['Milan'] });
  });
});

describe('options that would check less than was meant', () => {
  it.each([
    ['an empty nonce', { nonce: new Uint8Array() }],
    ['a nonce of 65 bytes', { nonce: new Uint8Array(65) }],
    ['a nonce that a session has lost', { nonce: undefined } as unknown as VerificationOptions],
    ['user data that are not there', { userData: undefined } as unknown as VerificationOptions],
    ['a nonce in hex', { nonce: 'ab' as unknown as Uint8Array }],
    ['user data of 65 bytes', { userData: new Uint8Array(65) }],
    ['no date', { now: new Date('never') }],
    ['no trusted roots', { trustedRoots: [] }],
    ['a root that is none', { trustedRoots: ['root'] }],
    ['a root of no product', { trustedRoots: [{ product: 'Rome' as 'Milan', publicKeySha256: '00'.repeat(32) }] }],
    ['a key digest that is none', { trustedRoots: [{ product: 'Milan' as const, publicKeySha256: 'ab' }] }],
    ['revocation lists that are not a list', { crls: 'crl' as unknown as string[] }],
    ['an unknown member of the policy', { policy: { debug: false } as VerificationPolicy }],
    ['null', null as unknown as VerificationOptions],
  ])('are refused: %s', async (_, options) => {
    const { evidence } = await forge();
    await expect(explainEvidence(evidence, options)).rejects.toMatchObject({
      name: 'AttestationError',
      code: ErrorCode.INVALID_INPUT_PARAMETER,
    });
  });

  it.each([
    ['nothing', undefined],
    ['another version', { version: 2, hclReport: new Uint8Array(1) }],
    ['a string for bytes', { version: 1, hclReport: 'SENMQQ' }],
    [
      'a quote without PCRs',
      { version: 1, hclReport: new Uint8Array(1), quote: { message: new Uint8Array(), signature: new Uint8Array() } },
    ],
  ])('are refused, like evidence that is none: %s', async (_, evidence) => {
    await expect(explainEvidence(evidence as never)).rejects.toMatchObject({
      name: 'AttestationError',
      code: ErrorCode.INVALID_INPUT_PARAMETER,
    });
  });
});

describe('the documentation', () => {
  it('lists every code with its sentence', () => {
    const rows = [...text('docs/evidence.md').matchAll(/^\| `(ERR_\w+)`\s*\| (.*?)\s*\|$/gm)].map(([, code, words]) => [
      code,
      words,
    ]);
    expect(rows).toEqual(Object.entries(CHECK_CODES));
  });

  it('names every member of the policy, and no other', () => {
    const { properties } = JSON.parse(text('schema/verification-policy.schema.json'));
    const names = Object.keys(properties).filter((name) => name !== '$schema');
    const table = text('docs/policy.md').split('## Members')[1]?.split('Every demand')[0] ?? '';
    const first = table
      .split('\n')
      .map((line) => line.split('|')[1] ?? '')
      .join(' ');
    const documented = [...first.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    expect(documented.sort()).toEqual(names.sort());
  });
});
