import type { KeyObject } from 'node:crypto';
import type { Product, Tcb } from '../../abi/tcb.js';
import {
  authorityKeyIdentifier,
  basicConstraints,
  type Certificate,
  type CertificateExtension,
  crlDistributionPoint,
  type DistinguishedName,
  issueCertificate,
  keyUsage,
  subjectKeyIdentifier,
} from './certificate.js';
import { issueRevocationList } from './crl.js';
import * as der from './der.js';
import { freshP384KeyPair, type KeyPair, pooledRsaKeyPair } from './key-pool.js';

const oneYearMs = 365.25 * 24 * 3600 * 1000;

/** AMD's distinguished name but for the organization, so that nobody takes a simulated certificate for AMD's. */
const amdName = (commonName: string, organization = 'Simulated Micro Devices'): DistinguishedName => ({
  OU: 'Engineering',
  C: 'US',
  L: 'Santa Clara',
  ST: 'CA',
  O: organization,
  CN: commonName,
});

const serials = { ark: 65536, ask: 65537, asvk: 65538 } as const;

/** OIDs below AMD's arc 1.3.6.1.4.1.3704.1 (layouts.md 3). */
const extensionArc = '1.3.6.1.4.1.3704.1';

export interface LeafOptions {
  /** TCB that the certificate is issued for. */
  tcb: Tcb;
  /** 64 bytes on Milan and Genoa, 8 on Turin; undefined leaves the extension out, as in a VLEK. */
  hardwareId?: Uint8Array;
  /** `octet-string` wraps the hardware id again, as some fixtures of other projects do. */
  hardwareIdEncoding?: 'raw' | 'octet-string';
  productName?: string;
  structVersion?: number;
  notBefore?: Date;
  notAfter?: Date;
  /** Provider of a VLEK (CSP_ID). */
  cspId?: string;
  /** OID suffixes (`3.8`, `4`) that are left out. */
  omitExtensions?: readonly string[];
}

/** A chip's (VCEK) or a provider's (VLEK) signing key with its certificate. */
export interface SigningLeaf {
  kind: 'vcek' | 'vlek';
  /** Chip that it is of, unless the certificate does not say. */
  hardwareId?: Uint8Array;
  certificate: Certificate;
  privateKey: KeyObject;
  /** Certificate of the ASK or ASVK that issued it. */
  issuer: Certificate;
}

export interface AmdAuthorityOptions {
  product: Product;
  /** Authorities of different names have different keys: `stranger` for a chain that nobody trusts. */
  name?: string;
  /** Organization in all names. Default `Simulated Micro Devices`. */
  organization?: string | undefined;
  now?: Date;
  /** Validity of ARK and ASK, to make expired ones. */
  notBefore?: Date;
  notAfter?: Date;
}

/** A certificate authority shaped like AMD's of one product: ARK → ASK → VCEK, ARK → ASVK → VLEK, and the ARK's CRL. */
export class AmdAuthority {
  readonly product: Product;
  readonly ark: Certificate;
  readonly ask: Certificate;
  readonly #keys: { ark: KeyPair; ask: KeyPair };
  readonly #options: AmdAuthorityOptions;
  readonly #now: Date;

  private constructor(options: AmdAuthorityOptions, keys: { ark: KeyPair; ask: KeyPair }) {
    this.product = options.product;
    this.#keys = keys;
    this.#options = options;
    this.#now = options.now ?? new Date();
    this.ark = this.#issueAuthority(this.#arkName, keys.ark.publicKey, serials.ark, [
      keyUsage('keyCertSign', 'cRLSign'),
      subjectKeyIdentifier(keys.ark.publicKey),
      basicConstraints(true),
    ]);
    this.ask = this.#issueIntermediate(this.#askName, keys.ask.publicKey, serials.ask);
  }

  /** Generating the two RSA-4096 keys takes seconds the first time in a process; see {@link pooledRsaKeyPair}. */
  static async create(options: AmdAuthorityOptions): Promise<AmdAuthority> {
    const [ark, ask] = await Promise.all([authorityKeys(options, 'ark'), authorityKeys(options, 'ask')]);
    return new AmdAuthority(options, { ark, ask });
  }

  get #arkName(): DistinguishedName {
    return amdName(`ARK-${this.product}`, this.#options.organization);
  }

  get #askName(): DistinguishedName {
    return amdName(`SEV-${this.product}`, this.#options.organization);
  }

  /** ASK and ARK as the key service and THIM hand them out. */
  get chainPem(): string {
    return this.ask.pem + this.ark.pem;
  }

  /** Issues a VCEK. */
  async issueVcek(options: LeafOptions): Promise<SigningLeaf> {
    return this.#issueLeaf('vcek', { name: this.#askName, certificate: this.ask, keys: this.#keys.ask }, options);
  }

  /** Issues a VLEK: no hardware id, the provider's name instead, valid for a year. */
  async issueVlek(options: LeafOptions): Promise<SigningLeaf> {
    const keys = await authorityKeys(this.#options, 'asvk');
    const name = amdName(`SEV-VLEK-${this.product}`, this.#options.organization);
    const certificate = this.#issueIntermediate(name, keys.publicKey, serials.asvk);
    return this.#issueLeaf('vlek', { name, certificate, keys }, { cspId: 'CN=simulated.example', ...options });
  }

  /** DER revocation list signed by the ARK. */
  revocationList(
    options: { revoked?: readonly ('ask' | 'asvk')[]; thisUpdate?: Date; nextUpdate?: Date } = {},
  ): Buffer {
    const thisUpdate = options.thisUpdate ?? new Date(this.#now.getTime() - 24 * 3600 * 1000);
    return issueRevocationList({
      issuer: this.#arkName,
      signingKey: this.#keys.ark.privateKey,
      thisUpdate,
      nextUpdate: options.nextUpdate ?? new Date(thisUpdate.getTime() + oneYearMs),
      revoked: (options.revoked ?? []).map((name) => serials[name]),
    });
  }

  #issueAuthority(
    subject: DistinguishedName,
    publicKey: KeyObject,
    serialNumber: number,
    extensions: CertificateExtension[],
  ): Certificate {
    return issueCertificate({
      subject,
      issuer: this.#arkName,
      publicKey,
      signingKey: this.#keys.ark.privateKey,
      signatureAlgorithm: 'rsa-pss-sha384',
      serialNumber,
      notBefore: this.#options.notBefore ?? new Date(this.#now.getTime() - 5 * oneYearMs),
      notAfter: this.#options.notAfter ?? new Date(this.#now.getTime() + 20 * oneYearMs),
      extensions: [...extensions, crlDistributionPoint(`https://kdsintf.amd.com/vcek/v1/${this.product}/crl`)],
    });
  }

  #issueIntermediate(subject: DistinguishedName, publicKey: KeyObject, serialNumber: number): Certificate {
    return this.#issueAuthority(subject, publicKey, serialNumber, [
      subjectKeyIdentifier(publicKey),
      authorityKeyIdentifier(this.#keys.ark.publicKey),
      basicConstraints(true, 0),
      keyUsage('keyCertSign'),
    ]);
  }

  async #issueLeaf(kind: 'vcek' | 'vlek', issuer: LeafIssuer, options: LeafOptions): Promise<SigningLeaf> {
    const { publicKey, privateKey } = await freshP384KeyPair();
    const notBefore = options.notBefore ?? new Date(this.#now.getTime() - 30 * 24 * 3600 * 1000);
    const years = kind === 'vcek' ? 7 : 1;
    const certificate = issueCertificate({
      subject: amdName(kind === 'vcek' ? 'SEV-VCEK' : 'SEV-VLEK', this.#options.organization),
      issuer: issuer.name,
      publicKey,
      signingKey: issuer.keys.privateKey,
      signatureAlgorithm: 'rsa-pss-sha384',
      serialNumber: 0,
      notBefore,
      notAfter: options.notAfter ?? new Date(notBefore.getTime() + years * oneYearMs),
      extensions: leafExtensions(this.product, options),
    });
    const { hardwareId } = options;
    return { kind, ...(hardwareId && { hardwareId }), certificate, privateKey, issuer: issuer.certificate };
  }
}

interface LeafIssuer {
  name: DistinguishedName;
  certificate: Certificate;
  keys: KeyPair;
}

const authorityKeys = ({ name, product }: AmdAuthorityOptions, role: string): Promise<KeyPair> =>
  pooledRsaKeyPair(`${name ?? 'default'}-${product}-${role}`, 4096);

const productNames: Record<Product, string> = { Milan: 'Milan-B0', Genoa: 'Genoa', Turin: 'Turin' };

/** The leaf's extensions in the order of AMD's own certificates. */
function leafExtensions(product: Product, options: LeafOptions): CertificateExtension[] {
  const { tcb, hardwareId, cspId } = options;
  const turin = product === 'Turin';
  const extension = (suffix: string, value: Uint8Array): CertificateExtension => ({
    oid: `${extensionArc}.${suffix}`,
    value,
  });
  const spl = (suffix: string, value: number): CertificateExtension => extension(suffix, der.integer(value));
  const reserved = (turin ? ['3.5', '3.6', '3.7'] : ['3.4', '3.5', '3.6', '3.7']).map((suffix) => spl(suffix, 0));
  const patchLevels = turin
    ? [spl('3.9', tcb.fmc ?? 0), spl('3.1', tcb.bootloader), spl('3.2', tcb.tee), spl('3.3', tcb.snp), ...reserved]
    : [spl('3.1', tcb.bootloader), spl('3.2', tcb.tee), ...reserved, spl('3.3', tcb.snp)];
  const extensions = [
    extension('1', der.integer(options.structVersion ?? (turin ? 1 : 0))),
    extension('2', der.ia5String(options.productName ?? productNames[product])),
    ...patchLevels,
    spl('3.8', tcb.microcode),
  ];
  if (hardwareId) {
    extensions.push(
      extension('4', options.hardwareIdEncoding === 'octet-string' ? der.octetString(hardwareId) : hardwareId),
    );
  }
  if (cspId !== undefined) extensions.push(extension('5', der.ia5String(cspId)));
  const omitted = new Set(options.omitExtensions?.map((suffix) => `${extensionArc}.${suffix}`));
  return extensions.filter(({ oid }) => !omitted.has(oid));
}
