import type { RevocationList } from '../../abi/crl.js';
import type { PckExtension } from '../../abi/pck-extension.js';
import type { QeIdentity } from '../../abi/qe-identity.js';
import type { TcbInfo } from '../../abi/tcb-info.js';
import type { Certificate } from '../../abi/x509.js';
import { equalBytes } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import type { CheckList } from '../check-list.js';
import { checkValidity } from './check-chain.js';
import {
  type DocumentSigner,
  type Opened,
  type OpenedCollateral,
  QE_IDENTITY,
  type SignedDocument,
  TCB_INFO,
} from './collateral.js';
import type { PckChain } from './pck-chain.js';

interface CheckedDocument<Content> {
  readonly document: SignedDocument<Content>;
  /** For messages and names of checks. */
  readonly name: 'TCB info' | 'QE identity';
  readonly kind: { readonly id: string; readonly version: number };
}

/** Rows 5 to 7: both lists are their issuers', are current, and do not name the certificates in use. */
export function checkRevocationLists(list: CheckList, collateral: OpenedCollateral, chain: PckChain, now: Date): void {
  const { rootCrl, pckCrl, tcbInfo, qeIdentity } = collateral;
  checkList(list, 'root revocation list', rootCrl, now);
  checkList(list, 'PCK revocation list', pckCrl, now);
  const signers = [tcbInfo.signer, qeIdentity.signer].flatMap((signer) => signerCertificates(signer));
  checkRevoked(list, 'PCK CA certificate is not revoked', rootCrl, [chain.ca]);
  checkRevoked(list, 'TCB signing certificates are not revoked', rootCrl, signers);
  checkRevoked(list, 'PCK certificate is not revoked', pckCrl, [chain.leaf]);
}

function signerCertificates(signer: Opened<DocumentSigner>): Certificate[] {
  return signer.fault === undefined ? [signer.value.certificate] : [];
}

function checkList(list: CheckList, name: string, crl: Opened<RevocationList>, now: Date): void {
  list.add('collateral', name, 'ERR_CRL', crl.fault === undefined, {
    expected: 'a list that its issuer signed',
    actual: crl.fault ?? 'signed',
  });
  const current = `${name} is valid now`;
  if (crl.fault !== undefined) {
    list.notChecked('collateral', current, 'no list');
    return;
  }
  const { thisUpdate, nextUpdate } = crl.value;
  const isCurrent = nextUpdate !== undefined && thisUpdate <= now && now <= nextUpdate;
  list.add('collateral', current, 'ERR_CRL_EXPIRED', isCurrent, {
    expected: () => `${thisUpdate.toISOString()} to ${nextUpdate?.toISOString() ?? 'an end, which it does not have'}`,
    actual: now,
  });
}

function checkRevoked(list: CheckList, name: string, crl: Opened<RevocationList>, certificates: Certificate[]): void {
  if (crl.fault !== undefined || certificates.length === 0) {
    list.notChecked('collateral', name, crl.fault === undefined ? 'no certificate' : 'no list');
    return;
  }
  const { revoked } = crl.value;
  const found = certificates.find(({ serial }) => revoked.has(hex(serial)));
  list.add('collateral', name, 'ERR_CERTIFICATE_REVOKED', found === undefined, {
    expected: `none of ${revoked.size} revoked`,
    actual: found === undefined ? 'not revoked' : `serial ${hex(found.serial)} is revoked`,
  });
}

/** Rows 11 to 13: both documents are Intel's, are current, and are about this platform. Gives what may be relied upon. */
export function checkDocuments(
  list: CheckList,
  collateral: OpenedCollateral,
  extension: PckExtension | undefined,
  { trustedKeys, now }: { trustedKeys: readonly string[]; now: Date },
): { tcbInfo?: TcbInfo; qeIdentity?: QeIdentity } {
  const info = { document: collateral.tcbInfo, name: 'TCB info', kind: TCB_INFO } as const;
  const identity = { document: collateral.qeIdentity, name: 'QE identity', kind: QE_IDENTITY } as const;
  const tcbInfo = checkDocument(list, info, trustedKeys, now);
  const qeIdentity = checkDocument(list, identity, trustedKeys, now);
  const fits = checkPlatform(list, tcbInfo, extension);
  checkNumbers(list, collateral);
  return { ...(tcbInfo !== undefined && fits ? { tcbInfo } : {}), ...(qeIdentity === undefined ? {} : { qeIdentity }) };
}

function checkDocument<Content>(
  list: CheckList,
  { document, name, kind }: CheckedDocument<Content>,
  trustedKeys: readonly string[],
  now: Date,
): Content | undefined {
  const { signer, signed, head, content } = document;
  checkSigner(list, name, signer, trustedKeys, now);
  if (signer.fault === undefined) {
    list.add('collateral', `${name} signature`, 'ERR_COLLATERAL_SIGNATURE', signed.fault === undefined, {
      expected: 'valid over the bytes received',
      actual: signed.fault ?? 'valid',
    });
  } else {
    list.notChecked('collateral', `${name} signature`, 'no signing certificate');
  }
  const rest = [`${name} is of TDX`, `${name} is valid now`, `${name} content`] as const;
  if (head === undefined) {
    for (const dependent of rest) list.notChecked('collateral', dependent, `no ${name} that Intel signed`);
    return undefined;
  }
  if (head.fault !== undefined) {
    list.add('collateral', `${name} content`, 'ERR_COLLATERAL', false, { actual: head.fault });
    return undefined;
  }
  const { id, version, issueDate, nextUpdate } = head.value;
  const expected = `${kind.id} version ${kind.version}`;
  const actual = `${id} version ${version}`;
  list.add('collateral', rest[0], 'ERR_COLLATERAL_MISMATCH', content !== undefined, { expected, actual });
  list.add('collateral', rest[1], 'ERR_COLLATERAL_EXPIRED', issueDate <= now && now <= nextUpdate, {
    expected: () => `${issueDate.toISOString()} to ${nextUpdate.toISOString()}`,
    actual: now,
  });
  if (content === undefined) {
    list.notChecked('collateral', rest[2], 'another document');
    return undefined;
  }
  list.add('collateral', rest[2], 'ERR_COLLATERAL', content.fault === undefined, {
    actual: content.fault ?? 'well formed',
  });
  return content.fault === undefined ? content.value : undefined;
}

function checkSigner(
  list: CheckList,
  name: string,
  signer: Opened<DocumentSigner>,
  trustedKeys: readonly string[],
  now: Date,
): void {
  const [chain, root, dates] = [
    'signing certificate',
    "signer's root is trusted",
    'signing certificate is valid now',
  ].map((what) => `${name} ${what}`) as [string, string, string];
  if (signer.fault !== undefined) {
    list.add('collateral', chain, 'ERR_COLLATERAL_SIGNATURE', false, { actual: signer.fault });
    for (const dependent of [root, dates]) list.notChecked('collateral', dependent, 'no signing certificate');
    return;
  }
  const { certificate, root: issuer, rootKey, faults } = signer.value;
  list.add('collateral', chain, 'ERR_COLLATERAL_SIGNATURE', faults.length === 0, {
    expected: `${certificate.subject.commonName} signed by ${issuer.subject.commonName}`,
    actual: faults.join(', ') || 'signed',
  });
  list.add('collateral', root, 'ERR_ROOT_NOT_TRUSTED', trustedKeys.includes(rootKey), {
    expected: trustedKeys.join(' or ') || 'a root of Intel',
    actual: rootKey,
  });
  checkValidity(list, 'collateral', dates, [certificate, issuer], now);
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
export const COLLATERAL_CHECKS: readonly string[] = [
  'root revocation list',
  'root revocation list is valid now',
  'PCK revocation list',
  'PCK revocation list is valid now',
  'PCK CA certificate is not revoked',
  'TCB signing certificates are not revoked',
  'PCK certificate is not revoked',
  ...['TCB info', 'QE identity'].flatMap((name) => [
    `${name} signing certificate`,
    `${name} signer's root is trusted`,
    `${name} signing certificate is valid now`,
    `${name} signature`,
    `${name} is of TDX`,
    `${name} is valid now`,
    `${name} content`,
  ]),
  'FMSPC',
  'PCE id',
  'one TCB evaluation number',
];
