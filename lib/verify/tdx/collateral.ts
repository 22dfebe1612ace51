import type { RevocationList } from '../../abi/crl.js';
import { type QeIdentity, readQeIdentity } from '../../abi/qe-identity.js';
import { readSignedJson } from '../../abi/signed-json.js';
import { type DocumentHead, readDocumentHead, readTcbInfo, type TcbInfo } from '../../abi/tcb-info.js';
import { parseIntelCrl, type TdxCollateral } from '../../abi/tdx-collateral.js';
import type { Certificate } from '../../abi/x509.js';
import { utf8Bytes } from '../../base/bytes.js';
import { whenAll } from '../../base/when-all.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { verifySignature } from '../../engine/verify-signature.js';
import { isListIssuedBy } from '../certificate-signature.js';
import { SCHEME } from './check-signatures.js';
import { collateralInputs, copyCollateral } from './collateral-option.js';
import { attempt, dependent, type Fault, type Part } from './part.js';
import { type IssuedCertificate, openIssued, type PckChain, publicKeyDigest } from './pck-chain.js';
import { Remembered } from './remembered.js';

/** The certificate behind a signed document; its faults are those of its root as well. */
export interface DocumentSigner extends IssuedCertificate {
  readonly root: Certificate;
  /** SHA-256 of the root's DER SubjectPublicKeyInfo, hex. */
  readonly rootKey: string;
}

/** A document of Intel's: who signed it, and its content once the signature is good. */
export interface SignedDocument<Content> {
  readonly signer: Part<DocumentSigner>;
  readonly signed: Part<true>;
  /** Id, version, dates and number; only of a document that is signed. */
  readonly head: Part<DocumentHead>;
  /** Only of a document of the right id and version. */
  readonly content: Part<Content>;
}

export interface OpenedCollateral {
  readonly rootCrl: Part<RevocationList>;
  readonly pckCrl: Part<RevocationList>;
  readonly tcbInfo: SignedDocument<TcbInfo>;
  readonly qeIdentity: SignedDocument<QeIdentity>;
  /** The earliest end of both documents, both lists and both signing certificates, as far as they can be read. */
  readonly expires: number;
}

/** What a document must be, and how it is read. */
export interface DocumentKind<Content> {
  readonly name: string;
  /** Under which it is in the answer of Intel's service. */
  readonly member: string;
  readonly id: string;
  readonly version: number;
  readonly read: (value: unknown) => Content;
}

export const TCB_INFO: DocumentKind<TcbInfo> = {
  name: 'TCB info',
  member: 'tcbInfo',
  id: 'TDX',
  version: 3,
  read: readTcbInfo,
};
export const QE_IDENTITY: DocumentKind<QeIdentity> = {
  name: 'QE identity',
  member: 'enclaveIdentity',
  id: 'TD_QE',
  version: 2,
  read: readQeIdentity,
};

const UNSIGNED: Fault = { fault: 'no document that Intel signed' };
const SIGNER = [/SGX TCB Signing$/, /SGX Root CA$/] as const;
const NOT_SIGNED = 'ERR_COLLATERAL_SIGNATURE';
const known = /* @__PURE__ */ new Remembered<OpenedCollateral>(32, 256 * 1024);

/** Forgets all collateral, so that the next verification pays for its signatures again. For measurements. */
export function forgetCollateral(): void {
  known.clear();
}

/**
 * Opens collateral for a chain: parses its parts and verifies their signatures, the revocation lists' by the certificates of
 * the chain. Collateral whose signatures are all good is remembered; dates, revocation and trust in the root are for the
 * caller to look at.
 */
export function openCollateral(
  engine: SignatureEngine,
  given: TdxCollateral,
  chain: PckChain,
): OpenedCollateral | Promise<OpenedCollateral> {
  return known.find(engine, inputsOf(given, chain)) ?? openNew(engine, copyCollateral(given), chain);
}

const inputsOf = (collateral: TdxCollateral, { root, ca }: PckChain): (Uint8Array | string)[] =>
  collateralInputs(collateral, [root.certificate.der, ca.certificate.der]);

function openNew(
  engine: SignatureEngine,
  collateral: TdxCollateral,
  chain: PckChain,
): OpenedCollateral | Promise<OpenedCollateral> {
  const { tcbInfoIssuerChain, qeIdentityIssuerChain } = collateral;
  const infoSigner = openSigner(engine, tcbInfoIssuerChain, chain);
  const sameSigner = qeIdentityIssuerChain === tcbInfoIssuerChain;
  const identitySigner = sameSigner ? infoSigner : openSigner(engine, qeIdentityIssuerChain, chain);
  const parts = [
    openList(engine, collateral.rootCaCrl, chain.root),
    openList(engine, collateral.pckCrl, chain.ca),
    openDocument(engine, TCB_INFO, collateral.tcbInfo, collateral.tcbInfoSignature, infoSigner),
    openDocument(engine, QE_IDENTITY, collateral.qeIdentity, collateral.qeIdentitySignature, identitySigner),
  ] as const;
  return whenAll(parts, (rootCrl, pckCrl, tcbInfo, qeIdentity) => {
    const opened = { rootCrl, pckCrl, tcbInfo, qeIdentity, expires: 0 };
    opened.expires = expiryOf(opened);
    const isSigned = [rootCrl, pckCrl, tcbInfo.signed, qeIdentity.signed].every(({ fault }) => fault === undefined);
    if (isSigned) known.add(engine, inputsOf(collateral, chain), opened);
    return opened;
  });
}

/** Collateral of which there is nothing. */
export function absentCollateral(why: Fault): OpenedCollateral {
  const document = { signer: why, signed: why, head: why, content: why };
  return { rootCrl: why, pckCrl: why, tcbInfo: document, qeIdentity: document, expires: 0 };
}

function expiryOf({ rootCrl, pckCrl, tcbInfo, qeIdentity }: OpenedCollateral): number {
  const ends = [rootCrl, pckCrl, tcbInfo.head, qeIdentity.head].map(({ value }) => value?.nextUpdate);
  for (const { signer } of [tcbInfo, qeIdentity]) ends.push(signer.value?.certificate.notAfter);
  return Math.min(...ends.map((end) => end?.getTime() ?? Number.POSITIVE_INFINITY));
}

function openList(
  engine: SignatureEngine,
  bytes: Uint8Array,
  { certificate: issuer }: IssuedCertificate,
): Part<RevocationList> | Promise<Part<RevocationList>> {
  const list = attempt('ERR_CRL', () => parseIntelCrl(bytes));
  if (list.fault !== undefined) return list;
  if (list.value.unknownCritical.length > 0) {
    return { fault: 'a critical extension that is not understood', code: 'ERR_CRL' };
  }
  return whenAll([isListIssuedBy(engine, list.value, issuer)], (isIssued): Part<RevocationList> => {
    return isIssued ? list : { fault: `not signed by ${issuer.subject.commonName}`, code: 'ERR_CRL' };
  });
}

/** PEM of the TCB signing certificate and its root. Of the root that is in the quote everything is known. */
function openSigner(
  engine: SignatureEngine,
  pem: string,
  { root: knownRoot, rootKey: knownKey }: PckChain,
): Part<DocumentSigner> | Promise<Part<DocumentSigner>> {
  const opening = attempt(NOT_SIGNED, () => openIssued(engine, pem, SIGNER, knownRoot));
  if (opening.fault !== undefined) return opening;
  return whenAll([opening.value], (issued): Part<DocumentSigner> => {
    const [leaf, root] = issued ?? [];
    if (leaf === undefined || root === undefined) {
      return { fault: 'not the TCB signing certificate and its root', code: NOT_SIGNED };
    }
    const rootKey = root === knownRoot ? knownKey : publicKeyDigest(engine, root.certificate);
    const faults = [...leaf.faults, ...root.faults];
    return { value: { certificate: leaf.certificate, root: root.certificate, rootKey, faults } };
  });
}

function openDocument<Content>(
  engine: SignatureEngine,
  kind: DocumentKind<Content>,
  text: string,
  separate: Uint8Array | undefined,
  signing: Part<DocumentSigner> | Promise<Part<DocumentSigner>>,
): SignedDocument<Content> | Promise<SignedDocument<Content>> {
  return whenAll([signing], (signer): SignedDocument<Content> | Promise<SignedDocument<Content>> => {
    const unsigned = (signed: Fault) => ({ signer, signed, head: UNSIGNED, content: UNSIGNED });
    if (signer.fault !== undefined) return unsigned(dependent(signer));
    const document = attempt(NOT_SIGNED, () => readSignedJson(text, kind.member));
    if (document.fault !== undefined) return unsigned(document);
    const { certificate, faults } = signer.value;
    const key = certificate.publicKey;
    const signature = separate ?? document.value.signature;
    if (key === undefined || faults.length > 0 || signature === undefined) {
      return unsigned({ fault: faults.join(', ') || 'no signature', code: NOT_SIGNED });
    }
    const verdict = verifySignature(engine, key, SCHEME, utf8Bytes(document.value.text), signature);
    return whenAll([verdict], (isSigned) =>
      isSigned
        ? { signer, signed: { value: true }, ...readDocument(kind, document.value.value) }
        : unsigned({ fault: 'the signature is not valid', code: NOT_SIGNED }),
    );
  });
}

/** Of a document that is signed. */
function readDocument<Content>(
  { name, id, version, read }: DocumentKind<Content>,
  value: unknown,
): Pick<SignedDocument<Content>, 'head' | 'content'> {
  const head = attempt('ERR_COLLATERAL', () => readDocumentHead(value, name));
  if (head.fault !== undefined) return { head: dependent(head), content: head };
  const isKind = head.value.id === id && head.value.version === version;
  return { head, content: isKind ? attempt('ERR_COLLATERAL', () => read(value)) : { fault: 'another document' } };
}
