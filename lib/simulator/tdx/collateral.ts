import type { Certificate } from '../pki/certificate.js';
import type { IntelAuthority, IntelSubordinate, ListValidity } from '../pki/intel.js';
import { monthFromYesterday } from '../pki/intel.js';

/** Status words of a platform's TCB level. */
export type PlatformTcbStatus =
  | 'UpToDate'
  | 'SWHardeningNeeded'
  | 'ConfigurationNeeded'
  | 'ConfigurationAndSWHardeningNeeded'
  | 'OutOfDate'
  | 'OutOfDateConfigurationNeeded'
  | 'Revoked';

/** What Intel is to say of a platform. */
export interface CollateralFields {
  /** 12 hex digits. */
  fmspc: string;
  /** 4 hex digits. */
  pceId: string;
  /** Status of the level that an ordinary platform meets. Default `UpToDate`. */
  tcbStatus?: PlatformTcbStatus;
  evaluationDataNumber?: number;
  /** Dates of both documents and of both lists. Default: yesterday, for thirty days. */
  validity?: ListValidity;
  revokedPck?: readonly Certificate[];
  revokedByRoot?: readonly IntelSubordinate[];
  /** MRSIGNER that the QE identity demands, 64 hex digits. */
  qeMrSigner?: string;
}

/** TDX collateral with the bytes as Intel signed and served them (tdx.md 8.1). */
export interface SimulatedTdxCollateral {
  /** The signed inner object. */
  tcbInfo: string;
  tcbInfoSignature: Uint8Array;
  tcbInfoIssuerChain: string;
  qeIdentity: string;
  qeIdentitySignature: Uint8Array;
  qeIdentityIssuerChain: string;
  /** DER. */
  pckCrl: Uint8Array;
  pckCrlIssuerChain: string;
  /** DER. */
  rootCaCrl: Uint8Array;
}

const zeros = (bytes: number): string => '0'.repeat(2 * bytes);
const isoDate = (date: Date): string => date.toISOString().replace(/\.\d+/, '');

const signer = { mrsigner: zeros(48), attributes: zeros(8), attributesMask: 'F'.repeat(16) };

/** 16 components, named as Intel names those of a TDX platform. */
function components(svns: readonly number[], names: Record<number, string> = {}): object[] {
  return Array.from({ length: 16 }, (_, index) => ({
    svn: svns[index] ?? 0,
    ...(names[index] === undefined ? {} : { category: 'OS/VMM', type: names[index] }),
  }));
}

const sgxNames = { 0: 'BIOS', 1: 'BIOS', 7: 'SEAMLDR ACM' };
const tdxNames = { 0: 'TDX Module', 1: 'TDX Module', 2: 'TDX Late Microcode Update' };

const advisory = (status: PlatformTcbStatus): { advisoryIDs?: string[] } =>
  status === 'UpToDate' ? {} : { advisoryIDs: ['INTEL-SA-00000'] };

function tcbInfo(fields: CollateralFields, { thisUpdate, nextUpdate }: ListValidity): object {
  const { tcbStatus = 'UpToDate' } = fields;
  const level = (sgx: number[], pcesvn: number, tdx: number[], date: string, status: PlatformTcbStatus): object => ({
    tcb: { sgxtcbcomponents: components(sgx, sgxNames), pcesvn, tdxtcbcomponents: components(tdx, tdxNames) },
    tcbDate: date,
    tcbStatus: status,
    ...advisory(status),
  });
  const lower = tcbStatus === 'Revoked' ? 'Revoked' : 'OutOfDate';
  return {
    id: 'TDX',
    version: 3,
    issueDate: isoDate(thisUpdate),
    nextUpdate: isoDate(nextUpdate),
    fmspc: fields.fmspc,
    pceId: fields.pceId,
    tcbType: 0,
    tcbEvaluationDataNumber: fields.evaluationDataNumber ?? 18,
    tdxModule: signer,
    tdxModuleIdentities: [
      {
        id: 'TDX_01',
        ...signer,
        tcbLevels: [
          { tcb: { isvsvn: 13 }, tcbDate: '2025-11-12T00:00:00Z', tcbStatus: 'UpToDate' },
          {
            tcb: { isvsvn: 4 },
            tcbDate: '2024-03-13T00:00:00Z',
            tcbStatus: 'OutOfDate',
            advisoryIDs: ['INTEL-SA-00001'],
          },
        ],
      },
    ],
    tcbLevels: [
      level([3, 3, 2, 2, 4, 1, 0, 5], 13, [5, 0, 4], '2025-11-12T00:00:00Z', tcbStatus),
      level([2, 2, 2, 2, 3, 1, 0, 5], 11, [5, 0, 3], '2024-03-13T00:00:00Z', lower),
    ],
  };
}

function qeIdentity(fields: CollateralFields, { thisUpdate, nextUpdate }: ListValidity): object {
  return {
    id: 'TD_QE',
    version: 2,
    issueDate: isoDate(thisUpdate),
    nextUpdate: isoDate(nextUpdate),
    tcbEvaluationDataNumber: fields.evaluationDataNumber ?? 18,
    miscselect: zeros(4),
    miscselectMask: 'F'.repeat(8),
    attributes: `11${zeros(15)}`,
    attributesMask: `FB${'F'.repeat(14)}${zeros(8)}`,
    mrsigner: fields.qeMrSigner ?? 'DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5',
    isvprodid: 2,
    tcbLevels: [{ tcb: { isvsvn: 4 }, tcbDate: '2025-11-12T00:00:00Z', tcbStatus: 'UpToDate' }],
  };
}

/** Makes and signs all six documents. */
export function issueCollateral(authority: IntelAuthority, fields: CollateralFields): SimulatedTdxCollateral {
  const validity = fields.validity ?? monthFromYesterday();
  const [info, identity] = [tcbInfo(fields, validity), qeIdentity(fields, validity)].map((document) =>
    JSON.stringify(document),
  ) as [string, string];
  return {
    tcbInfo: info,
    tcbInfoSignature: authority.signCollateral(info),
    tcbInfoIssuerChain: authority.tcbSigningChain,
    qeIdentity: identity,
    qeIdentitySignature: authority.signCollateral(identity),
    qeIdentityIssuerChain: authority.tcbSigningChain,
    pckCrl: authority.pckRevocationList(fields.revokedPck, validity),
    pckCrlIssuerChain: authority.pckCaChain,
    rootCaCrl: authority.rootRevocationList(fields.revokedByRoot, validity),
  };
}
