import { createHash, randomBytes } from 'node:crypto';
import type { Certificate } from '../pki/certificate.js';
import type { IntelAuthority, IntelSubordinate, ListValidity, PckLeaf } from '../pki/intel.js';
import { freshP256KeyPair, type KeyPair } from '../pki/key-pool.js';
import { issueCollateral, type PlatformTcbStatus, type SimulatedTdxCollateral } from './collateral.js';
import { buildTdQuote, type QuotingEnclave, type TdQuoteFields } from './td-quote.js';
import { buildTdReport, defaultCpuSvn, defaultTeeTcbSvn, isReportOf, type TdReportFields } from './td-report.js';

/** How a simulated TDX machine differs from an ordinary one of Azure's. */
export interface TdxOptions {
  /** Version of its quotes. Default 4. */
  quoteVersion?: 4 | 5;
  /** Body of quotes of version 5. Default 3. */
  quoteBodyType?: 2 | 3;
  /** What Intel says of the platform's TCB level. Default `UpToDate`. */
  tcbStatus?: PlatformTcbStatus;
  /** `below-every-level` makes a platform whose SEAMLDR is older than Intel's lowest level, as many of Azure's are. */
  platform?: 'ordinary' | 'below-every-level';
  debug?: boolean;
  migratable?: boolean;
  /** 16 bytes. */
  teeTcbSvn?: Uint8Array;
  teeTcbSvn2?: Uint8Array;
  /** 48 bytes. */
  mrtd?: Uint8Array;
  rtmrs?: readonly Uint8Array[];
  /** Any other field of the TDREPORT. */
  tdReport?: TdReportFields;
  quotingEnclave?: QuotingEnclave;
  authenticationData?: Uint8Array;
  /** Changes the report that is quoted when a guest asks for a quote of its own. */
  quoteOf?: (report: Uint8Array) => Uint8Array;
  /** Default 90c06f000000. */
  fmspc?: string;
  collateral?: {
    /** Dates of documents and lists. */
    validity?: ListValidity;
    /** FMSPC that the TCB info is for, where that is not to be the platform's. */
    fmspc?: string;
    evaluationDataNumber?: number;
    revoked?: readonly ('pck' | IntelSubordinate)[];
  };
}

const pceId = '0000';
const ordinaryComponents = [4, 4, 2, 2, 4, 1, 0, 5];
/** SEAMLDR ACM 3 where Intel's lowest level demands 5 (tdx.md 0, fact 6). */
const oldSeamLoader = [4, 4, 2, 2, 4, 1, 0, 3];

/** A TDX platform with its keys: makes TDREPORTs, and quotes of its own reports. */
export class TdxPlatform {
  readonly collateral: SimulatedTdxCollateral;
  readonly fmspc: string;
  readonly #options: TdxOptions;
  readonly #authority: IntelAuthority;
  readonly #pck: PckLeaf;
  readonly #attestationKey: KeyPair;
  readonly #macKey = randomBytes(32);

  private constructor(authority: IntelAuthority, options: TdxOptions, pck: PckLeaf, attestationKey: KeyPair) {
    this.#authority = authority;
    this.#options = options;
    this.#pck = pck;
    this.#attestationKey = attestationKey;
    this.fmspc = options.fmspc ?? '90c06f000000';
    const { revoked = [], validity, evaluationDataNumber, fmspc } = options.collateral ?? {};
    this.collateral = issueCollateral(authority, {
      fmspc: fmspc ?? this.fmspc,
      pceId,
      ...(options.tcbStatus ? { tcbStatus: options.tcbStatus } : {}),
      ...(validity ? { validity } : {}),
      ...(evaluationDataNumber === undefined ? {} : { evaluationDataNumber }),
      revokedPck: revoked.includes('pck') ? [pck.certificate] : [],
      revokedByRoot: revoked.filter((name) => name !== 'pck'),
    });
  }

  static async create(authority: IntelAuthority, options: TdxOptions = {}): Promise<TdxPlatform> {
    const components = options.platform === 'below-every-level' ? oldSeamLoader : ordinaryComponents;
    const pck = await authority.issuePck({
      fmspc: Buffer.from(options.fmspc ?? '90c06f000000', 'hex'),
      pceId: Buffer.from(pceId, 'hex'),
      ppid: randomBytes(16),
      components: Array.from({ length: 16 }, (_, index) => components[index] ?? 0),
      pceSvn: 13,
      cpuSvn: options.tdReport?.cpuSvn ?? defaultCpuSvn,
    });
    return new TdxPlatform(authority, options, pck, await freshP256KeyPair());
  }

  /** Root of the platform's certificates. */
  get root(): Certificate {
    return this.#authority.root;
  }

  /** MRTD of the TDs on this machine: what a relying party names to accept it. 48 bytes. */
  get mrtd(): Buffer {
    return Buffer.from(this.report(new Uint8Array(0)).subarray(0x210, 0x240));
  }

  /** TDREPORT with this REPORTDATA; `further` fields are for a TD that is not one of Azure's. */
  report(reportData: Uint8Array, further: TdReportFields = {}): Buffer {
    const { debug, migratable, teeTcbSvn = defaultTeeTcbSvn, teeTcbSvn2, mrtd, rtmrs, tdReport } = this.#options;
    const attributes = (1n << 28n) | (debug ? 1n : 0n) | (migratable ? 1n << 29n : 0n);
    const fields = {
      attributes,
      teeTcbSvn,
      ...(teeTcbSvn2 ? { teeTcbSvn2 } : {}),
      ...(mrtd ? { mrTd: mrtd } : {}),
      ...(rtmrs ? { rtmrs } : {}),
      ...tdReport,
      ...further,
    };
    return buildTdReport(reportData, fields, this.#macKey);
  }

  /** Whether this very platform made the report: what the hardware tells by its MAC. */
  isOwn(report: Uint8Array): boolean {
    return isReportOf(report, this.#macKey);
  }

  /** A quote of any report, whoever made it. */
  quote(report: Uint8Array, fields: TdQuoteFields = {}): Buffer {
    const { quoteVersion, quoteBodyType, quotingEnclave, authenticationData } = this.#options;
    const signer = {
      attestationKey: this.#attestationKey,
      pckKey: this.#pck.privateKey,
      chain: this.#pck.certificate.pem + this.#authority.pckCaChain,
      cpuSvn: report.subarray(0x010, 0x020),
    };
    return buildTdQuote(this.#options.quoteOf?.(report) ?? report, signer, {
      ...(quoteVersion ? { version: quoteVersion } : {}),
      ...(quoteBodyType ? { bodyType: quoteBodyType } : {}),
      ...(quotingEnclave ? { quotingEnclave } : {}),
      ...(authenticationData ? { authenticationData } : {}),
      ...fields,
    });
  }
}

/** MRSIGNER of an enclave that Intel did not make. */
export const foreignEnclave: QuotingEnclave = { mrSigner: createHash('sha256').update('somebody').digest() };
