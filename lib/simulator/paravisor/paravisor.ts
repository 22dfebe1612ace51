import type { JsonWebKey, KeyObject } from 'node:crypto';
import type { Product } from '../../abi/tcb.js';
import { bindingReportData, buildHclReport, type HclHash, type HclReportFields } from '../evidence/hcl-report.js';
import { buildRuntimeClaims } from '../evidence/runtime-claims.js';
import { buildSnpReport, type SnpReportFields, signSnpReport } from '../evidence/snp-report.js';
import type { TpmTransport } from '../tpm/command.js';
import { AzureHandle } from '../tpm/constants.js';
import { nvRead } from '../tpm/nv.js';
import type { EmulatedIndex } from './emulated-nv.js';

/** User data that a guest can have in its report, 64 bytes. */
const userDataSize = 64;

export interface HclReportOptions {
  /** `absent` as on a trusted launch VM, `unwritten` for an index that answers TPM_RC_NV_UNINITIALIZED. */
  state?: 'present' | 'absent' | 'unwritten';
  /** 1 as in the genuine SNP samples, or 2. Default 1. */
  headerVersion?: number;
  /** Bytes of the NV index, zero-padded. 2600 (default) on newer images, 2048 on older ones. */
  indexSize?: number;
  /** Hash that binds the claims into the hardware report. Default SHA-256. */
  hashType?: HclHash;
  /** Report type in the header, where it is not to be the VM's own. */
  reportType?: HclReportFields['reportType'];
  /** Older images have neither `HCLEkPub` nor `user-data` in their claims. Default false. */
  olderClaims?: boolean;
  /** OpenHCL's claims: `current-time` and more of the configuration, ids and user data in lower case. Default false. */
  openHclClaims?: boolean;
  /** A report is made again only when this long has passed since the last time. Default 2000, as the platform has it. */
  refreshMs?: number;
  /** Changes the claims before they are bound. */
  claims?: (claims: Buffer) => Buffer;
  /** Changes the finished report: for evidence that must be refused. */
  modify?: (report: Buffer) => Buffer;
}

export interface ParavisorIdentity {
  product: Product;
  vmId: string;
  secureBoot: boolean;
  chipId: Uint8Array;
  attestationKey: JsonWebKey;
  endorsementKey: JsonWebKey;
  /** VCEK or VLEK. */
  signingKey: KeyObject;
  /** On a TDX machine: what makes the report in place of the chip. */
  tdx: { report(reportData: Uint8Array): Buffer } | undefined;
}

/** What runs beside the guest at VMPL 0: makes the HCL report, and makes it again when the guest reads it (layouts.md 1, Freshness). */
export class Paravisor {
  readonly #identity: ParavisorIdentity;
  readonly #report: SnpReportFields;
  readonly #options: HclReportOptions;
  readonly #tpm: TpmTransport;
  #current: Buffer = Buffer.alloc(0);
  #madeAt = 0;

  constructor(identity: ParavisorIdentity, options: HclReportOptions, report: SnpReportFields, tpm: TpmTransport) {
    this.#identity = identity;
    this.#options = options;
    this.#report = report;
    this.#tpm = tpm;
  }

  /** The NV index that the report is read from. */
  get index(): EmulatedIndex {
    return {
      index: AzureHandle.hclReport,
      size: this.#options.indexSize ?? 2600,
      written: this.#options.state !== 'unwritten',
      read: (offset) => this.#read(offset),
    };
  }

  /** Makes the report of a VM that has just started. */
  async boot(): Promise<void> {
    this.#current = await this.#make();
    this.#madeAt = Date.now();
  }

  /** The report as it stands, padded to its index. */
  get current(): Buffer {
    return this.#current;
  }

  async #read(offset: number): Promise<Buffer> {
    const stale = Date.now() - this.#madeAt > (this.#options.refreshMs ?? 2000);
    // A failed rebuild leaves the old report in place, as on the platform.
    if (offset === 0 && stale) await this.boot().catch(() => {});
    return this.#current;
  }

  async #make(): Promise<Buffer> {
    const { tdx } = this.#identity;
    const { hashType = 'sha256', headerVersion = 1 } = this.#options;
    const claims = await this.#claims();
    const reportData = bindingReportData(claims, hashType);
    const report = buildHclReport({
      headerVersion,
      reportType: this.#options.reportType ?? (tdx ? 'tdx' : 'snp'),
      hashType,
      hardwareReport: tdx?.report(reportData) ?? this.#snpReport(reportData),
      variableData: claims,
      paddedSize: this.index.size,
    });
    return this.#options.modify?.(report) ?? report;
  }

  #snpReport(reportData: Buffer): Buffer {
    const { product, chipId, signingKey } = this.#identity;
    return signSnpReport(buildSnpReport(product, { chipId, reportData, ...this.#report }), signingKey);
  }

  async #claims(): Promise<Buffer> {
    const { attestationKey, endorsementKey, vmId, secureBoot } = this.#identity;
    const claims = buildRuntimeClaims({
      attestationKey,
      vmId,
      secureBoot,
      openHcl: this.#options.openHclClaims ?? false,
      ...(this.#options.olderClaims ? {} : { endorsementKey, userData: await this.#userData() }),
    });
    return this.#options.claims?.(claims) ?? claims;
  }

  /** What the guest wrote to NV 0x01400002, zeros where it wrote nothing. */
  async #userData(): Promise<Buffer> {
    const written = await nvRead(this.#tpm, AzureHandle.userData).catch(() => Buffer.alloc(0));
    return Buffer.concat([written, Buffer.alloc(userDataSize)], userDataSize);
  }
}
