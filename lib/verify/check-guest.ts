import type { Evidence } from '../abi/evidence.js';
import type { RuntimeClaims } from '../abi/runtime-claims.js';
import { isZero } from '../base/bytes.js';
import { hex } from '../base/hex.js';
import type { CheckList } from './check-codes.js';
import { demand } from './demand.js';
import type { CheckedEvidenceOptions } from './options.js';
import type { VerificationPolicy } from './policy.js';
import { GUID, namesSnp } from './policy-members.js';
import type { EvidenceFacts } from './result.js';

const USER_DATA_SIZE = 64;

/** TEEs that a policy accepts: those it lists, and only the one whose members it names. */
export function checkTeePolicy(list: CheckList, policy: VerificationPolicy, tee: 'snp' | 'tdx' | undefined): void {
  const snp = namesSnp(policy);
  const tdx = policy.tdx !== undefined;
  if (policy.tees === undefined && snp === tdx) return;
  const named = snp === tdx ? (['snp', 'tdx'] as const) : snp ? (['snp'] as const) : (['tdx'] as const);
  const accepted = named.filter((one) => policy.tees?.includes(one) ?? true);
  demand(
    list,
    'TEE',
    tee !== undefined && accepted.includes(tee),
    accepted.length === 0 ? 'none of tees' : accepted,
    tee ?? 'neither',
  );
}

/** The report's echo of the caller's bytes; true when it shows that the report is of this exchange. */
export function checkUserData(
  list: CheckList,
  { userDataRequired }: Evidence,
  { userData, policy }: CheckedEvidenceOptions,
  claims: RuntimeClaims | undefined,
): boolean {
  let echoed = false;
  if (userData !== undefined) {
    const padded = new Uint8Array(USER_DATA_SIZE);
    padded.set(userData);
    const actual = claims?.['user-data']?.toLowerCase() ?? 'absent';
    echoed = list.equal('runtime-data', 'user data', 'ERR_USER_DATA', hex(padded), actual);
  } else if (userDataRequired === true) {
    list.absent('runtime-data', 'user data', 'ERR_USER_DATA', 'userData, which is in the report');
  }
  // Zeros are what a report holds when nobody wrote any.
  const fresh = echoed && userData !== undefined && !isZero(userData);
  if (policy.requireFreshReport === true) {
    demand(list, 'report is of this exchange', fresh, 'userData in the report', fresh ? 'in it' : 'not in it');
  }
  return fresh;
}

/** What the policy demands of the claims and of the measured boot. */
export function checkGuestPolicy(
  list: CheckList,
  policy: VerificationPolicy,
  claims: RuntimeClaims | undefined,
  { eventLog }: Pick<EvidenceFacts, 'eventLog'>,
): void {
  const configuration = claims?.['vm-configuration'];
  checkSecureBoot(list, policy, configuration?.['secure-boot'], eventLog);
  if (policy.vmIds === undefined) return;
  const id = configuration?.vmUniqueId;
  const found = typeof id === 'string' ? id.toLowerCase() : '';
  const isKnown = GUID.test(found);
  const isListed = isKnown && policy.vmIds.some((one) => one.toLowerCase() === found);
  demand(
    list,
    'vmIds',
    isListed,
    policy.vmIds,
    typeof id === 'string' ? (isKnown ? id : 'not the GUID of a machine') : 'absent',
  );
}

/** The claim is the host's configuration, the variable is what the firmware did: together they are asked, and must agree. */
function checkSecureBoot(
  list: CheckList,
  { requireSecureBoot }: VerificationPolicy,
  claimed: unknown,
  eventLog: EvidenceFacts['eventLog'],
): void {
  const measured = eventLog?.secureBoot;
  if (requireSecureBoot === true || requireSecureBoot === 'configured') {
    demand(list, 'secure boot', claimed === true, true, typeof claimed === 'boolean' ? claimed : 'absent');
  }
  if (requireSecureBoot === true) {
    demand(
      list,
      'secure boot as it was measured',
      measured === true,
      true,
      measured ?? eventLog?.absent.secureBoot ?? 'not quoted',
    );
  }
  if (typeof claimed === 'boolean' && measured !== undefined && claimed !== measured) {
    demand(list, 'claim and measurement of secure boot agree', false, `claimed ${claimed}`, `measured ${measured}`);
  }
}

/**
 * PCR values are the word of the attestation key, and an old hardware report may vouch for a key that an administrator put
 * there (CVE-2025-49707): something must say that the report is of mended firmware, or new.
 */
export function checkPcrAnchor(list: CheckList, policy: VerificationPolicy, tee: 'snp' | 'tdx' | undefined): void {
  if (policy.pcrs === undefined) return;
  const { measurement, minimumGuestSvn, requireFreshReport, tdx } = policy;
  // Every guest has an SVN of 0 or more.
  const firmware = tee === 'tdx' ? tdx?.mrtd : (measurement ?? (minimumGuestSvn || undefined));
  const anchored = firmware !== undefined || requireFreshReport === true;
  const names = tee === 'tdx' ? 'tdx.mrtd' : 'measurement, minimumGuestSvn';
  demand(
    list,
    'PCR policy names firmware or a fresh report',
    anchored,
    `${names} or requireFreshReport beside pcrs`,
    anchored ? 'named' : 'none of them',
  );
}
