import { isRevoked, type RevocationList } from '../../abi/crl.js';
import type { PckExtension } from '../../abi/pck-extension.js';
import type { QeIdentity } from '../../abi/qe-identity.js';
import type { TcbInfo } from '../../abi/tcb-info.js';
import { equalBytes } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import type { CheckList, Judgement } from '../check-codes.js';
import { validity, within } from '../validity.js';
import { issued, type Trust, trusted } from './check-chain.js';
import { type DocumentKind, type OpenedCollateral, QE_IDENTITY, type SignedDocument, TCB_INFO } from './collateral.js';
import { both, checkPart, dependent, type Part } from './part.js';
import type { IssuedCertificate, PckChain } from './pck-chain.js';

const MISMATCH = 'ERR_COLLATERAL_MISMATCH';

/** Rows 5 to 7: both lists are their issuers', are current, and do not name the certificates in use. */
export function checkRevocationLists(
  list: CheckList,
  { rootCrl, pckCrl, tcbInfo, qeIdentity }: OpenedCollateral,
  chain: Part<PckChain>,
  now: Date,
): void {
  checkList(list, 'root', rootCrl, now);
  checkList(list, 'PCK', pckCrl, now);
  checkRevoked(list, 'PCK CA certificate is', rootCrl, [chain.value?.ca]);
  const signers = [tcbInfo.signer.value, qeIdentity.signer.value];
  checkRevoked(list, 'TCB signing certificates are', rootCrl, signers);
  checkRevoked(list, 'PCK certificate is', pckCrl, [chain.value?.leaf]);
}

function checkList(list: CheckList, issuer: string, crl: Part<RevocationList>, now: Date): void {
  const name = `${issuer} revocation list`;
  const known = checkPart(list, 'collateral', name, crl);
  checkPart(list, 'collateral', `${name} is valid now`, known, ({ thisUpdate, nextUpdate }) =>
    within('ERR_CRL_EXPIRED', now, thisUpdate, nextUpdate),
  );
}

function checkRevoked(
  list: CheckList,
  name: string,
  crl: Part<RevocationList>,
  certificates: readonly (IssuedCertificate | undefined)[],
): void {
  const isMissing = crl.fault === undefined && certificates.every((one) => one === undefined);
  const part = isMissing ? { fault: 'no certificate' } : dependent(crl);
  checkPart(list, 'collateral', `${name} not revoked`, part, (crl) => {
    const found = certificates.find((one) => one !== undefined && isRevoked(crl, one.certificate.serial));
    const actual = found === undefined ? 'not revoked' : `serial ${hex(found.certificate.serial)} is revoked`;
    return { code: 'ERR_CERTIFICATE_REVOKED', ok: found === undefined, actual };
  });
}

/** Rows 11 to 13: both documents are Intel's, are current, and are about this platform. Gives what may be relied upon. */
export function checkDocuments(
  list: CheckList,
  collateral: OpenedCollateral,
  extension: Part<PckExtension>,
  trust: Trust,
): { tcbInfo: Part<TcbInfo>; qeIdentity: Part<QeIdentity> } {
  const tcbInfo = checkDocument(list, TCB_INFO, collateral.tcbInfo, trust);
  const qeIdentity = checkDocument(list, QE_IDENTITY, collateral.qeIdentity, trust);
  const before = list.failures;
  const fits = both(extension, tcbInfo);
  checkPart(list, 'collateral', 'FMSPC', fits, ([pck, info]) => sameBytes(pck.fmspc, info.fmspc));
  checkPart(list, 'collateral', 'PCE id', fits, ([pck, info]) => sameBytes(pck.pceId, info.pceId));
  const isOfPlatform = list.failures === before;
  // Documents of two numbers were made for two sets of levels: the older one hides what the newer one demands.
  const heads = both(collateral.tcbInfo.head, collateral.qeIdentity.head);
  checkPart(list, 'collateral', 'one TCB evaluation number', heads, ([info, identity]) => {
    const { tcbEvaluationDataNumber: expected } = info;
    const { tcbEvaluationDataNumber: actual } = identity;
    return { code: MISMATCH, ok: expected === actual, expected, actual };
  });
  return { tcbInfo: isOfPlatform ? tcbInfo : { fault: 'no TCB info of this platform' }, qeIdentity };
}

/** FMSPC and PCE id as bytes: documents write them in either case. */
const sameBytes = (expected: Uint8Array, actual: Uint8Array): Judgement => ({
  code: MISMATCH,
  ok: equalBytes(expected, actual),
  expected,
  actual,
});

function checkDocument<Content>(
  list: CheckList,
  { name, id, version }: DocumentKind<Content>,
  { signer, signed, head, content }: SignedDocument<Content>,
  { trustedKeys, now }: Trust,
): Part<Content> {
  const add = <Value>(what: string, part: Part<Value>, judge?: (value: Value) => Judgement): Part<Value> =>
    checkPart(list, 'collateral', `${name} ${what}`, part, judge);
  const known = add('signing certificate', signer, (signer) => issued('ERR_COLLATERAL_SIGNATURE', signer));
  add("signer's root is trusted", known, ({ rootKey }) => trusted(trustedKeys, rootKey));
  // Both must be valid: the dates of what is not are shown.
  add('signing certificate is valid now', known, ({ certificate, root }) => {
    const own = validity(certificate, now);
    const issuers = validity(root, now);
    return own.ok && !issuers.ok ? issuers : own;
  });
  add('signature', signed);
  add('is of TDX', head, (head) => ({
    code: MISMATCH,
    ok: head.id === id && head.version === version,
    expected: () => `${id} version ${version}`,
    actual: () => `${head.id} version ${head.version}`,
  }));
  add('is valid now', head, ({ issueDate, nextUpdate }) =>
    within('ERR_COLLATERAL_EXPIRED', now, issueDate, nextUpdate),
  );
  return add('content', content);
}
