import { isBytes } from '../base/bytes.js';
import { hex } from '../base/hex.js';
import { anyText, custom, flag, hexText, integer, listOf, oneOf, oneOrMore, text } from '../base/option-kinds.js';
import { invalid, nested, type OptionKind, type OptionTable, recordOf, required } from '../base/options.js';
import type { AttestationType, Tee } from './claims.js';

/** What a token must say. Each expectation that is given is checked; one that is given as `undefined` is an error. */
export interface TokenPolicy {
  /**
   * Which token: `azurevm` (guest attestation, with the hardware's claims nested), or `sevsnpvm` or `tdxvm` (platform).
   * Default `azurevm`: a platform token proves nothing about who asked for it, since anybody can have an old report
   * attested with a nonce of his own, so it is taken only when it is named.
   */
  attestationType?: AttestationType | readonly AttestationType[];
  /** The hardware behind it. Default: SEV-SNP or TDX, and only that whose members the rest of the policy names. */
  tee?: Tee | readonly Tee[];
  /** Demands `x-ms-compliance-status` `azure-compliant-cvm`. True by default. */
  requireCompliance?: boolean;
  /** Demands `secure-boot` in the VM configuration and, in a guest token, `secureboot` (the event log) as well. */
  requireSecureBoot?: boolean;
  /** Demands `tpm-enabled` in the VM configuration. */
  requireTpm?: boolean;
  /** Accepts a guest whose memory the host may read, and boot, kernel or hypervisor debugging. False by default. */
  allowDebug?: boolean;
  /** Accepts a guest that a migration agent may move. False by default. */
  allowMigration?: boolean;
  /** Claim `nonce` of a platform token; client payload `nonce` (or `Nonce`) of a guest token. Text, not base64. */
  nonce?: string;
  /** Members that the client payload must have, as the guest gave them: text, not base64. It may have others. */
  clientPayload?: Readonly<Record<string, string>>;
  /** Accepted `x-ms-policy-hash`, base64url. */
  policyHash?: string | readonly string[];
  /** VM id, a GUID, in any case. */
  vmId?: string;
  /** SEV-SNP: accepted launch measurements, 48 bytes or hex. */
  launchMeasurement?: HexValue | readonly HexValue[];
  /** SEV-SNP: accepted host data, 32 bytes or hex. */
  hostData?: HexValue | readonly HexValue[];
  /** SEV-SNP: accepted digests of the key that signed the image's ID block, 48 bytes or hex. */
  idKeyDigest?: HexValue | readonly HexValue[];
  /** SEV-SNP: lowest accepted security versions. */
  minimumSvn?: MinimumSvn;
  /** TDX: what the hardware's claims must say. */
  tdx?: TdxTokenPolicy;
  /** What the boot of a Windows guest must say; demands a guest token of Windows. */
  windows?: WindowsTokenPolicy;
}

/** Lowest accepted security versions (SVNs) of the AMD firmware components and of the guest image. */
export interface MinimumSvn {
  bootloader?: number;
  tee?: number;
  snpfw?: number;
  microcode?: number;
  guest?: number;
}

/** Demands on the TDX claims; names as in the `tdx` section of an evidence policy. */
export interface TdxTokenPolicy {
  /** Accepted `attester_tcb_status`. Default `UpToDate` and `SWHardeningNeeded`. */
  acceptedTcbStatuses?: readonly string[];
  /** Accepted MRTD, 48 bytes or hex. */
  mrtd?: HexValue | readonly HexValue[];
  /** Accepted MRCONFIGID, 48 bytes or hex. */
  mrconfigid?: HexValue | readonly HexValue[];
  /** Least `tdx_tee_tcb_svn`, 16 numbers: components 0 and 1 are a version, minor and major; the others each at least. */
  minimumTeeTcbSvn?: readonly number[];
  /** Accepted XFAM: those bits that `mask` names (default: all) are as in `value`. 8 bytes each in hex, in the order of the quote. */
  xfam?: MaskedValue;
}

/** Bits of a field that must have certain values. */
export interface MaskedValue {
  value: string;
  mask?: string;
}

/** Demands on the boot of a Windows guest. Each is false by default. */
export interface WindowsTokenPolicy {
  /** Neither test-signed nor flight-signed (pre-release) code may load. */
  requireTestSigningOff?: boolean;
  /** The kernel, boot and hypervisor debuggers are off, and cannot be turned on. */
  requireDebuggersOff?: boolean;
  /** Signatures of kernel code are enforced. */
  requireCodeIntegrity?: boolean;
  /** Hypervisor-protected code integrity is on. */
  requireHvci?: boolean;
}

/** Bytes, or the same in hex. */
export type HexValue = string | Uint8Array;

const svn = integer(0, Number.MAX_SAFE_INTEGER);
const xfamBytes = hexText(8);

const hexValues = (size: number): OptionKind<string[]> =>
  oneOrMore(
    custom((value, name) =>
      hexText(size)
        .check(isBytes(value) ? hex(value) : value, name)
        .toLowerCase(),
    ),
  );

/** Kinds of the members of {@link TokenPolicy}. */
export const TOKEN_POLICY: OptionTable<TokenPolicy> = {
  attestationType: oneOrMore(oneOf<AttestationType>('azurevm', 'sevsnpvm', 'tdxvm')),
  requireCompliance: flag,
  requireSecureBoot: flag,
  requireTpm: flag,
  allowDebug: flag,
  allowMigration: flag,
  nonce: text,
  clientPayload: recordOf(anyText),
  policyHash: oneOrMore(text),
  vmId: text,
  launchMeasurement: hexValues(48),
  hostData: hexValues(32),
  idKeyDigest: hexValues(48),
  minimumSvn: nested<MinimumSvn>({ bootloader: svn, tee: svn, snpfw: svn, microcode: svn, guest: svn }),
  tee: oneOrMore(oneOf<Tee>('snp', 'tdx')),
  tdx: nested<TdxTokenPolicy>({
    acceptedTcbStatuses: listOf(text, 1),
    mrtd: hexValues(48),
    mrconfigid: hexValues(48),
    minimumTeeTcbSvn: listOf(integer(0, 255), 16, 16),
    xfam: nested<MaskedValue>({ value: required(xfamBytes), mask: xfamBytes }),
  }),
  windows: nested<WindowsTokenPolicy>({
    requireTestSigningOff: flag,
    requireDebuggersOff: flag,
    requireCodeIntegrity: flag,
    requireHvci: flag,
  }),
};

const SNP_MEMBERS = ['launchMeasurement', 'hostData', 'idKeyDigest', 'minimumSvn'] as const;

/**
 * The kinds of hardware that a checked policy accepts: one that names members of one TEE accepts only that TEE, since on the
 * other one nothing would check them.
 *
 * @throws {AttestationError} 8 for members that contradict each other
 */
export function acceptedTees(policy: TokenPolicy): readonly Tee[] {
  const snpMember = SNP_MEMBERS.find((name) => policy[name] !== undefined);
  const possible: Tee[] = [];
  if (policy.tdx === undefined) possible.push('snp');
  if (snpMember === undefined) possible.push('tdx');
  // The options' table has made a list of it.
  const accepted = (policy.tee as readonly Tee[] | undefined) ?? possible;
  if (possible.length === 0) throw invalid(`${snpMember} and tdx: no machine is both`);
  if (accepted.some((tee) => !possible.includes(tee))) {
    throw invalid(`${snpMember ?? 'tdx'} is about ${possible}, and tee accepts ${accepted.join(' and ')}`);
  }
  return accepted;
}
