import type { TdQuote } from '../../abi/td-quote.js';
import { concatBytes, copyBytes, equalBytes, isZero } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import { whenAll } from '../../base/when-all.js';
import type { PublicKey, SignatureEngine, Verdict } from '../../engine/engine.js';
import { verifySignature } from '../../engine/verify-signature.js';
import type { CheckCode, CheckList, Judgement } from '../check-codes.js';
import { checkPart, type Part } from './part.js';
import type { PckChain } from './pck-chain.js';
import { Remembered } from './remembered.js';

interface AttestationKey {
  readonly key: PublicKey;
  /** SHA-256 of key and authentication data: what the quoting enclave's report must hold. */
  readonly binding: Uint8Array;
}

const INTEL_QE_VENDOR = '939a7233f79c4ca9940a0db3957f0607';
const attestationKeys = /* @__PURE__ */ new Remembered<AttestationKey>(64, 256);
/** Of all of Intel's signatures. */
export const SCHEME = { scheme: 'ecdsa', hash: 'SHA-256' } as const;

/** Forgets every attestation key, so that the next quote's is read again. For measurements. */
export function forgetAttestationKeys(): void {
  attestationKeys.clear();
}

/** Row 2, as far as the layout does not decide it. */
export function checkVendor(list: CheckList, quote: TdQuote): void {
  list.equal('report', 'quoting enclave vendor', 'ERR_TD_QUOTE', INTEL_QE_VENDOR, hex(quote.qeVendorId));
}

/** Rows 8 to 10: PCK key → QE report → attestation key → quote. Gives whether all three hold, at once if the engine does. */
export function checkSignatures(
  list: CheckList,
  engine: SignatureEngine,
  quote: TdQuote,
  chain: Part<PckChain>,
): Verdict {
  const { key, binding } = attestationKeyOf(engine, quote);
  const { qeReport, qeReportSignature, signature, signed } = quote;
  const pck = chain.value?.leaf.certificate.publicKey;
  const byPck = pck !== undefined && verifySignature(engine, pck, SCHEME, qeReport.raw, qeReportSignature);
  const byKey = verifySignature(engine, key, SCHEME, signed, signature);
  return whenAll([byPck, byKey], (isQeSigned, isQuoteSigned) => {
    const before = list.failures;
    checkPart(list, 'quoting-enclave', 'QE report signature', chain, () => valid('ERR_QE_SIGNATURE', isQeSigned));
    const { reportData } = qeReport;
    const isBound = equalBytes(reportData.subarray(0, 32), binding) && isZero(reportData.subarray(32));
    list.add('quoting-enclave', 'attestation key binding', 'ERR_QE_BINDING', isBound, {
      expected: () => `${hex(binding)}, then zeros`,
      actual: reportData,
    });
    list.judged('report', 'TD quote signature', valid('ERR_TD_QUOTE_SIGNATURE', isQuoteSigned));
    return list.failures === before;
  });
}

const valid = (code: CheckCode, ok: boolean): Judgement => ({ code, ok, actual: ok ? 'valid' : 'not valid' });

/** Of one platform's quotes it is always the same: its point has been checked, and an engine has read it, once. */
function attestationKeyOf(engine: SignatureEngine, { attestationKey, qeAuthenticationData }: TdQuote): AttestationKey {
  const known = attestationKeys.find(engine, [attestationKey, qeAuthenticationData]);
  if (known !== undefined) return known;
  const [bytes, data] = [copyBytes(attestationKey), copyBytes(qeAuthenticationData)];
  const key = { type: 'ec', curve: 'P-256', x: bytes.subarray(0, 32), y: bytes.subarray(32) } as const;
  const made = { key, binding: engine.digest('SHA-256', concatBytes(bytes, data)) };
  attestationKeys.add(engine, [bytes, data], made);
  return made;
}
