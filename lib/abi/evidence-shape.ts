import { anyText, custom, listOf, listOr, oneOf, text, textLike } from '../base/option-kinds.js';
import { invalid, type OptionKind, type OptionTable, required, waiting } from '../base/options.js';
import { isJsonObject } from '../base/strict-json.js';
import { EVENT_LOG_LIMITS } from './event-log/parse.js';
import type { Evidence, EvidenceCertificates, EvidenceEphemeralKey, EvidenceQuote } from './evidence.js';
import { HCL_REPORT_LIMIT } from './hcl-report.js';
import { MAXIMUM_TD_QUOTE } from './td-quote.js';
import type { TdxCollateral } from './tdx-collateral.js';

// Bytes of the parts that have no limit of their own.
const TPM_STRUCTURE = 4096;
const CERTIFICATE = 64 * 1024;
const CERTIFICATE_TEXT = 256 * 1024;
const MAXIMUM_CHAIN = 16;

/** What the forms of evidence differ in: bytes in memory, base64url in JSON. */
export interface EvidenceForm {
  /** Bytes, of which a parser takes at most `maximum`. */
  readonly bytes: (maximum?: number) => OptionKind<Uint8Array>;
  readonly collateral: OptionKind<TdxCollateral>;
  /** Which texts are certificates in PEM. */
  readonly pem: RegExp;
  /** Nothing else may be there: one evidence has one meaning. */
  readonly exact: boolean;
}

/** Evidence, each member read once, in one of its forms: the one place that says what it is made of. */
/* @__NO_SIDE_EFFECTS__ */ export function evidenceShape({
  bytes,
  collateral,
  pem,
  exact,
}: EvidenceForm): OptionKind<Evidence> {
  const structure = required(bytes(TPM_STRUCTURE));
  const certificate = bytes(CERTIFICATE_TEXT);
  const chain = listOf(certificate, 0, MAXIMUM_CHAIN);
  const members = /* @__NO_SIDE_EFFECTS__ */ <T extends object>(table: OptionTable<T>) => objectOf(table, exact);
  return members<Evidence>({
    version: required(oneOf(1)),
    hclReport: required(bytes(HCL_REPORT_LIMIT)),
    quote: members<EvidenceQuote>({
      message: structure,
      signature: structure,
      pcrs: required(
        members<EvidenceQuote['pcrs']>({
          alg: required(oneOf('sha256')),
          values: required(pcrValues(bytes(64))),
        }),
      ),
    }),
    certificates: members<EvidenceCertificates>({
      vcek: required(
        custom((value, name) =>
          typeof value === 'string' && pem.test(value) ? value : certificate.check(value, name),
        ),
      ),
      chain: listOr(chain, textLike(pem, `PEM text or a list of at most ${MAXIMUM_CHAIN} certificates`)),
    }),
    tdQuote: bytes(MAXIMUM_TD_QUOTE),
    tdxCollateral: collateral,
    akCertificate: bytes(CERTIFICATE),
    akCertificateChain: chain,
    eventLog: bytes(EVENT_LOG_LIMITS.bytes),
    ephemeralKey: members<EvidenceEphemeralKey>({
      publicArea: structure,
      certifyInfo: structure,
      certifySignature: structure,
    }),
    userDataRequired: oneOf(true),
  });
}

/** Collateral, with bytes of one kind. */
/* @__NO_SIDE_EFFECTS__ */ export function collateralTable(bytes: OptionKind<Uint8Array>): OptionTable<TdxCollateral> {
  return {
    tcbInfo: required(anyText),
    tcbInfoSignature: bytes,
    tcbInfoIssuerChain: required(anyText),
    qeIdentity: required(anyText),
    qeIdentitySignature: bytes,
    qeIdentityIssuerChain: required(anyText),
    pckCrl: required(bytes),
    pckCrlIssuerChain: anyText,
    rootCaCrl: required(bytes),
    pckCertificateChain: text,
  };
}

/**
 * An object whose members of this table are read, once each: `undefined` is the same as absent. Others are refused when it has
 * to be `exact`, or are not looked at.
 */
/* @__NO_SIDE_EFFECTS__ */ export function objectOf<T extends object>(
  table: OptionTable<T>,
  exact: boolean,
): OptionKind<T> {
  const kinds = Object.entries<OptionKind<unknown>>(table);
  return custom((value, name) => {
    const given = anObject(value, name);
    const unknown = exact && Object.keys(given).find((member) => !Object.hasOwn(table, member));
    if (typeof unknown === 'string') throw invalid(`${name} has no member ${JSON.stringify(unknown.slice(0, 60))}`);
    const members: Record<string, unknown> = {};
    for (const [member, kind] of kinds) {
      const found = given[member];
      if (found !== undefined || 'required' in kind) members[member] = kind.check(found, `${name}.${member}`);
    }
    return members as T;
  });
}

/* @__NO_SIDE_EFFECTS__ */ function pcrValues(
  bytes: OptionKind<Uint8Array>,
): OptionKind<EvidenceQuote['pcrs']['values']> {
  return custom((value, name) => {
    const entries = Object.entries(anObject(value, name));
    // Written in no other way either: values stand in the order of their names, which '07' has no place in.
    if (entries.some(([index]) => !/^(1?\d|2[0-3])$/.test(index))) {
      throw invalid(`${name} must have members 0 to 23`);
    }
    return Object.fromEntries(
      entries.map(([index, found]) => [index, bytes.check(found, `${name}.${index.slice(0, 60)}`)]),
    );
  });
}

function anObject(value: unknown, name: string): Record<string, unknown> {
  const wait = waiting(value);
  if (!isJsonObject(value) || wait !== '') throw invalid(`${name} must be an object${wait}`);
  return value;
}
