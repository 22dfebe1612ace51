import { hex } from '../base/hex.js';
import { isJsonObject } from '../base/strict-json.js';
import type { VerificationResult } from '../verify/result.js';

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
  const { report, pcrs } = result;
  return {
    iss: issuer,
    'x-ms-attestation-type': 'azurevm',
    ...(typeof vmConfiguration.vmUniqueId === 'string' && {
      'x-ms-azurevm-vmid': vmConfiguration.vmUniqueId.toUpperCase(),
    }),
    ...(typeof vmConfiguration['secure-boot'] === 'boolean' && { secureboot: vmConfiguration['secure-boot'] }),
    ...(report !== undefined && {
      'x-ms-isolation-tee': {
        'x-ms-attestation-type': 'sevsnpvm',
        'x-ms-sevsnpvm-launchmeasurement': hex(report.measurement),
        'x-ms-sevsnpvm-guestsvn': report.guestSvn,
        'x-ms-sevsnpvm-vmpl': report.vmpl,
        'x-ms-sevsnpvm-idkeydigest': hex(report.idKeyDigest),
        'x-ms-sevsnpvm-hostdata': hex(report.hostData),
      },
    }),
    ...(pcrs !== undefined && { pcrs: bootPcrs(pcrs) }),
  };
}

/** PCRs 0 to 7: what the firmware and the boot loader measured. */
function bootPcrs(pcrs: Readonly<Record<number, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(pcrs).filter(([index]) => Number(index) <= 7));
}
