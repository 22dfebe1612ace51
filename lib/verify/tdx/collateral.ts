import type { RevocationList } from '../../abi/crl.js';
import { IntelJson } from '../../abi/intel-json.js';
import { certificateInputs } from '../../abi/pem.js';
import { type QeIdentity, readQeIdentity } from '../../abi/qe-identity.js';
import { readSignedJson } from '../../abi/signed-json.js';
import { type DocumentHead, readDocumentHead, readTcbInfo, type TcbInfo } from '../../abi/tcb-info.js';
import { parseIntelCrl, type TdxCollateral } from '../../abi/tdx-collateral.js';
import { type Certificate, namesIssuer, parseCertificate } from '../../abi/x509.js';
import { copyBytes, equalBytes, utf8Bytes } from '../../base/bytes.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { verifySignature } from '../../engine/verify-signature.js';
import { isListIssuedBy } from '../certificate-signature.js';
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

async function openNew(engine: SignatureEngine, given: TdxCollateral, chain: PckChain): Promise<OpenedCollateral> {
  const collateral = copyOf(given);
  const inputs = inputsOf(collateral, chain);
  const { tcbInfoIssuerChain, qeIdentityIssuerChain } = collateral;
  const infoSigner = await openSigner(engine, tcbInfoIssuerChain, chain);
  const sameSigner = qeIdentityIssuerChain === tcbInfoIssuerChain;
  const parts = {
    rootCrl: await openList(engine, collateral.rootCaCrl, chain.root),
    pckCrl: await openList(engine, collateral.pckCrl, chain.ca),
    tcbInfo: await openDocument(engine, {
      text: collateral.tcbInfo,
      member: 'tcbInfo',
      signature: collateral.tcbInfoSignature,
      signer: infoSigner,
      kind: TCB_INFO,
      read: readTcbInfo,
    }),
    qeIdentity: await openDocument(engine, {
      text: collateral.qeIdentity,
      member: 'enclaveIdentity',
      signature: collateral.qeIdentitySignature,
      signer: sameSigner ? infoSigner : await openSigner(engine, qeIdentityIssuerChain, chain),
      kind: QE_IDENTITY,
      read: readQeIdentity,
    }),
  };
  const opened = { ...parts, expires: expiryOf(parts) };
  const { rootCrl, pckCrl, tcbInfo, qeIdentity } = parts;
  const isSigned = [rootCrl, pckCrl, tcbInfo.signed, qeIdentity.signed].every(({ fault }) => fault === undefined);
  if (isSigned) known.add(engine, inputs, opened);
  return opened;
}

function expiryOf({ rootCrl, pckCrl, tcbInfo, qeIdentity }: Omit<OpenedCollateral, 'expires'>): number {
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
  const { tcbInfoSignature, qeIdentitySignature } = given;
  return {
    ...given,
    ...(tcbInfoSignature === undefined ? {} : { tcbInfoSignature: copyBytes(tcbInfoSignature) }),
    ...(qeIdentitySignature === undefined ? {} : { qeIdentitySignature: copyBytes(qeIdentitySignature) }),
    pckCrl: copyBytes(given.pckCrl),
    rootCaCrl: copyBytes(given.rootCaCrl),
  };
}

async function openList(
  engine: SignatureEngine,
  bytes: Uint8Array,
  issuer: Certificate,
): Promise<Opened<RevocationList>> {
  const list = attempt(() => parseIntelCrl(bytes));
  if (list.fault !== undefined) return list;
  const { value } = list;
  if (value.unknownCritical.length > 0) return { fault: 'a critical extension that is not understood' };
  if (await isListIssuedBy(engine, value, issuer)) return list;
  return { fault: `a list of ${value.issuer.commonName} that ${issuer.subject.commonName} has not signed` };
}

/** PEM of the TCB signing certificate and its root. */
async function openSigner(engine: SignatureEngine, pem: string, chain: PckChain): Promise<Opened<DocumentSigner>> {
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
  const rootKey = root === chain.root ? chain.rootKey : publicKeyDigest(engine, root);
  const rootFaults = root === chain.root ? chain.rootFaults : await certificateFaults(engine, root, root);
  const faults = [...(await certificateFaults(engine, certificate, root)), ...rootFaults];
  return { value: { certificate, root, rootKey, faults } };
}

interface DocumentInput<Content> {
  readonly text: string;
  readonly member: string;
  readonly signature: Uint8Array | undefined;
  readonly signer: Opened<DocumentSigner>;
  readonly kind: { readonly id: string; readonly version: number };
  readonly read: (value: unknown) => Content;
}

async function openDocument<Content>(
  engine: SignatureEngine,
  { text, member, signature, signer, kind, read }: DocumentInput<Content>,
): Promise<SignedDocument<Content>> {
  if (signer.fault !== undefined) return { signer, signed: { fault: 'no signing certificate' } };
  const document = attempt(() => readSignedJson(text, member));
  if (document.fault !== undefined) return { signer, signed: document };
  const { certificate, faults } = signer.value;
  const mark = signature ?? document.value.signature;
  const key = certificate.publicKey;
  if (mark === undefined) return { signer, signed: { fault: 'no signature' } };
  if (faults.length > 0 || key === undefined) return { signer, signed: { fault: faults.join(', ') } };
  const message = utf8Bytes(document.value.text);
  const isSigned = await verifySignature(engine, key, { scheme: 'ecdsa', hash: 'SHA-256' }, message, mark);
  if (!isSigned) return { signer, signed: { fault: 'the signature is not valid' } };
  const signed = { value: true } as const;
  const head = attempt(() => readDocumentHead(new IntelJson(document.value.value, member)));
  if (head.fault !== undefined || head.value.id !== kind.id || head.value.version !== kind.version) {
    return { signer, signed, head };
  }
  return { signer, signed, head, content: attempt(() => read(document.value.value)) };
}

function attempt<Value>(work: () => Value): Opened<Value> {
  try {
    return { value: work() };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}
