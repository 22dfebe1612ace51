import type { SnpReport } from '../../abi/snp-report-fields.js';
import { isZero } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import { includesHex } from '../hex-values.js';
import type { CheckedOptions } from '../options.js';
import type { ParavisorIdentity } from '../paravisor.js';

/**
 * SHA-384 of the ID keys that signed the paravisors of Azure's confidential VMs, as seen in genuine reports (2022 to 2026).
 * Azure's confidential containers may share such a key, with host data that is not zero.
 */
export const AZURE_ID_KEYS: readonly string[] = /* @__PURE__ */ Object.freeze([
  '0356215882a825279a85b300b0b742931d113bf7e32dde2e50ffde7ec743ca491ecdd7f336dc28a6e0b2bb57af7a44a3',
  '934f68bd8ba01938eec21475c872e3a942b60c59fafc6df9e9a76ee66bc47f2d09c676f61c0315c578da26085fb13a71',
  '942fd93ebde6ea7a96efadeafc60f1c6b3d10e703b1dafd7555b92f7f3d32d0e006767648cba5b102af3d65756af4177',
]);

/**
 * Whether the report is of a paravisor, which alone then writes REPORT_DATA: launched with a measurement that the policy
 * names, or signed by an ID key that the policy names or that is Azure's, without host data. At another VMPL than 0 the
 * guest itself has asked for the report.
 */
export function identifySnpParavisor(report: SnpReport, { policy, signers }: CheckedOptions): ParavisorIdentity {
  const measurement = hex(report.measurement);
  const idKey = hex(report.idKeyDigest);
  const hostDataZero = isZero(report.hostData);
  const expected = 'VMPL 0, and a measurement of the policy or a trusted ID key';
  if (report.vmpl !== 0) return { expected, actual: `a report made at VMPL ${report.vmpl}` };
  if (policy.measurement !== undefined && includesHex(policy.measurement, measurement)) {
    return { expected, identifiedBy: 'measurement', actual: `measurement ${measurement}` };
  }
  const keyIsTrusted = !isZero(report.idKeyDigest) && [...AZURE_ID_KEYS, ...signers.idKeys].includes(idKey);
  if (keyIsTrusted && hostDataZero) return { expected, identifiedBy: 'id-key', actual: `ID key ${idKey}` };
  const hostData = hostDataZero ? '' : `, host data ${hex(report.hostData)}`;
  return {
    expected,
    actual: `measurement ${measurement}, ID key ${isZero(report.idKeyDigest) ? 'none' : idKey}${hostData}`,
  };
}
