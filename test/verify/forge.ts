import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  AZURE_ID_KEYS,
  type Evidence,
  type Product,
  type RuntimeClaims,
  type VerificationOptions,
} from '../../lib/index.js';
import {
  bindingReportData,
  buildHclReport,
  type HclHash,
  type HclReportFields,
} from '../../lib/simulator/evidence/hcl-report.js';
import { platforms } from '../../lib/simulator/evidence/platform.js';
import { buildSnpReport, type SnpReportFields, signSnpReport } from '../../lib/simulator/evidence/snp-report.js';
import { AmdAuthority, type AmdAuthorityOptions, type LeafOptions } from '../../lib/simulator/pki/amd.js';

/** What is wrong with a piece of evidence, layer by layer. Everything around it is signed as it should be. */
export interface Forgery {
  product?: Product;
  authority?: Omit<AmdAuthorityOptions, 'product'>;
  leaf?: Partial<LeafOptions>;
  kind?: 'vcek' | 'vlek';
  report?: SnpReportFields;
  /** Changes the report before it is signed, and after. */
  beforeSigning?: (report: Buffer) => void;
  afterSigning?: (report: Buffer) => void;
  /** Changes the claims, or replaces their text altogether. */
  claims?: (claims: RuntimeClaims) => RuntimeClaims | string;
  hash?: HclHash;
  reportData?: (binding: Buffer) => Buffer;
  hcl?: Partial<HclReportFields>;
  afterHcl?: (hcl: Buffer) => void;
  quote?: false | QuoteForgery;
}

export interface QuoteForgery {
  magic?: number;
  type?: number;
  nonce?: Uint8Array;
  /** What the TPM selects, and what the evidence shows. */
  selected?: number[];
  shown?: number[];
  digest?: Buffer;
  /** Signs in place of the attestation key. */
  key?: KeyObject;
  values?: (values: Record<number, Uint8Array>) => void;
  /** Values that the TPM really has, in place of made-up ones. */
  pcrs?: ReadonlyMap<number, Uint8Array>;
}

export const CHIP_ID = Uint8Array.from({ length: 64 }, (_, index) => (index * 7 + 1) & 0xff);
export const FORGED_NONCE = new TextEncoder().encode('a challenge');
const PCRS = Array.from({ length: 24 }, (_, index) => index);

const attestationKey = generateKeyPairSync('rsa', { modulusLength: 2048 });
/** Of the key that the claims name. */
export const attestationPublicKey: KeyObject = attestationKey.publicKey;
/** A key that is nobody's. */
export const strangersKey = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const attestationJwk = (): RuntimeClaims['keys'][0] => {
  const { n = '', e = '' } = attestationKey.publicKey.export({ format: 'jwk' });
  return { kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n };
};

export interface Forged {
  evidence: Evidence;
  /** Options under which evidence with nothing wrong is accepted. */
  options: VerificationOptions;
  authority: AmdAuthority;
}

const authorities = new Map<string, Promise<AmdAuthority>>();

// Every authority signs itself and its ASK with RSA-4096 when it is made.
function authorityOf(options: AmdAuthorityOptions): Promise<AmdAuthority> {
  const key = JSON.stringify(options);
  const authority = authorities.get(key) ?? AmdAuthority.create(options);
  authorities.set(key, authority);
  return authority;
}

/** Evidence of a simulated machine with something wrong with it, or nothing. */
export async function forge(forgery: Forgery = {}): Promise<Forged> {
  const product = forgery.product ?? 'Milan';
  const trusted = await authorityOf({ product });
  const authority = await authorityOf({ product, ...forgery.authority });
  const hardwareId = product === 'Turin' ? CHIP_ID.slice(0, 8) : CHIP_ID;
  const defaults = { tcb: forgery.report?.reportedTcb ?? platforms[product].tcb };
  const leaf =
    forgery.kind === 'vlek'
      ? await authority.issueVlek({ ...defaults, ...forgery.leaf })
      : await authority.issueVcek({ ...defaults, hardwareId, ...forgery.leaf });

  const variableData = Buffer.from(claimsText(forgery));
  const binding = bindingReportData(variableData, forgery.hash);
  const report = buildSnpReport(product, {
    reportData: forgery.reportData?.(binding) ?? binding,
    chipId: product === 'Turin' ? Buffer.concat([hardwareId, Buffer.alloc(56)]) : CHIP_ID,
    // Signed as Azure's paravisors are, so that nothing but what a test spoils is wrong.
    idKeyDigest: Buffer.from(AZURE_ID_KEYS[1] as string, 'hex'),
    ...forgery.report,
  });
  forgery.beforeSigning?.(report);
  signSnpReport(report, leaf.privateKey);
  forgery.afterSigning?.(report);
  const hcl = buildHclReport({
    reportType: 'snp',
    hardwareReport: report,
    variableData,
    paddedSize: 8192,
    ...(forgery.hash !== undefined && { hashType: forgery.hash }),
    ...forgery.hcl,
  });
  forgery.afterHcl?.(hcl);

  const evidence: Evidence = {
    version: 1,
    hclReport: new Uint8Array(hcl),
    certificates: { vcek: new Uint8Array(leaf.certificate.der), chain: leaf.issuer.pem + authority.ark.pem },
  };
  if (forgery.quote !== false) evidence.quote = makeQuote(forgery.quote ?? {});
  return { evidence, options: { trustedRoots: [trusted.ark.pem], nonce: FORGED_NONCE }, authority };
}

function claimsText({ claims }: Forgery): string {
  const genuine: RuntimeClaims = {
    keys: [attestationJwk()],
    'vm-configuration': { 'secure-boot': true, 'tpm-enabled': true, vmUniqueId: 'FORGED' },
    'user-data': `${'AB'.repeat(4)}${'00'.repeat(60)}`,
  };
  const changed = claims?.(genuine) ?? genuine;
  return typeof changed === 'string' ? changed : JSON.stringify(changed);
}

/** A quote as a TPM makes it, over 24 PCRs of different values. */
export function makeQuote(forgery: QuoteForgery = {}): NonNullable<Evidence['quote']> {
  const selected = forgery.selected ?? PCRS;
  const values: Record<number, Uint8Array> = {};
  const pcrValue = (index: number): Uint8Array =>
    forgery.pcrs === undefined
      ? new Uint8Array(32).fill(index + 1)
      : (forgery.pcrs.get(index) ?? new Uint8Array(32).fill(index >= 17 && index < 23 ? 0xff : 0));
  for (const index of forgery.shown ?? selected) values[index] = pcrValue(index);
  const digest = createHash('sha256');
  for (const index of selected) digest.update(pcrValue(index));
  const message = encodeQuote({ ...forgery, selected, digest: forgery.digest ?? digest.digest() });
  forgery.values?.(values);
  const signature = sign('sha256', message, forgery.key ?? attestationKey.privateKey);
  return { message, signature: new Uint8Array(signature), pcrs: { alg: 'sha256', values } };
}

function encodeQuote(quote: QuoteForgery & { selected: number[]; digest: Buffer }): Uint8Array {
  const sized = (bytes: Uint8Array): Buffer => Buffer.concat([u16(bytes.length), bytes]);
  const bitmap = Buffer.alloc(3);
  for (const index of quote.selected) bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
  const head = Buffer.alloc(6);
  head.writeUInt32BE(quote.magic ?? 0xff544347, 0);
  head.writeUInt16BE(quote.type ?? 0x8018, 4);
  const clock = Buffer.alloc(8 + 4 + 4 + 1 + 8);
  clock.writeUInt32BE(3, 8);
  return new Uint8Array(
    Buffer.concat([
      head,
      sized(Buffer.alloc(34, 7)),
      sized(quote.nonce ?? FORGED_NONCE),
      clock,
      Buffer.from([0, 0, 0, 1, 0, 0x0b, 3]),
      bitmap,
      sized(quote.digest),
    ]),
  );
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}
