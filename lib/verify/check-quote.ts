import type { EvidenceQuote } from '../abi/evidence.js';
import { ALG_SHA256, ATTEST_QUOTE, parseTpmsAttest, TPM_GENERATED_VALUE, type TpmsAttest } from '../abi/tpm.js';
import { concatBytes } from '../base/bytes.js';
import { hex, hexNumber } from '../base/hex.js';
import type { SignatureEngine } from '../engine/engine.js';
import { type AttestationKey, attestationKeySigned } from './attestation-key.js';
import type { CheckList } from './check-codes.js';
import { checkHex } from './hex-values.js';
import type { VerificationPolicy } from './policy.js';

const DIGEST_SIZE = 32;

/** A quote as far as it could be read, and the PCR values that it proves. */
export interface QuoteVerification {
  /** There is a quote, good or not. */
  present: boolean;
  attest?: TpmsAttest;
  /** Present only when signature, selection and digest are good. */
  pcrs?: ReadonlyMap<number, Uint8Array>;
}

/** The quote: a TPM made it, with the claims' key, for this nonce, over exactly the PCR values shown. */
export async function checkQuote(
  engine: SignatureEngine,
  list: CheckList,
  quote: EvidenceQuote | undefined,
  key: AttestationKey | undefined,
  options: { qualifyingData: Uint8Array | undefined; policy: VerificationPolicy },
): Promise<QuoteVerification> {
  const { qualifyingData: nonce, policy } = options;
  if (quote === undefined) {
    checkAbsentQuote(list, nonce, policy);
    return { present: false };
  }
  const attest = list.read('quote', 'quote can be read', 'ERR_QUOTE_FORMAT', () => parseTpmsAttest(quote.message));
  if (attest === undefined) {
    const why = 'the quote cannot be read';
    list.notChecked('quote', 'quote signature', why);
    if (nonce !== undefined) list.notChecked('quote', 'nonce', why);
    list.notChecked('pcrs', 'PCR values', why);
    return { present: true };
  }
  const magic = hexNumber(attest.magic);
  const made = list.equal('quote', 'made by a TPM (magic)', 'ERR_QUOTE_MAGIC', hexNumber(TPM_GENERATED_VALUE), magic);
  const isQuote = list.equal('quote', 'type', 'ERR_QUOTE_TYPE', hexNumber(ATTEST_QUOTE), hexNumber(attest.type));
  const signed = key !== undefined && (await attestationKeySigned(engine, key, quote.message, quote.signature));
  if (key === undefined) list.notChecked('quote', 'quote signature', 'no attestation key');
  else list.signature('quote', 'quote signature', 'ERR_QUOTE_SIGNATURE', signed);
  const fresh = checkNonce(list, nonce, attest);
  const { values, covered } = checkPcrs(engine, list, quote, attest);
  checkPcrPolicy(list, policy, values);
  const proven = made && isQuote && signed && fresh && covered;
  return proven && values !== undefined ? { present: true, attest, pcrs: values } : { present: true, attest };
}

function checkAbsentQuote(list: CheckList, nonce: Uint8Array | undefined, policy: VerificationPolicy): void {
  if (policy.requireQuote === true || policy.pcrs !== undefined || policy.quotedPcrs !== undefined) {
    list.absent('quote', 'quote', 'ERR_QUOTE_MISSING', 'a quote');
  } else if (nonce === undefined) {
    list.skipped('quote', 'quote', 'no quote in the evidence');
  }
  if (nonce !== undefined) list.absent('quote', 'nonce', 'ERR_QUOTE_NONCE', nonce);
}

function checkNonce(list: CheckList, nonce: Uint8Array | undefined, { extraData }: TpmsAttest): boolean {
  if (nonce === undefined) {
    list.skipped('quote', 'nonce', `not given, the quote has ${hex(extraData)}`);
    return true;
  }
  return list.equal('quote', 'nonce', 'ERR_QUOTE_NONCE', nonce, extraData);
}

// The values shown must be the PCRs selected, no more and no fewer: a value outside the selection is nobody's word.
function checkPcrs(
  engine: SignatureEngine,
  list: CheckList,
  quote: EvidenceQuote,
  attest: TpmsAttest,
): { values?: ReadonlyMap<number, Uint8Array>; covered: boolean } {
  if (attest.quote === undefined) {
    for (const name of ['PCR selection', 'PCR digest']) list.notChecked('pcrs', name, 'it is not a quote');
    return { covered: false };
  }
  const values = pcrValues(quote);
  const { pcrSelections, pcrDigest } = attest.quote;
  const [selection] = pcrSelections;
  const selected = pcrSelections.length === 1 && selection?.hash === ALG_SHA256 ? selection.pcrs : undefined;
  const ok =
    selected !== undefined &&
    selected.length > 0 &&
    selected.length === values.size &&
    selected.every((index) => values.get(index)?.length === DIGEST_SIZE);
  list.add('pcrs', 'PCR selection', 'ERR_PCR_SELECTION', ok, {
    expected: () => `SHA-256 values of PCRs ${[...values.keys()].join(', ') || 'none'}`,
    actual: () => (selected === undefined ? 'not one SHA-256 bank' : `PCRs ${selected.join(', ') || 'none'}`),
  });
  const digest = engine.digest('SHA-256', concatBytes(...values.values()));
  const same = list.equal('pcrs', 'PCR digest', 'ERR_PCR_DIGEST', pcrDigest, digest);
  return { values, covered: ok && same };
}

function pcrValues(quote: EvidenceQuote): ReadonlyMap<number, Uint8Array> {
  const { values } = quote.pcrs;
  const pcrs = new Map<number, Uint8Array>();
  // Names that are numbers come in their order.
  for (const [index, value] of Object.entries(values)) pcrs.set(Number(index), value);
  return pcrs;
}

function checkPcrPolicy(
  list: CheckList,
  policy: VerificationPolicy,
  values: ReadonlyMap<number, Uint8Array> | undefined,
): void {
  const { pcrs, quotedPcrs } = policy;
  if (quotedPcrs !== undefined) {
    const missing = quotedPcrs.filter((index) => values?.has(index) !== true);
    list.add('pcrs', 'PCRs that must be quoted', 'ERR_PCR_SELECTION', missing.length === 0, {
      expected: `PCRs ${quotedPcrs.join(', ')}`,
      actual: missing.length === 0 ? 'all quoted' : `not quoted: ${missing.join(', ')}`,
    });
  }
  for (const [index, expected] of Object.entries(pcrs ?? {})) {
    const value = values?.get(Number(index));
    if (value === undefined) {
      list.add('pcrs', `PCR ${index}`, 'ERR_PCR_SELECTION', false, {
        expected: [expected].flat(),
        actual: 'not quoted',
      });
    } else {
      checkHex(list, 'pcrs', `PCR ${index}`, expected, value);
    }
  }
}
