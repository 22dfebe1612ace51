import {
  asArray,
  asObject,
  asString,
  asUnsigned,
  asUnsignedOrDigits,
  decodeBase64,
  type JsonObject,
  parseJsonObject,
} from './json.js';
import { malformed } from './refusal.js';

/** The TPM's part of a guest attestation request, decoded (guest-attestation-protocol.md 1.5). */
export interface TpmInfo {
  /** As in the NV index, padding allowed. */
  akCertificate: Buffer;
  /** TPM2B_PUBLIC; what follows it in the answer of TPM2_ReadPublic, name and qualified name, is cut off. */
  akPublic: Buffer;
  /** TPMS_ATTEST. */
  quote: Buffer;
  quoteSignature: Buffer;
  pcrSet: number[];
  /** In the order of the request. */
  pcrs: { index: number; digest: Buffer }[];
  /** TPM2B_PUBLIC. */
  encryptionKeyPublic: Buffer;
  /** TPMS_ATTEST. */
  certifyInfo: Buffer;
  certifySignature: Buffer;
}

export type IsolationInfo =
  | { type: 'TrustedLaunch' }
  | { type: 'Tdx'; quote: Buffer; runtimeData: Buffer }
  | { type: 'SevSnp'; snpReport: Buffer; certificateChain: string; runtimeData: Buffer };

export interface GuestRequest {
  protocolVersion: string;
  /** Values as received. */
  clientPayload: JsonObject;
  osType: string;
  osDistro: string;
  osBuild: string;
  osVersionMajor: number;
  osVersionMinor: number;
  eventLog: Buffer;
  tpm: TpmInfo;
  isolation: IsolationInfo;
}

/** Reads the body of `POST /attest/AzureGuest`. */
export function parseGuestRequest(body: Buffer): GuestRequest {
  const outer = parseJsonObject(body, 'the request body');
  const info = parseJsonObject(decodeBase64(outer.AttestationInfo, 'AttestationInfo'), 'AttestationInfo');
  const protocolVersion = asString(info.AttestationProtocolVersion, 'AttestationProtocolVersion');
  if (protocolVersion !== '2.0') throw malformed(`AttestationProtocolVersion ${protocolVersion} is not 2.0`);
  return {
    protocolVersion,
    clientPayload: parseClientPayload(info.ClientPayload),
    osType: requiredText(info, 'OSType'),
    osDistro: requiredText(info, 'OSDistro'),
    osBuild: requiredText(info, 'OSBuild'),
    osVersionMajor: asUnsignedOrDigits(info.OSVersionMajor, 'OSVersionMajor'),
    osVersionMinor: asUnsignedOrDigits(info.OSVersionMinor, 'OSVersionMinor'),
    eventLog: decodeBase64(info.TcgLogs, 'TcgLogs'),
    tpm: parseTpmInfo(asObject(info.TpmInfo, 'TpmInfo')),
    isolation: parseIsolation(asObject(info.IsolationInfo, 'IsolationInfo')),
  };
}

/**
 * null or nothing is an empty payload; otherwise an object whose values come back in the token as they are: base64 from the
 * C++ client, raw or nested ones from the Python and Rust clients.
 */
function parseClientPayload(value: unknown): JsonObject {
  return value === null || value === undefined ? {} : asObject(value, 'ClientPayload');
}

function requiredText(info: JsonObject, member: string): string {
  const text = decodeBase64(info[member], member).toString('utf8');
  if (text === '') throw malformed(`${member} is empty`);
  return text;
}

function parseTpmInfo(info: JsonObject): TpmInfo {
  const bytes = (member: string): Buffer => decodeBase64(info[member], `TpmInfo.${member}`);
  return {
    akCertificate: bytes('AikCert'),
    akPublic: firstSized(bytes('AikPub')),
    quote: bytes('PcrQuote'),
    quoteSignature: bytes('PcrSignature'),
    pcrSet: asArray(info.PcrSet, 'TpmInfo.PcrSet').map((index) => asUnsigned(index, 'an index of TpmInfo.PcrSet')),
    pcrs: asArray(info.PCRs, 'TpmInfo.PCRs').map((entry) => {
      const pcr = asObject(entry, 'an entry of TpmInfo.PCRs');
      return {
        index: asUnsigned(pcr.Index, 'Index of TpmInfo.PCRs'),
        digest: decodeBase64(pcr.Digest, 'Digest of TpmInfo.PCRs'),
      };
    }),
    encryptionKeyPublic: bytes('EncKeyPub'),
    certifyInfo: bytes('EncKeyCertifyInfo'),
    certifySignature: bytes('EncKeyCertifyInfoSignature'),
  };
}

/** Two TPM2B_NAMEs follow the public area in what the Python client sends: 36 bytes each. */
const namesAfterPublicArea = 72;

function firstSized(bytes: Buffer): Buffer {
  const size = bytes.length < 2 ? 0 : 2 + bytes.readUInt16BE();
  return bytes.length === size + namesAfterPublicArea ? bytes.subarray(0, size) : bytes;
}

function parseIsolation(info: JsonObject): IsolationInfo {
  const type = asString(info.Type, 'IsolationInfo.Type');
  if (type === 'TrustedLaunch') {
    if (info.Evidence !== undefined) throw malformed('IsolationInfo.Evidence makes no sense for TrustedLaunch');
    return { type };
  }
  if (type !== 'SevSnp' && type !== 'Tdx') throw malformed(`IsolationInfo.Type ${type} is not supported`);
  const evidence = asObject(info.Evidence, 'IsolationInfo.Evidence');
  if (type === 'Tdx') {
    const [quote, runtimeData] = [
      decodeBase64(evidence.Proof, 'Proof'),
      decodeBase64(evidence.RunTimeData, 'RunTimeData'),
    ];
    if (quote.length === 0 || runtimeData.length === 0) throw malformed('Proof and RunTimeData must not be empty');
    return { type, quote, runtimeData };
  }
  const proof = parseJsonObject(decodeBase64(evidence.Proof, 'Proof'), 'Proof');
  return {
    type,
    snpReport: decodeBase64(proof.SnpReport, 'Proof.SnpReport'),
    certificateChain: decodeBase64(proof.VcekCertChain, 'Proof.VcekCertChain').toString('latin1'),
    runtimeData: decodeBase64(evidence.RunTimeData, 'RunTimeData'),
  };
}
