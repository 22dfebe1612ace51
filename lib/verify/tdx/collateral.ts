import type { RevocationList } from '../../abi/crl.js';
import { IntelJson } from '../../abi/intel-json.js';
import { certificateInputs } from '../../abi/pem.js';
import { type QeIdentity, readQeIdentity } from '../../abi/qe-identity.js';
import { readSignedJson } from '../../abi/signed-json.js';
import { type DocumentHead, readDocumentHead, readTcbInfo, type TcbInfo } from '../../abi/tcb-info.js';
import { parseIntelCrl, type TdxCollateral } from '../../abi/tdx-collateral.js';
import { type Certificate, namesIssuer, parseCertificate } from '../../abi/x509.js';
import { copyBytes, equalBytes, utf8Bytes } from '../../base/bytes.js';
import { whenAll } from '../../base/when-all.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { verifySignature } from '../../engine/verify-signature.js';
import { isListIssuedBy } from '../certificate-signature.js';
import { messageOf } from '../refusal.js';
import { certificateFaults, isNamed, type PckChain, publicKeyDigest } from './pck-chain.js';
import { Remembered } from './remembered.js';

/** The outcome of one part of the collateral: what it holds, or why nothing can be said about it. */
export type Opened<Value> = { readonly value: Value; readonly fault?: undefined } | { readonly fault: string };

/** The certificates behind a signed document. */
export interface DocumentSigner {
  readonly certificate: Certificate;
  readonly root: Certificate;
  /** SHA-256 of the root's DER SubjectPublicKeyInfo, hex. */
  readonly rootKey: string;
  readonly faults: readonly string[];
}

/** A document of Intel's: who signed it, and its content once the signature is good. */
export interface SignedDocument<Content> {
  readonly signer: Opened<DocumentSigner>;
  readonly signed: Opened<true>;
  /** Id, version, dates and number; only of a document that is signed. */
  readonly head?: Opened<DocumentHead>;
  /** Only of a document of the right id and version. */
  readonly content?: Opened<Content>;
}

export interface OpenedCollateral {
  readonly rootCrl: Opened<RevocationList>;
  readonly pckCrl: Opened<RevocationList>;
  readonly tcbInfo: SignedDocument<TcbInfo>;
  readonly qeIdentity: SignedDocument<QeIdentity>;
  /** The earliest end of both documents, both lists and both signing certificates, as far as they can be read. */
  readonly expires: number;
}

/** Id and version that each document must have. */
export const TCB_INFO = /* @__PURE__ */ Object.freeze({ id: 'TDX', version: 3 });
export const QE_IDENTITY = /* @__PURE__ */ Object.freeze({ id: 'TD_QE', version: 2 });

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
  return known.find(engine, inputsOf(given, chain)) ?? openNew(engine, given, chain);
}

function openNew(
  engine: SignatureEngine,
  given: TdxCollateral,
  chain: PckChain,
): OpenedCollateral | Promise<OpenedCollateral> {
  const collateral = copyOf(given);
  const inputs = inputsOf(collateral, chain);
  const { tcbInfoIssuerChain, qeIdentityIssuerChain } = collateral;
  const infoSigner = openSigner(engine, tcbInfoIssuerChain, chain);
  const sameSigner = qeIdentityIssuerChain === tcbInfoIssuerChain;
  const parts = [
    openList(engine, collateral.rootCaCrl, chain.root),
    openList(engine, collateral.pckCrl, chain.ca),
    openDocument(engine, {
      text: collateral.tcbInfo,
      member: 'tcbInfo',
      signature: collateral.tcbInfoSignature,
      signer: infoSigner,
      kind: TCB_INFO,
      read: readTcbInfo,
    }),
    openDocument(engine, {
      text: collateral.qeIdentity,
      member: 'enclaveIdentity',
      signature: collateral.qeIdentitySignature,
      signer: sameSigner ? infoSigner : openSigner(engine, qeIdentityIssuerChain, chain),
      kind: QE_IDENTITY,
      read: readQeIdentity,
    }),
  ] as const;
  return whenAll(parts, (rootCrl, pckCrl, tcbInfo, qeIdentity) => {
    const opened = { rootCrl, pckCrl, tcbInfo, qeIdentity, expires: 0 };
    opened.expires = expiryOf(opened);
    const isSigned = [rootCrl, pckCrl, tcbInfo.signed, qeIdentity.signed].every(({ fault }) => fault === undefined);
    if (isSigned) known.add(engine, inputs, opened);
    return opened;
  });
}

function expiryOf({ rootCrl, pckCrl, tcbInfo, qeIdentity }: OpenedCollateral): number {
  const ends: (Date | undefined)[] = [];
  for (const list of [rootCrl, pckCrl]) if (list.fault === undefined) ends.push(list.value.nextUpdate);
  for (const { signer, head } of [tcbInfo, qeIdentity]) {
    if (signer.fault === undefined) ends.push(signer.value.certificate.notAfter);
    if (head !== undefined && head.fault === undefined) ends.push(head.value.nextUpdate);
  }
  return ends.reduce((least, end) => Math.min(least, end?.getTime() ?? least), Number.POSITIVE_INFINITY);
}

function inputsOf(collateral: TdxCollateral, chain: PckChain): (Uint8Array | string)[] {
  return [
    collateral.tcbInfo,
    collateral.tcbInfoSignature ?? '',
    collateral.tcbInfoIssuerChain,
    collateral.qeIdentity,
    collateral.qeIdentitySignature ?? '',
    collateral.qeIdentityIssuerChain,
    collateral.rootCaCrl,
    collateral.pckCrl,
    chain.root.der,
    chain.ca.der,
  ];
}

/** The verifier's own: the caller's memory may change while signatures are verified, and after. */
function copyOf(given: TdxCollateral): TdxCollateral {
  const copy = { ...given };
  for (const name of ['tcbInfoSignature', 'qeIdentitySignature', 'pckCrl', 'rootCaCrl'] as const) {
    const bytes = given[name];
    if (bytes !== undefined) copy[name] = copyBytes(bytes);
  }
  return copy;
}

function openList(
  engine: SignatureEngine,
  bytes: Uint8Array,
  issuer: Certificate,
): Opened<RevocationList> | Promise<Opened<RevocationList>> {
  const list = attempt(() => parseIntelCrl(bytes));
  if (list.fault !== undefined) return list;
  const { value } = list;
  if (value.unknownCritical.length > 0) return { fault: 'a critical extension that is not understood' };
  return whenAll(
    [isListIssuedBy(engine, value, issuer)],
    (isIssued): Opened<RevocationList> =>
      isIssued
        ? list
        : { fault: `a list of ${value.issuer.commonName} that ${issuer.subject.commonName} has not signed` },
  );
}

/** PEM of the TCB signing certificate and its root. */
function openSigner(
  engine: SignatureEngine,
  pem: string,
  chain: PckChain,
): Opened<DocumentSigner> | Promise<Opened<DocumentSigner>> {
  // Of the root that is in the quote everything is known.
  const isRoot = (der: Uint8Array): boolean => equalBytes(der, chain.root.der);
  const certificates = attempt(() =>
    certificateInputs(pem).map((der) => (isRoot(der) ? chain.root : parseCertificate(der))),
  );
  if (certificates.fault !== undefined) return certificates;
  const [certificate, root] = certificates.value;
  if (certificate === undefined || root === undefined || certificates.value.length > 2) {
    return { fault: 'not the TCB signing certificate and its root' };
  }
  if (!isNamed(certificate, /SGX TCB Signing$/) || !isNamed(root, /SGX Root CA$/) || !namesIssuer(certificate, root)) {
    return { fault: 'not the TCB signing certificate and its root' };
  }
  const isKnown = root === chain.root;
  const rootKey = isKnown ? chain.rootKey : publicKeyDigest(engine, root);
  const rootFaults = isKnown ? chain.rootFaults : certificateFaults(engine, root, root);
  return whenAll([certificateFaults(engine, certificate, root), rootFaults], (own, others) => ({
    value: { certificate, root, rootKey, faults: [...own, ...others] },
  }));
}

interface DocumentInput<Content> {
  readonly text: string;
  readonly member: string;
  readonly signature: Uint8Array | undefined;
  readonly signer: Opened<DocumentSigner> | Promise<Opened<DocumentSigner>>;
  readonly kind: { readonly id: string; readonly version: number };
  readonly read: (value: unknown) => Content;
}

function openDocument<Content>(
  engine: SignatureEngine,
  input: DocumentInput<Content>,
): SignedDocument<Content> | Promise<SignedDocument<Content>> {
  return whenAll([input.signer], (signer): SignedDocument<Content> | Promise<SignedDocument<Content>> => {
    if (signer.fault !== undefined) return { signer, signed: { fault: 'no signing certificate' } };
    const document = attempt(() => readSignedJson(input.text, input.member));
    if (document.fault !== undefined) return { signer, signed: document };
    const { certificate, faults } = signer.value;
    const mark = input.signature ?? document.value.signature;
    const key = certificate.publicKey;
    if (mark === undefined) return { signer, signed: { fault: 'no signature' } };
    if (faults.length > 0 || key === undefined) return { signer, signed: { fault: faults.join(', ') } };
    const message = utf8Bytes(document.value.text);
    const verdict = verifySignature(engine, key, { scheme: 'ecdsa', hash: 'SHA-256' }, message, mark);
    return whenAll([verdict], (isSigned) =>
      isSigned
        ? readDocument(signer, document.value.value, input)
        : { signer, signed: { fault: 'the signature is not valid' } },
    );
  });
}

/** Of a document that is signed. */
function readDocument<Content>(
  signer: Opened<DocumentSigner>,
  value: unknown,
  { member, kind, read }: DocumentInput<Content>,
): SignedDocument<Content> {
  const signed = { value: true } as const;
  const head = attempt(() => readDocumentHead(new IntelJson(value, member)));
  const isKind = head.fault === undefined && head.value.id === kind.id && head.value.version === kind.version;
  return isKind ? { signer, signed, head, content: attempt(() => read(value)) } : { signer, signed, head };
}

function attempt<Value>(work: () => Value): Opened<Value> {
  try {
    return { value: work() };
  } catch (error) {
    return { fault: messageOf(error) };
  }
}
