import { EVENT_LOG_LIMITS } from '../abi/event-log/parse.js';
import type { Evidence, EvidenceCertificates, EvidenceEphemeralKey, EvidenceQuote } from '../abi/evidence.js';
import { HCL_REPORT_LIMIT } from '../abi/hcl-report.js';
import { plainBytes } from '../abi/input.js';
import { MAXIMUM_TD_QUOTE } from '../abi/td-quote.js';
import { byteLength, copyBytes, isBytes } from '../base/bytes.js';
import { invalid } from '../base/options.js';
import { isJsonObject } from '../base/strict-json.js';
import { collateralOption } from './tdx/collateral-option.js';

/** Bytes of the parts that have no limit of their own. */
const LIMITS = /* @__PURE__ */ Object.freeze({
  tpmStructure: 4096,
  certificate: 64 * 1024,
  certificateText: 256 * 1024,
  chain: 16,
});
const PCRS = 24;

/**
 * The verifier's own copy: what is checked is what is used, over shared memory and getters as well. Of bytes that are more
 * than `maximum` only so many are copied that a parser sees that they are too many.
 *
 * @throws {AttestationError} 8 for anything but a Uint8Array.
 */
export function copyBounded(value: unknown, name: string, maximum: number): Uint8Array<ArrayBuffer> {
  if (!isBytes(value)) throw invalid(`${name} is not a Uint8Array`);
  return byteLength(value) <= maximum ? copyBytes(value) : new Uint8Array(plainBytes(value).subarray(0, maximum + 1));
}

/**
 * A copy of evidence, every member read once. Evidence is plain data from somewhere: what is not even of the right type is
 * the caller's mistake, not a refusal.
 *
 * @throws {AttestationError} 8
 */
export function copyEvidence(given: unknown): Evidence {
  try {
    return copied(given);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be read';
    throw invalid(`not evidence: ${why}`, error);
  }
}

function copied(given: unknown): Evidence {
  const evidence = object<Evidence>(given, 'it');
  if (typeof (given as { then?: unknown }).then === 'function') throw invalid('a promise: is an await missing?');
  const { version, hclReport, quote, certificates, akCertificate, akCertificateChain } = evidence;
  const { eventLog, ephemeralKey, userDataRequired, tdQuote, tdxCollateral } = evidence;
  if (version !== 1) throw invalid('its version is not 1');
  const copy: Evidence = { version, hclReport: copyBounded(hclReport, 'hclReport', HCL_REPORT_LIMIT) };
  if (quote !== undefined) copy.quote = copyQuote(quote);
  if (certificates !== undefined) copy.certificates = copyCertificates(certificates);
  if (akCertificate !== undefined) copy.akCertificate = copyBounded(akCertificate, 'akCertificate', LIMITS.certificate);
  if (akCertificateChain !== undefined) copy.akCertificateChain = copyList(akCertificateChain, 'akCertificateChain');
  if (tdQuote !== undefined) copy.tdQuote = copyBounded(tdQuote, 'tdQuote', MAXIMUM_TD_QUOTE);
  if (tdxCollateral !== undefined) copy.tdxCollateral = collateralOption.check(tdxCollateral, 'tdxCollateral');
  if (eventLog !== undefined) copy.eventLog = copyBounded(eventLog, 'eventLog', EVENT_LOG_LIMITS.bytes);
  if (ephemeralKey !== undefined) copy.ephemeralKey = copyEphemeralKey(ephemeralKey);
  if (userDataRequired !== undefined) {
    if (userDataRequired !== true) throw invalid('userDataRequired is not true');
    copy.userDataRequired = true;
  }
  return copy;
}

function copyQuote(given: unknown): EvidenceQuote {
  const { message, signature, pcrs } = object<EvidenceQuote>(given, 'quote');
  const { alg, values } = object<EvidenceQuote['pcrs']>(pcrs, 'quote.pcrs');
  if (alg !== 'sha256') throw invalid("quote.pcrs.alg is not 'sha256'");
  const entries = Object.entries(object<Record<string, unknown>>(values, 'quote.pcrs.values'));
  if (entries.length > PCRS) throw invalid('quote.pcrs.values has more than 24 members');
  return {
    message: copyBounded(message, 'quote.message', LIMITS.tpmStructure),
    signature: copyBounded(signature, 'quote.signature', LIMITS.tpmStructure),
    pcrs: {
      alg,
      values: Object.fromEntries(
        entries.map(([index, value]) => [index, copyBounded(value, `quote.pcrs.values.${index.slice(0, 60)}`, 64)]),
      ),
    },
  };
}

function copyCertificates(given: unknown): EvidenceCertificates {
  const { vcek, chain } = object<EvidenceCertificates>(given, 'certificates');
  const copy: EvidenceCertificates = {
    vcek: typeof vcek === 'string' ? vcek : copyBounded(vcek, 'certificates.vcek', LIMITS.certificateText),
  };
  if (chain === undefined) return copy;
  copy.chain = typeof chain === 'string' ? chain : copyList(chain, 'certificates.chain');
  return copy;
}

function copyList(given: unknown, name: string): Uint8Array[] {
  if (!Array.isArray(given) || given.length > LIMITS.chain) {
    throw invalid(`${name} is not an array of at most ${LIMITS.chain} certificates`);
  }
  return Array.from({ length: given.length }, (_, index) =>
    copyBounded((given as unknown[])[index], `${name}[${index}]`, LIMITS.certificateText),
  );
}

function copyEphemeralKey(given: unknown): EvidenceEphemeralKey {
  const { publicArea, certifyInfo, certifySignature } = object<EvidenceEphemeralKey>(given, 'ephemeralKey');
  return {
    publicArea: copyBounded(publicArea, 'ephemeralKey.publicArea', LIMITS.tpmStructure),
    certifyInfo: copyBounded(certifyInfo, 'ephemeralKey.certifyInfo', LIMITS.tpmStructure),
    certifySignature: copyBounded(certifySignature, 'ephemeralKey.certifySignature', LIMITS.tpmStructure),
  };
}

/** An object whose members are still to be looked at. */
function object<T extends object>(value: unknown, name: string): { readonly [Member in keyof T]?: unknown } {
  if (!isJsonObject(value)) throw invalid(`${name} is not an object`);
  return value as { readonly [Member in keyof T]?: unknown };
}
