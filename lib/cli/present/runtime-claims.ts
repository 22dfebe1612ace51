import type { HclReport } from '../../abi/hcl-report.js';
import type { RuntimeClaims } from '../../abi/runtime-claims.js';
import { type Field, field } from '../output/table.js';

const TYPES: Record<HclReport['reportType'], string> = {
  invalid: 'invalid',
  vbs: 'VBS',
  snp: 'AMD SEV-SNP',
  tvm: 'trusted launch (no hardware report)',
  tdx: 'Intel TDX',
};

/** The envelope of the hardware report. */
export function hclFields(hcl: HclReport): Field[] {
  return [
    ...field('type', TYPES[hcl.reportType]),
    ...field('header version', hcl.headerVersion),
    ...field('runtime data', `${hcl.variableData.length} bytes, ${hcl.hashType.toUpperCase().replace('SHA', 'SHA-')}`),
    ...field('bound to the report', hcl.bound, { alert: !hcl.bound }),
  ];
}

/** What the paravisor says about the VM, and whose keys it names. */
export function claimsFields(claims: RuntimeClaims): Field[] {
  const vm = claims['vm-configuration'];
  return [
    ...field('VM id', vm?.vmUniqueId),
    ...field('secure boot', vm?.['secure-boot'], { alert: vm?.['secure-boot'] === false }),
    ...field('vTPM', vm?.['tpm-enabled']),
    ...field('vTPM state persisted', vm?.['tpm-persisted']),
    ...field('console', vm?.['console-enabled']),
    ...field('keys', claims.keys.map(({ kid }) => kid).join(', ')),
    ...userData(claims['user-data']),
  ];
}

function userData(value: unknown): Field[] {
  if (typeof value !== 'string') return [];
  return field('user data', /^0*$/.test(value) ? 'zero (64 bytes)' : value.toLowerCase());
}
