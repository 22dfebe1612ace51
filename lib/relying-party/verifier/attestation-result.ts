import type { Appraisal, PublicCheck } from './appraise.js';

/**
 * Attestation results as JSON claims: EAT Attestation Results, draft-ietf-rats-ear-00, with the trustworthiness vector of
 * AR4SI (draft-ietf-rats-ar4si-06).
 */
export const EAR_PROFILE = 'tag:github.com,2023:veraison/ear';
/** Extension claim of a submodule: the list of checks. */
export const CHECKS_CLAIM = 'cvm-guest-attestation.checks';

export type EarStatus = 'affirming' | 'warning' | 'contraindicated' | 'none';

/** Values of the trustworthiness vector: AR4SI section 2.3. */
const AFFIRMING = 2;
const WARNING = 32;
const CONTRAINDICATED = 96;

export interface EarSubmodule {
  'ear.status': EarStatus;
  'ear.trustworthiness-vector': Record<string, number>;
  [CHECKS_CLAIM]: PublicCheck[];
}

/** Only evidence whose quote is over a proven nonce is affirmed: anything else may be old, or somebody else's. */
export function evidenceSubmodule(appraisal: Appraisal): EarSubmodule {
  const status = !appraisal.ok ? 'contraindicated' : appraisal.nonceProven ? 'affirming' : 'warning';
  const plain = submodule(status, appraisal.checks);
  return appraisal.ok ? Object.assign(plain, vectorOfEvidence(appraisal, status)) : plain;
}

/** No TPM signature covers a token's payload: it is never affirmed. */
export function tokenSubmodule(ok: boolean, checks: PublicCheck[]): EarSubmodule {
  return submodule(ok ? 'warning' : 'contraindicated', checks);
}

function submodule(status: EarStatus, checks: PublicCheck[]): EarSubmodule {
  const value = status === 'contraindicated' ? CONTRAINDICATED : status === 'warning' ? WARNING : AFFIRMING;
  return {
    'ear.status': status,
    'ear.trustworthiness-vector': { 'instance-identity': value, hardware: value },
    [CHECKS_CLAIM]: checks,
  };
}

function vectorOfEvidence(appraisal: Appraisal, status: EarStatus): Pick<EarSubmodule, 'ear.trustworthiness-vector'> {
  const value = status === 'affirming' ? AFFIRMING : WARNING;
  return {
    'ear.trustworthiness-vector': {
      'instance-identity': value,
      hardware: value,
      'runtime-opaque': value,
      ...(appraisal.secureBoot !== undefined && { configuration: appraisal.secureBoot ? value : WARNING }),
    },
  };
}
