import { isRevoked, type RevocationList } from '../../abi/crl.js';
import type { PckExtension } from '../../abi/pck-extension.js';
import type { QeIdentity } from '../../abi/qe-identity.js';
import type { TcbInfo } from '../../abi/tcb-info.js';
import type { Certificate } from '../../abi/x509.js';
import { equalBytes } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import type { CheckList } from '../check-codes.js';
import { checkValidity, isWithin } from '../validity.js';
import {
  type DocumentSigner,
  type Opened,
  type OpenedCollateral,
  QE_IDENTITY,
  type SignedDocument,
  TCB_INFO,
} from './collateral.js';
import type { PckChain } from './pck-chain.js';

/** What is demanded of a document, and what its checks are called. */
interface DocumentKind {
  readonly id: string;
  readonly version: number;
  readonly signer: string;
  readonly root: string;
  readonly dates: string;
  readonly signature: string;
  readonly kind: string;
  readonly current: string;
  readonly content: string;
}

/* @__NO_SIDE_EFFECTS__ */ function documentKind(
  name: string,
  demanded: { readonly id: string; readonly version: number },
): DocumentKind {
  return {
    ...demanded,
    signer: `${name} signing certificate`,
    root: `${name} signer's root is trusted`,
    dates: `${name} signing certificate is valid now`,
    signature: `${name} signature`,
    kind: `${name} is of TDX`,
    current: `${name} is valid now`,
    content: `${name} content`,
  };
}

const INFO = documentKind('TCB info', TCB_INFO);
const IDENTITY = documentKind('QE identity', QE_IDENTITY);

const LISTS = {
  root: { name: 'root revocation list', current: 'root revocation list is valid now' },
  pck: { name: 'PCK revocation list', current: 'PCK revocation list is valid now' },
} as const;

/** Rows 5 to 7: both lists are their issuers', are current, and do not name the certificates in use. */
export function checkRevocationLists(list: CheckList, collateral: OpenedCollateral, chain: PckChain, now: Date): void {
  const { rootCrl, pckCrl, tcbInfo, qeIdentity } = collateral;
  checkList(list, LISTS.root, rootCrl, now);
  checkList(list, LISTS.pck, pckCrl, now);
  const signers: Certificate[] = [];
  for (const { signer } of [tcbInfo, qeIdentity])
    if (signer.fault === undefined) signers.push(signer.value.certificate);
  checkRevoked(list, 'PCK CA certificate is not revoked', rootCrl, [chain.ca]);
  checkRevoked(list, 'TCB signing certificates are not revoked', rootCrl, signers);
  checkRevoked(list, 'PCK certificate is not revoked', pckCrl, [chain.leaf]);
}

function checkList(
  list: CheckList,
  { name, current }: { readonly name: string; readonly current: string },
  crl: Opened<RevocationList>,
  now: Date,
): void {
  list.add('collateral', name, 'ERR_CRL', crl.fault === undefined, {
    expected: 'a list that its issuer signed',
    actual: crl.fault ?? 'signed',
  });
  if (crl.fault !== undefined) {
    list.notChecked('collateral', current, 'no list');
    return;
  }
  const { thisUpdate, nextUpdate } = crl.value;
  const isCurrent = nextUpdate !== undefined && isWithin(now, thisUpdate, nextUpdate);
  list.add('collateral', current, 'ERR_CRL_EXPIRED', isCurrent, {
    expected: () => `${thisUpdate.toISOString()} to ${nextUpdate?.toISOString() ?? 'an end, which it does not have'}`,
    actual: now,
  });
}

function checkRevoked(
  list: CheckList,
  name: string,
  crl: Opened<RevocationList>,
  certificates: readonly Certificate[],
): void {
  if (crl.fault !== undefined || certificates.length === 0) {
    list.notChecked('collateral', name, crl.fault === undefined ? 'no certificate' : 'no list');
    return;
  }
  const { value } = crl;
  const found = certificates.find(({ serial }) => isRevoked(value, serial));
  list.add('collateral', name, 'ERR_CERTIFICATE_REVOKED', found === undefined, {
    expected: () => `none of ${value.revoked.length / 2} revoked`,
    actual: found === undefined ? 'not revoked' : `serial ${hex(found.serial)} is revoked`,
  });
}

/** Rows 11 to 13: both documents are Intel's, are current, and are about this platform. Gives what may be relied upon. */
export function checkDocuments(
  list: CheckList,
  collateral: OpenedCollateral,
  extension: PckExtension | undefined,
  { trustedKeys, now }: { trustedKeys: readonly string[]; now: Date },
): { tcbInfo?: TcbInfo | undefined; qeIdentity?: QeIdentity | undefined } {
  const tcbInfo = checkDocument(list, INFO, collateral.tcbInfo, { trustedKeys, now });
  const qeIdentity = checkDocument(list, IDENTITY, collateral.qeIdentity, { trustedKeys, now });
  const fits = checkPlatform(list, tcbInfo, extension);
  checkNumbers(list, collateral);
  return { tcbInfo: fits ? tcbInfo : undefined, qeIdentity };
}

function checkDocument<Content>(
  list: CheckList,
  kind: DocumentKind,
  { signer, signed, head, content }: SignedDocument<Content>,
  { trustedKeys, now }: { trustedKeys: readonly string[]; now: Date },
): Content | undefined {
  checkSigner(list, kind, signer, trustedKeys, now);
  if (signer.fault === undefined) {
    list.add('collateral', kind.signature, 'ERR_COLLATERAL_SIGNATURE', signed.fault === undefined, {
      expected: 'valid over the bytes received',
      actual: signed.fault ?? 'valid',
    });
  } else {
    list.notChecked('collateral', kind.signature, 'no signing certificate');
  }
  if (head === undefined || head.fault !== undefined) {
    for (const name of [kind.kind, kind.current]) list.notChecked('collateral', name, 'no document that Intel signed');
    if (head === undefined) list.notChecked('collateral', kind.content, 'no document that Intel signed');
    else list.add('collateral', kind.content, 'ERR_COLLATERAL', false, { actual: head.fault });
    return undefined;
  }
  const { id, version, issueDate, nextUpdate } = head.value;
  list.add('collateral', kind.kind, 'ERR_COLLATERAL_MISMATCH', content !== undefined, {
    expected: () => `${kind.id} version ${kind.version}`,
    actual: () => `${id} version ${version}`,
  });
  list.add('collateral', kind.current, 'ERR_COLLATERAL_EXPIRED', isWithin(now, issueDate, nextUpdate), {
    expected: () => `${issueDate.toISOString()} to ${nextUpdate.toISOString()}`,
    actual: now,
  });
  if (content === undefined) {
    list.notChecked('collateral', kind.content, 'another document');
    return undefined;
  }
  list.add('collateral', kind.content, 'ERR_COLLATERAL', content.fault === undefined, {
    actual: content.fault ?? 'well formed',
  });
  return content.fault === undefined ? content.value : undefined;
}

function checkSigner(
  list: CheckList,
  kind: DocumentKind,
  signer: Opened<DocumentSigner>,
  trustedKeys: readonly string[],
  now: Date,
): void {
  if (signer.fault !== undefined) {
    list.add('collateral', kind.signer, 'ERR_COLLATERAL_SIGNATURE', false, { actual: signer.fault });
    for (const name of [kind.root, kind.dates]) list.notChecked('collateral', name, 'no signing certificate');
    return;
  }
  const { certificate, root: issuer, rootKey, faults } = signer.value;
  list.add('collateral', kind.signer, 'ERR_COLLATERAL_SIGNATURE', faults.length === 0, {
    expected: () => `${certificate.subject.commonName ?? ''} signed by ${certificate.issuer.commonName ?? ''}`,
    actual: faults.length === 0 ? 'signed' : faults.join(', '),
  });
  list.add('collateral', kind.root, 'ERR_ROOT_NOT_TRUSTED', trustedKeys.includes(rootKey), {
    expected: trustedKeys.length === 0 ? 'a root of Intel' : trustedKeys,
    actual: rootKey,
  });
  // Both must be valid: the dates of what is not are shown.
  const isValid = ({ notBefore, notAfter }: Certificate): boolean => isWithin(now, notBefore, notAfter);
  const shown = isValid(certificate) && !isValid(issuer) ? issuer : certificate;
  checkValidity(list, 'collateral', kind.dates, shown, now);
}

/** FMSPC and PCE id as bytes: documents write them in either case. */
function checkPlatform(list: CheckList, tcbInfo: TcbInfo | undefined, extension: PckExtension | undefined): boolean {
  if (tcbInfo === undefined || extension === undefined) {
    const why = tcbInfo === undefined ? 'no TCB info' : 'no PCK certificate';
    for (const name of ['FMSPC', 'PCE id']) list.notChecked('collateral', name, why);
    return false;
  }
  const compare = (name: string, one: Uint8Array, other: Uint8Array): boolean =>
    list.add('collateral', name, 'ERR_COLLATERAL_MISMATCH', equalBytes(one, other), {
      expected: one,
      actual: other,
    });
  const sameFmspc = compare('FMSPC', extension.fmspc, tcbInfo.fmspc);
  return compare('PCE id', extension.pceId, tcbInfo.pceId) && sameFmspc;
}

/** Documents of two numbers were made for two sets of levels: the older one hides what the newer one demands. */
function checkNumbers(list: CheckList, { tcbInfo, qeIdentity }: OpenedCollateral): void {
  const name = 'one TCB evaluation number';
  const { head: info } = tcbInfo;
  const { head: identity } = qeIdentity;
  if (info === undefined || info.fault !== undefined || identity === undefined || identity.fault !== undefined) {
    list.notChecked('collateral', name, 'a document is missing');
    return;
  }
  const { tcbEvaluationDataNumber: expected } = info.value;
  list.equal('collateral', name, 'ERR_COLLATERAL_MISMATCH', expected, identity.value.tcbEvaluationDataNumber);
}

/** What cannot be checked without collateral, in the order of the checks. */
export const collateralChecks = (): readonly string[] => [
  ...Object.values(LISTS).flatMap(({ name, current }) => [name, current]),
  'PCK CA certificate is not revoked',
  'TCB signing certificates are not revoked',
  'PCK certificate is not revoked',
  ...[INFO, IDENTITY].flatMap(({ id: _, version: __, ...names }) => Object.values(names)),
  'FMSPC',
  'PCE id',
  'one TCB evaluation number',
];
