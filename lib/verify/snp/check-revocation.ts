import { isRevoked, parseRevocationList, type RevocationList } from '../../abi/crl.js';
import { equalBytes } from '../../base/bytes.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { isListIssuedBy } from '../certificate-signature.js';
import type { CheckList } from '../check-codes.js';
import { messageOf } from '../refusal.js';
import { within } from '../validity.js';
import type { ChainCertificate } from './certificate.js';
import type { EndorsementChain } from './chain.js';

const NAME = 'signing key certificate is not revoked';

export interface RevocationInput {
  /** DER or PEM, of any product. */
  lists: readonly (Uint8Array | string)[] | undefined;
  /** The policy demands a current list. */
  required: boolean;
  now: Date;
}

/**
 * Revocation of the signing key certificate by the root's own lists. Every genuine list counts: revoked in one is revoked,
 * and a list that is expired, or of the future, fails whatever another one says.
 */
export async function checkRevocation(
  engine: SignatureEngine,
  list: CheckList,
  { ask, ark }: EndorsementChain,
  { lists, required, now }: RevocationInput,
): Promise<void> {
  if (lists === undefined) {
    if (required) list.absent('intermediate', NAME, 'ERR_CRL', 'a revocation list');
    else list.skipped('intermediate', NAME, 'none supplied');
    return;
  }
  if (ask === undefined || ark === undefined) {
    list.notChecked('intermediate', NAME, 'the chain is incomplete');
    return;
  }
  const faults: string[] = [];
  const genuine: RevocationList[] = [];
  for (const input of lists) {
    const found = await genuineList(engine, input, ark);
    if (typeof found === 'string') faults.push(found);
    else if (found !== undefined) genuine.push(found);
  }
  if (genuine.length === 0) {
    list.add('intermediate', NAME, 'ERR_CRL', false, {
      expected: `a revocation list signed by ${ark.subject}`,
      actual: faults.join(', ') || 'none supplied',
    });
    return;
  }
  for (const { thisUpdate, nextUpdate } of genuine) {
    list.judged('intermediate', 'revocation list is valid now', within('ERR_CRL_EXPIRED', now, thisUpdate, nextUpdate));
  }
  const revoked = genuine.some((crl) => isRevoked(crl, ask.certificate.serial));
  list.add('intermediate', NAME, 'ERR_CERTIFICATE_REVOKED', !revoked, {
    expected: `serial ${ask.serial} not revoked`,
    actual: revoked ? 'revoked' : 'not revoked',
  });
}

/** The root's own list, why it is none, or undefined for the list of another issuer. */
async function genuineList(
  engine: SignatureEngine,
  input: Uint8Array | string,
  ark: ChainCertificate,
): Promise<RevocationList | string | undefined> {
  let list: RevocationList;
  try {
    list = parseRevocationList(input);
  } catch (error) {
    return messageOf(error);
  }
  if (!equalBytes(list.issuer.raw, ark.certificate.subject.raw)) return undefined;
  if (list.unknownCritical.length > 0) return 'a critical extension that is not understood';
  const signed = await isListIssuedBy(engine, list, ark.certificate);
  return signed ? list : `not signed by ${ark.subject}`;
}
