import { randomBytes, sign } from 'node:crypto';
import {
  explainTdQuote,
  parseTdQuote,
  type TdQuoteOptions,
  type TdQuoteVerification,
  type TdxCollateral,
} from '../../../lib/index.js';
import { IntelAuthority, type PckLeaf } from '../../../lib/simulator/pki/intel.js';
import { freshP256KeyPair, type KeyPair } from '../../../lib/simulator/pki/key-pool.js';
import { type CollateralFields, issueCollateral } from '../../../lib/simulator/tdx/collateral.js';
import { buildTdQuote, type TdQuoteFields } from '../../../lib/simulator/tdx/td-quote.js';
import { buildTdReport, defaultCpuSvn, type TdReportFields } from '../../../lib/simulator/tdx/td-report.js';

type Json = Record<string, unknown>;

/** What to change before it is signed, so that nothing but the check in question can notice. */
export interface Forgery {
  report?: TdReportFields;
  quote?: TdQuoteFields;
  /** Changes header and body, which are signed again. */
  signed?: (bytes: Uint8Array) => void;
  /** Changes the QE report, which is signed again. */
  qeReport?: (bytes: Uint8Array) => void;
  collateral?: Partial<CollateralFields>;
  /** Change the documents, which are signed again. */
  tcbInfo?: (document: Json) => void;
  qeIdentity?: (document: Json) => void;
}

/** A platform of a test root: quotes and collateral of any content, with good signatures. */
export class ForgedPlatform {
  readonly authority: IntelAuthority;
  readonly #pck: PckLeaf;
  readonly #attestationKey: KeyPair;

  private constructor(authority: IntelAuthority, pck: PckLeaf, attestationKey: KeyPair) {
    this.authority = authority;
    this.#pck = pck;
    this.#attestationKey = attestationKey;
  }

  static async create({ validity }: { validity?: { notBefore: Date; notAfter: Date } } = {}): Promise<ForgedPlatform> {
    const authority = await IntelAuthority.create();
    const pck = await authority.issuePck(
      {
        fmspc: Buffer.from('90C06F000000', 'hex'),
        pceId: Buffer.alloc(2),
        ppid: randomBytes(16),
        components: [4, 4, 2, 2, 4, 1, 0, 5, ...Array(8).fill(0)],
        pceSvn: 13,
        cpuSvn: defaultCpuSvn,
      },
      validity,
    );
    return new ForgedPlatform(authority, pck, await freshP256KeyPair());
  }

  /** PCK certificate, its CA and the root, PEM. */
  get chain(): string {
    return this.#pck.certificate.pem + this.authority.pckCaChain;
  }

  quote({ report = {}, quote = {}, signed, qeReport }: Forgery = {}): Uint8Array {
    const bytes = buildTdQuote(
      buildTdReport(new Uint8Array(64), report, randomBytes(32)),
      {
        attestationKey: this.#attestationKey,
        pckKey: this.#pck.privateKey,
        chain: this.chain,
        cpuSvn: defaultCpuSvn,
      },
      quote,
    );
    const made = new Uint8Array(bytes);
    const parsed = parseTdQuote(made);
    if (qeReport !== undefined) {
      qeReport(parsed.qeReport.raw);
      parsed.qeReportSignature.set(rawSignature(parsed.qeReport.raw, this.#pck.privateKey));
    }
    if (signed !== undefined) {
      signed(parsed.signed);
      parsed.signature.set(rawSignature(parsed.signed, this.#attestationKey.privateKey));
    }
    return made;
  }

  collateral({ collateral = {}, tcbInfo, qeIdentity }: Forgery = {}): TdxCollateral {
    const made = issueCollateral(this.authority, { fmspc: '90C06F000000', pceId: '0000', ...collateral });
    return {
      ...made,
      ...this.#changed('tcbInfo', made.tcbInfo, tcbInfo),
      ...this.#changed('qeIdentity', made.qeIdentity, qeIdentity),
    };
  }

  explain(forgery: Forgery = {}, options: TdQuoteOptions = {}): Promise<TdQuoteVerification> {
    return explainTdQuote(this.quote(forgery), {
      collateral: this.collateral(forgery),
      trustedRoots: [this.authority.root.pem],
      ...options,
    });
  }

  #changed(name: 'tcbInfo' | 'qeIdentity', text: string, change: ((document: Json) => void) | undefined) {
    if (change === undefined) return {};
    const document = JSON.parse(text) as Json;
    change(document);
    const changed = JSON.stringify(document);
    return { [name]: changed, [`${name}Signature`]: this.authority.signCollateral(changed) };
  }
}

function rawSignature(data: Uint8Array, key: PckLeaf['privateKey']): Buffer {
  return sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' });
}
