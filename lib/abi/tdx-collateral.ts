import { isBytes, latin1Text, utf8Bytes } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { bytesFromHex, hex } from '../base/hex.js';
import { readArguments } from '../base/options.js';
import { isJsonObject, parseStrictJson, StrictJsonError } from '../base/strict-json.js';
import { parseRevocationList, type RevocationList } from './crl.js';
import { emptyInput, malformed } from './input.js';
import { readSignedJson, signatureBytes } from './signed-json.js';

/**
 * What a verifier needs besides a TD quote, exactly as Intel signed and served it. All of it is public, is the same for every
 * platform of one FMSPC, and ends after 30 days.
 */
export interface TdxCollateral {
  /** The answer of `/tdx/certification/v4/tcb`, or the value of its member `tcbInfo`, byte for byte. */
  tcbInfo: string;
  /** r ‖ s, 64 bytes; needed when `tcbInfo` is the value alone. */
  tcbInfoSignature?: Uint8Array;
  /** PEM: TCB signing certificate and root. */
  tcbInfoIssuerChain: string;
  /** The answer of `/tdx/certification/v4/qe/identity`, or the value of its member `enclaveIdentity`, byte for byte. */
  qeIdentity: string;
  qeIdentitySignature?: Uint8Array;
  qeIdentityIssuerChain: string;
  /** List of the CA that issued the PCK certificate: DER, or PEM or hex as ASCII. */
  pckCrl: Uint8Array;
  /** PEM. Not needed: the list's issuer is in the quote. */
  pckCrlIssuerChain?: string;
  /** List of the root: DER, or PEM or hex as ASCII. */
  rootCaCrl: Uint8Array;
  /** PEM: PCK certificate, its CA and the root. Looked at only for a quote that does not carry them. */
  pckCertificateChain?: string;
}

const STRUCTURE = 'TDX collateral';
const MAXIMUM_TEXT = 16 * 1024 * 1024;

/**
 * Imports collateral in the form that Intel's `QuoteCollateralV3` has in JSON (`pck_crl_issuer_chain`, `root_ca_crl`,
 * `pck_crl`, `tcb_info_issuer_chain`, `tcb_info`, `tcb_info_signature`, `qe_identity_issuer_chain`, `qe_identity`,
 * `qe_identity_signature`), the object or its text. Revocation lists may be hex or PEM. Nothing is verified; other members
 * are ignored.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for a value that is neither, `HCL_REPORT_EMPTY` (21) for no text,
 * `HCL_REPORT_PARSING_FAILURE` (20) for anything malformed.
 */
export function importTdxCollateral(json: string | object): TdxCollateral {
  return readArguments('importTdxCollateral', () => readCollateralV3(json));
}

function readCollateralV3(json: string | object): TdxCollateral {
  const value = typeof json === 'string' ? parseText(json) : json;
  if (!isJsonObject(value)) {
    throw typeof json === 'string'
      ? malformed(STRUCTURE, 'not a JSON object')
      : new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'collateral is QuoteCollateralV3 or its JSON text');
  }
  const text = (name: string): string => {
    const member = Object.hasOwn(value, name) ? value[name] : undefined;
    if (typeof member !== 'string' || member === '') throw malformed(STRUCTURE, `${name} must be a string`);
    // C strings keep the NUL that ends them.
    let end = member.length;
    while (member.charCodeAt(end - 1) === 0) end--;
    return member.slice(0, end);
  };
  const optional = (name: string): string | undefined => (value[name] === undefined ? undefined : text(name));
  const pckCrlIssuerChain = optional('pck_crl_issuer_chain');
  const pckCertificateChain = optional('pck_certificate_chain');
  return {
    tcbInfo: text('tcb_info'),
    tcbInfoSignature: signatureBytes(text('tcb_info_signature'), 'tcb_info_signature'),
    tcbInfoIssuerChain: text('tcb_info_issuer_chain'),
    qeIdentity: text('qe_identity'),
    qeIdentitySignature: signatureBytes(text('qe_identity_signature'), 'qe_identity_signature'),
    qeIdentityIssuerChain: text('qe_identity_issuer_chain'),
    pckCrl: parseIntelCrl(utf8Bytes(text('pck_crl'))).der,
    rootCaCrl: parseIntelCrl(utf8Bytes(text('root_ca_crl'))).der,
    ...(pckCrlIssuerChain === undefined ? {} : { pckCrlIssuerChain }),
    ...(pckCertificateChain === undefined ? {} : { pckCertificateChain }),
  };
}

/**
 * Collateral as the text that {@link importTdxCollateral} reads, for a file. The signatures must be there, or in the answers.
 */
export function exportTdxCollateral(collateral: TdxCollateral): string {
  return readArguments('exportTdxCollateral', () => quoteCollateralV3(collateral));
}

function quoteCollateralV3(collateral: TdxCollateral): string {
  const { pckCrlIssuerChain, pckCertificateChain } = collateral;
  return JSON.stringify({
    root_ca_crl: hex(parseIntelCrl(collateral.rootCaCrl).der),
    ...(pckCrlIssuerChain === undefined ? {} : { pck_crl_issuer_chain: pckCrlIssuerChain }),
    pck_crl: hex(parseIntelCrl(collateral.pckCrl).der),
    tcb_info_issuer_chain: collateral.tcbInfoIssuerChain,
    ...signedMember('tcb_info', 'tcbInfo', collateral.tcbInfo, collateral.tcbInfoSignature),
    qe_identity_issuer_chain: collateral.qeIdentityIssuerChain,
    ...signedMember('qe_identity', 'enclaveIdentity', collateral.qeIdentity, collateral.qeIdentitySignature),
    ...(pckCertificateChain === undefined ? {} : { pck_certificate_chain: pckCertificateChain }),
  });
}

function signedMember(
  name: string,
  member: string,
  text: string,
  given: Uint8Array | undefined,
): Record<string, string> {
  const document = readSignedJson(text, member);
  const signature = given ?? document.signature;
  if (signature === undefined) throw malformed(STRUCTURE, `no signature of ${member}`);
  return { [name]: document.text, [`${name}_signature`]: hex(signature) };
}

/** A revocation list as collateral has it: DER, PEM or hex. */
export function parseIntelCrl(input: Uint8Array): RevocationList {
  if (!isBytes(input) || input.length === 0) throw emptyInput('the revocation list');
  // Hex of DER begins with 30, that is the bytes 33 30.
  const isHex = input[0] === 0x33 && input[1] === 0x30;
  const der = isHex ? bytesFromHex(latin1Text(input).trim()) : input;
  if (der === undefined) throw malformed('revocation list', 'neither DER, PEM nor hex');
  return parseRevocationList(der);
}

function parseText(text: string): unknown {
  if (text === '') throw emptyInput('the collateral');
  if (text.length > MAXIMUM_TEXT) throw malformed(STRUCTURE, 'larger than 16 MiB');
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (error instanceof StrictJsonError) throw malformed(STRUCTURE, error.message, error);
    throw error;
  }
}
