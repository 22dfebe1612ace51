import type { SnpReport } from '../abi/snp-report-fields.js';
import type { TdQuote } from '../abi/td-quote.js';
import { hex } from '../base/hex.js';
import { isJsonObject } from '../base/strict-json.js';
import type { VerificationResult } from '../verify/result.js';
import type { TdxTcb } from '../verify/tdx/tcb.js';

/** What verified evidence says about a machine, in the names that the attestation service gives it, for claim policies. */
export type ProvenClaims = Record<string, unknown>;

/**
 * Claims of verified evidence, so that one text of a policy serves a key vault and a service of one's own. The PCRs, which
 * the service does not name, are under `pcrs`.
 *
 * @param issuer what stands in `iss`, and in `authority` of a policy
 */
export function provenClaims(result: VerificationResult, issuer: string): ProvenClaims {
  const configuration = result.claims?.['vm-configuration'];
  const vmConfiguration = isJsonObject(configuration) ? configuration : {};
  const { pcrs } = result;
  return {
    iss: issuer,
    'x-ms-attestation-type': 'azurevm',
    ...(typeof vmConfiguration.vmUniqueId === 'string' && {
      'x-ms-azurevm-vmid': vmConfiguration.vmUniqueId.toUpperCase(),
    }),
    ...(typeof vmConfiguration['secure-boot'] === 'boolean' && { secureboot: vmConfiguration['secure-boot'] }),
    ...isolationClaims(result),
    ...(result.tee === 'tdx' && { 'x-ms-isolation-tee': { 'x-ms-attestation-type': 'tdxvm' } }),
    ...(pcrs !== undefined && { pcrs: bootPcrs(pcrs) }),
  };
}

/** What the service says of the TEE, of either. */
function isolationClaims(result: VerificationResult): ProvenClaims {
  const claims = result.tee === 'tdx' ? tdxClaims(result.tdQuote, result.tcb) : snpClaims(result.report);
  return claims === undefined ? {} : { 'x-ms-isolation-tee': claims };
}

function snpClaims(report: SnpReport | undefined): ProvenClaims | undefined {
  return (
    report && {
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-sevsnpvm-launchmeasurement': hex(report.measurement),
      'x-ms-sevsnpvm-guestsvn': report.guestSvn,
      'x-ms-sevsnpvm-vmpl': report.vmpl,
      'x-ms-sevsnpvm-idkeydigest': hex(report.idKeyDigest),
      'x-ms-sevsnpvm-hostdata': hex(report.hostData),
    }
  );
}

function tdxClaims(quote: TdQuote | undefined, tcb: TdxTcb | undefined): ProvenClaims | undefined {
  return (
    quote && {
      'x-ms-attestation-type': 'tdxvm',
      ...(tcb !== undefined && { attester_tcb_status: tcb.status }),
      tdx_mrtd: hex(quote.mrtd),
      tdx_mrseam: hex(quote.mrseam),
      tdx_td_attributes: hex(quote.tdAttributes),
      tdx_xfam: hex(quote.xfam),
      tdx_tee_tcb_svn: hex(quote.teeTcbSvn),
    }
  );
}

/** PCRs 0 to 7: what the firmware and the boot loader measured. */
function bootPcrs(pcrs: Readonly<Record<number, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(pcrs).filter(([index]) => Number(index) <= 7));
}
