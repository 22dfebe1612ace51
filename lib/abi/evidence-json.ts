import { decodeBase64url, encodeBase64url } from '../base/base64url.js';
import { isBytes } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { readArguments } from '../base/options.js';
import { parseStrictJson } from '../base/strict-json.js';
import { collateralMembers, readCollateral } from './collateral-json.js';
import type { Evidence, EvidenceCertificates, EvidenceEphemeralKey, EvidenceQuote } from './evidence.js';
import { emptyInput, malformed } from './input.js';
import { JsonMembers } from './json-members.js';

/** What evidence as JSON may hold; genuine evidence has some 200 KiB and 100 members. docs/evidence.md has all limits. */
export const EVIDENCE_JSON_LIMITS = /* @__PURE__ */ Object.freeze({
  bytes: 2 * 1024 * 1024,
  values: 32_768,
  chain: 16,
});

const REFUSED = 'the evidence is refused';
const LIST_OF_CERTIFICATES = `an array of at most ${EVIDENCE_JSON_LIMITS.chain} DER certificates`;
const PEM = '-----BEGIN ';

/**
 * Evidence as JSON, version 1 (docs/evidence.md): bytes in base64url without padding, PEM certificates as they are.
 */
export function evidenceToJson(evidence: Evidence): string {
  return readArguments('evidenceToJson', () => JSON.stringify(jsonMembers(evidence)));
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
    hclReport: encodeBase64url(evidence.hclReport),
    quote: quote && {
      message: encodeBase64url(quote.message),
      signature: encodeBase64url(quote.signature),
      pcrs: {
        alg: quote.pcrs.alg,
        values: Object.fromEntries(
          Object.entries(quote.pcrs.values).map(([index, value]) => [index, encodeBase64url(value)]),
        ),
      },
    },
    certificates: certificates && {
      vcek: encodeCertificate(certificates.vcek),
      chain: Array.isArray(certificates.chain) ? certificates.chain.map(encodeBase64url) : certificates.chain,
    },
    tdQuote: evidence.tdQuote && encodeBase64url(evidence.tdQuote),
    tdxCollateral: evidence.tdxCollateral && collateralMembers(evidence.tdxCollateral),
    akCertificate: evidence.akCertificate && encodeBase64url(evidence.akCertificate),
    akCertificateChain: evidence.akCertificateChain?.map(encodeBase64url),
    eventLog: evidence.eventLog && encodeBase64url(evidence.eventLog),
    ephemeralKey: ephemeralKey && {
      publicArea: encodeBase64url(ephemeralKey.publicArea),
      certifyInfo: encodeBase64url(ephemeralKey.certifyInfo),
      certifySignature: encodeBase64url(ephemeralKey.certifySignature),
    },
    userDataRequired: evidence.userDataRequired,
  };
}

/**
 * Reads what {@link evidenceToJson} wrote: text, UTF-8, or the object that a JSON parser has made of it; at most 2 MiB.
 * Strict: an unknown or doubled member, another version or sloppy base64url is refused, so that one evidence has one
 * meaning. Nothing is verified.
 *
 * @throws {AttestationError} 8 for neither text nor bytes, 21 for no text, 20 for anything else that is wrong, naming the
 * member.
 */
export function evidenceFromJson(json: string | Uint8Array | object): Evidence {
  return readArguments('evidenceFromJson', () => readEvidence(json));
}

function readEvidence(json: string | Uint8Array | object): Evidence {
  const isText = typeof json === 'string' || isBytes(json);
  const members = new JsonMembers(isText ? parseEvidenceJson(json) : json);
  if (members.take('version') !== 1) throw members.refused('version', '1');
  const evidence: Evidence = { version: 1, hclReport: members.base64url('hclReport') };
  if (members.has('quote')) evidence.quote = readQuote(members.object('quote'));
  if (members.has('certificates')) evidence.certificates = readCertificates(members.object('certificates'));
  if (members.has('tdQuote')) evidence.tdQuote = members.base64url('tdQuote');
  if (members.has('tdxCollateral')) evidence.tdxCollateral = readCollateral(members.object('tdxCollateral'));
  if (members.has('akCertificate')) evidence.akCertificate = members.base64url('akCertificate');
  if (members.has('akCertificateChain')) {
    const chain = members.array('akCertificateChain');
    if (chain.length > EVIDENCE_JSON_LIMITS.chain) throw members.refused('akCertificateChain', LIST_OF_CERTIFICATES);
    evidence.akCertificateChain = chain.map((entry) => bytes(members, 'akCertificateChain', entry));
  }
  if (members.has('eventLog')) evidence.eventLog = members.base64url('eventLog');
  if (members.has('ephemeralKey')) evidence.ephemeralKey = readEphemeralKey(members.object('ephemeralKey'));
  if (members.has('userDataRequired')) {
    if (members.take('userDataRequired') !== true) throw members.refused('userDataRequired', 'true');
    evidence.userDataRequired = true;
  }
  members.finish();
  return stringifiable(evidence);
}

/** JSON text of at most 2 MiB and 32768 values, without ambiguities. */
export function parseEvidenceJson(json: string | Uint8Array): unknown {
  if (typeof json !== 'string' && !isBytes(json)) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'evidence is a string or a Uint8Array');
  }
  if (json.length === 0) throw emptyInput('the evidence');
  if (json.length > EVIDENCE_JSON_LIMITS.bytes) throw malformed(REFUSED, 'larger than 2 MiB');
  const comma = typeof json === 'string' ? ',' : 0x2c;
  if (hasMoreThan(json, comma, EVIDENCE_JSON_LIMITS.values)) throw malformed(REFUSED, 'more than 32768 values');
  try {
    return parseStrictJson(json);
  } catch (cause) {
    throw malformed(REFUSED, cause instanceof Error ? cause.message : 'not JSON', cause);
  }
}

/** Looks before anything is parsed, because parsing a million members takes seconds. */
function hasMoreThan(json: string | Uint8Array, comma: string | number, count: number): boolean {
  let found = 0;
  const indexOf = (from: number): number =>
    typeof json === 'string' ? json.indexOf(comma as string, from) : json.indexOf(comma as number, from);
  for (let at = indexOf(0); at !== -1; at = indexOf(at + 1)) if (++found > count) return true;
  return false;
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
  if (!Array.isArray(chain) || chain.length > EVIDENCE_JSON_LIMITS.chain) {
    throw members.refused('chain', `PEM text or ${LIST_OF_CERTIFICATES}`);
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

function encodeCertificate(value: Uint8Array | string): string {
  return typeof value === 'string' ? value : encodeBase64url(value);
}
