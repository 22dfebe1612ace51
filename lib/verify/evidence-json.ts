import { AttestationError, ErrorCode } from '../base/errors.js';
import { parseStrictJson } from '../base/strict-json.js';
import { decodeBase64url, JsonMembers } from './json-members.js';
import type { Evidence, EvidenceCertificates, EvidenceEphemeralKey, EvidenceQuote } from './types.js';

const MAXIMUM_TEXT = 32 * 1024 * 1024;
const MAXIMUM_CHAIN = 16;
const PEM = '-----BEGIN ';

/**
 * Evidence as JSON, version 1 (docs/evidence.md): bytes in base64url without padding, PEM certificates as they are.
 */
export function evidenceToJson(evidence: Evidence): string {
  return JSON.stringify(jsonMembers(evidence));
}

/**
 * Lets `JSON.stringify` of the evidence, alone or inside of something, write what {@link evidenceToJson} writes. The
 * method is not enumerable: a copy made by spreading is without it.
 */
export function stringifiable(evidence: Evidence): Evidence {
  return Object.defineProperty(evidence, 'toJSON', { value: () => jsonMembers(evidence), configurable: true });
}

function jsonMembers(evidence: Evidence): object {
  const { quote, certificates, ephemeralKey } = evidence;
  return {
    version: evidence.version,
    hclReport: encode(evidence.hclReport),
    quote: quote && {
      message: encode(quote.message),
      signature: encode(quote.signature),
      pcrs: {
        alg: quote.pcrs.alg,
        values: Object.fromEntries(Object.entries(quote.pcrs.values).map(([index, value]) => [index, encode(value)])),
      },
    },
    certificates: certificates && {
      vcek: encodeCertificate(certificates.vcek),
      chain: Array.isArray(certificates.chain) ? certificates.chain.map(encode) : certificates.chain,
    },
    akCertificate: evidence.akCertificate && encode(evidence.akCertificate),
    eventLog: evidence.eventLog && encode(evidence.eventLog),
    ephemeralKey: ephemeralKey && {
      publicArea: encode(ephemeralKey.publicArea),
      certifyInfo: encode(ephemeralKey.certifyInfo),
      certifySignature: encode(ephemeralKey.certifySignature),
    },
  };
}

/**
 * Reads what {@link evidenceToJson} wrote: text, UTF-8, or the object that a JSON parser has made of it. Strict: an unknown or doubled member, another version or sloppy
 * base64url is refused, so that one evidence has one meaning. Nothing is verified.
 *
 * @throws {AttestationError} 8 for neither text nor bytes, 21 for no text, 20 for anything else that is wrong, naming the
 * member.
 */
export function evidenceFromJson(json: string | Uint8Array | object): Evidence {
  const isText = typeof json === 'string' || json instanceof Uint8Array;
  const members = new JsonMembers(isText ? parseEvidenceJson(json) : json);
  if (members.take('version') !== 1) throw members.refused('version', '1');
  const evidence: Evidence = { version: 1, hclReport: members.base64url('hclReport') };
  if (members.has('quote')) evidence.quote = readQuote(members.object('quote'));
  if (members.has('certificates')) evidence.certificates = readCertificates(members.object('certificates'));
  if (members.has('akCertificate')) evidence.akCertificate = members.base64url('akCertificate');
  if (members.has('eventLog')) evidence.eventLog = members.base64url('eventLog');
  if (members.has('ephemeralKey')) evidence.ephemeralKey = readEphemeralKey(members.object('ephemeralKey'));
  members.finish();
  return stringifiable(evidence);
}

/** JSON text of at most 32 MiB without ambiguities. */
export function parseEvidenceJson(json: string | Uint8Array): unknown {
  if (typeof json !== 'string' && !(json instanceof Uint8Array)) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'evidence is a text or a Uint8Array');
  }
  if (json.length === 0) throw new AttestationError(ErrorCode.HCL_REPORT_EMPTY, 'the evidence is empty');
  if (json.length > MAXIMUM_TEXT) {
    throw new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, 'evidence larger than 32 MiB');
  }
  try {
    return parseStrictJson(typeof json === 'string' ? Buffer.from(json, 'utf8') : json);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'not JSON';
    throw new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, `the evidence is refused: ${why}`, { cause });
  }
}

function readQuote(members: JsonMembers): EvidenceQuote {
  const message = members.base64url('message');
  const signature = members.base64url('signature');
  const pcrs = members.object('pcrs');
  if (pcrs.take('alg') !== 'sha256') throw pcrs.refused('alg', "'sha256'");
  const named = pcrs.object('values');
  const values: EvidenceQuote['pcrs']['values'] = {};
  for (const name of named.names()) {
    if (!/^(1?[0-9]|2[0-3])$/.test(name)) throw named.refused(name, 'a PCR index of 0 to 23');
    values[Number(name)] = named.base64url(name);
  }
  pcrs.finish();
  members.finish();
  return { message, signature, pcrs: { alg: 'sha256', values } };
}

function readCertificates(members: JsonMembers): EvidenceCertificates {
  const vcek = members.text('vcek');
  const certificates: EvidenceCertificates = {
    vcek: vcek.trimStart().startsWith(PEM) ? vcek : bytes(members, 'vcek', vcek),
  };
  const chain = members.take('chain');
  members.finish();
  if (chain === undefined) return certificates;
  if (typeof chain === 'string') {
    if (!chain.trimStart().startsWith(PEM)) throw members.refused('chain', 'PEM text or an array of DER certificates');
    return { ...certificates, chain };
  }
  if (!Array.isArray(chain) || chain.length > MAXIMUM_CHAIN) {
    throw members.refused('chain', `PEM text or an array of at most ${MAXIMUM_CHAIN} DER certificates`);
  }
  return { ...certificates, chain: chain.map((entry) => bytes(members, 'chain', entry)) };
}

function bytes(members: JsonMembers, name: string, value: unknown): Uint8Array {
  const decoded = typeof value === 'string' ? decodeBase64url(value) : undefined;
  if (decoded === undefined) throw members.refused(name, 'PEM text or base64url without padding');
  return decoded;
}

function readEphemeralKey(members: JsonMembers): EvidenceEphemeralKey {
  const key = {
    publicArea: members.base64url('publicArea'),
    certifyInfo: members.base64url('certifyInfo'),
    certifySignature: members.base64url('certifySignature'),
  };
  members.finish();
  return key;
}

function encode(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64url');
}

function encodeCertificate(value: Uint8Array | string): string {
  return typeof value === 'string' ? value : encode(value);
}
