import { createHash, timingSafeEqual } from 'node:crypto';
import { parseTpmsAttest, TPM_GENERATED_VALUE, TpmAttestType, TpmHash, type TpmsAttest } from '../abi/tpm.js';
import { hex } from '../base/hex.js';
import { type AttestationKey, attestationKeySigned } from './attestation-key.js';
import type { CheckList } from './check-list.js';
import type { VerificationPolicy } from './policy.js';
import { checkHex } from './policy-checks.js';
import type { EvidenceQuote } from './types.js';

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
export function checkQuote(
  list: CheckList,
  quote: EvidenceQuote | undefined,
  key: AttestationKey | undefined,
  options: { nonce: Uint8Array | undefined; policy: VerificationPolicy },
): QuoteVerification {
  const { nonce, policy } = options;
  if (quote === undefined) {
    checkAbsentQuote(list, nonce, policy);
    return { present: false };
  }
  let attest: TpmsAttest;
  try {
    attest = parseTpmsAttest(quote.message);
  } catch (error) {
    const actual = error instanceof Error ? error.message : String(error);
    list.add('quote', 'quote can be read', 'ERR_QUOTE_FORMAT', false, { actual });
    list.notChecked('quote', 'quote signature', 'the quote cannot be read');
    if (nonce !== undefined) list.notChecked('quote', 'nonce', 'the quote cannot be read');
    list.notChecked('pcrs', 'PCR values', 'the quote cannot be read');
    return { present: true };
  }
  const before = list.checks.length;
  list.equal(
    'quote',
    'made by a TPM (magic)',
    'ERR_QUOTE_MAGIC',
    hexNumber(TPM_GENERATED_VALUE),
    hexNumber(attest.magic),
  );
  list.equal('quote', 'type', 'ERR_QUOTE_TYPE', hexNumber(TpmAttestType.QUOTE), hexNumber(attest.type));
  if (key === undefined) {
    list.notChecked('quote', 'quote signature', 'no attestation key');
  } else {
    const valid = attestationKeySigned(key, quote.message, quote.signature);
    list.add('quote', 'quote signature', 'ERR_QUOTE_SIGNATURE', valid, {
      expected: 'valid',
      actual: valid ? 'valid' : 'not valid',
    });
  }
  checkNonce(list, nonce, attest);
  const values = checkPcrs(list, quote, attest);
  const proven = list.checks.slice(before).every((check) => check.ok);
  checkPcrPolicy(list, policy, values);
  return proven && values !== undefined ? { present: true, attest, pcrs: values } : { present: true, attest };
}

function checkAbsentQuote(list: CheckList, nonce: Uint8Array | undefined, policy: VerificationPolicy): void {
  const actual = 'no quote in the evidence';
  if (policy.requireQuote === true || policy.pcrs !== undefined) {
    list.add('quote', 'quote', 'ERR_QUOTE_MISSING', false, { expected: 'a quote', actual });
  } else if (nonce === undefined) {
    list.skipped('quote', 'quote', `${actual}: neither freshness nor PCRs are proven`);
  }
  if (nonce !== undefined) {
    list.add('quote', 'nonce', 'ERR_QUOTE_NONCE', false, { expected: hex(nonce), actual });
  }
}

function checkNonce(list: CheckList, nonce: Uint8Array | undefined, attest: TpmsAttest): void {
  if (nonce === undefined) {
    list.skipped('quote', 'nonce', `none was asked for; the quote has '${hex(attest.extraData)}'`);
    return;
  }
  const same = nonce.length === attest.extraData.length && timingSafeEqual(nonce, attest.extraData);
  list.add('quote', 'nonce', 'ERR_QUOTE_NONCE', same, { expected: hex(nonce), actual: hex(attest.extraData) });
}

// The values shown must be the PCRs selected, no more and no fewer: a value outside the selection is nobody's word.
function checkPcrs(
  list: CheckList,
  quote: EvidenceQuote,
  attest: TpmsAttest,
): ReadonlyMap<number, Uint8Array> | undefined {
  if (attest.quote === undefined) {
    list.notChecked('pcrs', 'PCR selection', 'it is no quote');
    list.notChecked('pcrs', 'PCR digest', 'it is no quote');
    return undefined;
  }
  const values = pcrValues(quote);
  const { pcrSelections, pcrDigest } = attest.quote;
  const [selection] = pcrSelections;
  const selected = pcrSelections.length === 1 && selection?.hash === TpmHash.SHA256 ? selection.pcrs : undefined;
  const shown = [...values.keys()];
  const ok =
    selected !== undefined &&
    selected.length > 0 &&
    selected.join() === shown.join() &&
    [...values.values()].every((value) => value.length === DIGEST_SIZE);
  list.add('pcrs', 'PCR selection', 'ERR_PCR_SELECTION', ok, {
    expected: `SHA-256 values of PCRs ${shown.join(', ') || 'none'}`,
    actual: selected === undefined ? 'not one SHA-256 bank' : `PCRs ${selected.join(', ') || 'none'}`,
  });
  const hash = createHash('sha256');
  for (const value of values.values()) hash.update(value);
  list.equal('pcrs', 'PCR digest', 'ERR_PCR_DIGEST', hex(pcrDigest), hash.digest('hex'));
  return values;
}

function pcrValues(quote: EvidenceQuote): ReadonlyMap<number, Uint8Array> {
  const entries = Object.entries(quote.pcrs.values).map(([index, value]) => [Number(index), value] as const);
  return new Map(entries.sort(([one], [other]) => one - other));
}

function checkPcrPolicy(
  list: CheckList,
  policy: VerificationPolicy,
  values: ReadonlyMap<number, Uint8Array> | undefined,
): void {
  for (const [index, expected] of Object.entries(policy.pcrs ?? {})) {
    const value = values?.get(Number(index));
    if (value === undefined) {
      list.add('pcrs', `PCR ${index}`, 'ERR_PCR_SELECTION', false, {
        expected: [expected].flat().join(' or '),
        actual: 'not quoted',
      });
    } else {
      checkHex(list, 'pcrs', `PCR ${index}`, 'ERR_POLICY', expected, value);
    }
  }
}

function hexNumber(value: number): string {
  return `0x${value.toString(16)}`;
}
