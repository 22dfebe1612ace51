import type { TdQuote } from '../../abi/td-quote.js';
import { concatBytes, copyBytes, equalBytes, isZero } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import type { PublicKey, SignatureEngine } from '../../engine/engine.js';
import { verifySignature } from '../../engine/verify-signature.js';
import type { CheckList } from '../check-list.js';
import type { PckChain } from './pck-chain.js';
import { Remembered } from './remembered.js';

const INTEL_QE_VENDOR = '939a7233f79c4ca9940a0db3957f0607';
const attestationKeys = new Remembered<PublicKey>(64, 64);
const SCHEME = { scheme: 'ecdsa', hash: 'SHA-256' } as const;

/** Row 2, as far as the layout does not decide it. */
export function checkVendor(list: CheckList, quote: TdQuote): boolean {
  return list.equal('report', 'quoting enclave vendor', 'ERR_TD_QUOTE', INTEL_QE_VENDOR, hex(quote.qeVendorId));
}

/** Rows 8 to 10: PCK key → QE report → attestation key → quote. Gives whether all three hold. */
export async function checkSignatures(
  list: CheckList,
  engine: SignatureEngine,
  quote: TdQuote,
  chain: PckChain | undefined,
): Promise<boolean> {
  const qeSigned = await checkQeReport(list, engine, quote, chain);
  const bound = checkBinding(list, engine, quote);
  const { signature, signed } = quote;
  const key = attestationKeyOf(engine, quote);
  const valid = await verifySignature(engine, key, SCHEME, signed, signature);
  list.add('report', 'TD quote signature', 'ERR_TD_QUOTE_SIGNATURE', valid, {
    expected: 'valid, by the attestation key',
    actual: valid ? 'valid' : 'not valid',
  });
  return qeSigned && bound && valid;
}

/** Of one platform's quotes it is always the same: its point has been checked, and an engine has read it, once. */
function attestationKeyOf(engine: SignatureEngine, { attestationKey }: TdQuote): PublicKey {
  const known = attestationKeys.find(engine, [attestationKey]);
  if (known !== undefined) return known;
  const bytes = copyBytes(attestationKey);
  const key = { type: 'ec', curve: 'P-256', x: bytes.subarray(0, 32), y: bytes.subarray(32) } as const;
  attestationKeys.add(engine, [bytes], key);
  return key;
}

async function checkQeReport(
  list: CheckList,
  engine: SignatureEngine,
  { qeReport, qeReportSignature }: TdQuote,
  chain: PckChain | undefined,
): Promise<boolean> {
  const name = 'QE report signature';
  if (chain === undefined) {
    list.notChecked('quoting-enclave', name, 'no PCK certificate');
    return false;
  }
  const key = chain.leaf.publicKey;
  const valid = key !== undefined && (await verifySignature(engine, key, SCHEME, qeReport.raw, qeReportSignature));
  return list.add('quoting-enclave', name, 'ERR_QE_SIGNATURE', valid, {
    expected: 'valid, by the PCK key',
    actual: valid ? 'valid' : 'not valid',
  });
}

function checkBinding(list: CheckList, engine: SignatureEngine, quote: TdQuote): boolean {
  const { reportData } = quote.qeReport;
  const hashed = concatBytes(quote.attestationKey, quote.qeAuthenticationData);
  const digest = engine.digest('SHA-256', hashed);
  const bound = equalBytes(reportData.subarray(0, 32), digest) && isZero(reportData.subarray(32));
  return list.add('quoting-enclave', 'attestation key binding', 'ERR_QE_BINDING', bound, {
    expected: () => `${hex(digest)}, then zeros`,
    actual: reportData,
  });
}
