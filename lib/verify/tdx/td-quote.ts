import { MAXIMUM_TD_QUOTE, parseTdQuote, type TdQuote } from '../../abi/td-quote.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import type { Certificate } from '../../abi/x509.js';
import { VerificationError } from '../../base/errors.js';
import { hex } from '../../base/hex.js';
import { bytes } from '../../base/option-kinds.js';
import { checkArgument } from '../../base/options.js';
import { sha2 } from '../../base/sha2.js';
import type { VerificationContext } from '../../engine/context.js';
import { CheckList } from '../check-list.js';
import type { CertificateFacts } from '../result.js';
import { checkPckChain } from './check-chain.js';
import { COLLATERAL_CHECKS, checkDocuments, checkRevocationLists } from './check-collateral.js';
import { type Absence, addAbsent, checkModule, checkQuotingEnclave } from './check-identity.js';
import { checkTdPolicy } from './check-policy.js';
import { checkSignatures, checkVendor } from './check-signatures.js';
import { checkTcb } from './check-tcb.js';
import { type OpenedCollateral, openCollateral } from './collateral.js';
import { type CheckedTdQuoteOptions, checkTdQuoteOptions } from './options.js';
import type { PckChain } from './pck-chain.js';
import type { TdQuoteVerification, TdxTcb, VerifiedTdQuote } from './result.js';

/** What is known after the checks of a quote. */
export interface CheckedTdQuote {
  /** As it reads, proven or not. */
  quote?: TdQuote;
  /** Signatures, chain and quoting enclave are good: the quote is what a genuine platform says. */
  genuine: boolean;
  tcb?: TdxTcb;
  chain?: PckChain;
  collateral?: OpenedCollateral;
}

/** Does what `explainTdQuote` says, with the engine of `context`. */
export async function explainTdQuoteIn(
  context: VerificationContext,
  quote: Uint8Array,
  options: unknown,
): Promise<TdQuoteVerification> {
  const checked = checkTdQuoteOptions('explainTdQuote', options);
  const copy = checkArgument('explainTdQuote', 'quote', quote, bytes());
  const list = new CheckList();
  const verified = await checkTdQuote(context, list, copy, checked);
  return resultOf(context, list, verified);
}

/** Does what `verifyTdQuote` says, with the engine of `context`. */
export async function verifyTdQuoteIn(
  context: VerificationContext,
  quote: Uint8Array,
  options: unknown,
): Promise<VerifiedTdQuote> {
  const result = await explainTdQuoteIn(context, quote, options);
  if (result.ok) return result;
  const failed = result.checks.find((check) => !check.ok);
  const values = failed?.actual === undefined ? '' : `: ${failed.actual}`;
  throw new VerificationError(
    failed?.code ?? 'ERR_NOT_CHECKED',
    `${failed?.name ?? 'verification'}${values}`,
    result.checks,
  );
}

/** Every check of a quote, in the order in which one makes the next one meaningful. */
export async function checkTdQuote(
  { engine }: VerificationContext,
  list: CheckList,
  bytesOfQuote: Uint8Array,
  { collateral, policy, anchors, now }: CheckedTdQuoteOptions,
): Promise<CheckedTdQuote> {
  const quote = readQuote(list, bytesOfQuote);
  if (quote === undefined) return { genuine: false };
  const before = list.failures;
  checkVendor(list, quote);
  const trust = { trustedKeys: anchors.keysOf('IntelSgx'), now };
  const chain = await checkPckChain(list, engine, quote, collateral, trust);
  const chained = list.failures === before;
  const absence = absenceOf(collateral, chain, policy.tdx?.requireCollateral !== false);
  const opened =
    chain === undefined || collateral === undefined ? undefined : await openCollateral(engine, collateral, chain);
  if (opened !== undefined && chain !== undefined) checkRevocationLists(list, opened, chain, now);
  else addAllAbsent(list, absence);
  const signed = await checkSignatures(list, engine, quote, chain);
  const documents = opened === undefined ? {} : checkDocuments(list, opened, chain?.extension, trust);
  const collateralGood = list.failures === before;
  const isQuotingEnclave = checkQuotingEnclave(list, quote, documents.qeIdentity, absence);
  const moduleKnown = checkModule(list, quote, documents.tcbInfo, absence);
  const { tcbInfo, qeIdentity } = documents;
  const { extension } = chain ?? {};
  const inputs =
    opened !== undefined && extension && tcbInfo && qeIdentity && moduleKnown
      ? { quote, extension, tcbInfo, identity: qeIdentity, collateral: opened }
      : absence;
  const tcb = checkTcb(list, inputs, policy.tdx ?? {});
  checkTdPolicy(list, policy, quote, { extension, tcb });
  return {
    quote,
    genuine: chained && signed && (isQuotingEnclave || (absence.skipped && collateral === undefined)),
    ...(tcb !== undefined && collateralGood && isQuotingEnclave ? { tcb } : {}),
    ...(chain === undefined ? {} : { chain }),
    ...(opened === undefined ? {} : { collateral: opened }),
  };
}

function readQuote(list: CheckList, bytesOfQuote: Uint8Array): TdQuote | undefined {
  const name = 'TD quote';
  try {
    const quote = parseTdQuote(bytesOfQuote.subarray(0, MAXIMUM_TD_QUOTE + 1));
    list.add('report', name, 'ERR_TD_QUOTE', true, { actual: `version ${quote.version}, body type ${quote.bodyType}` });
    return quote;
  } catch (error) {
    list.add('report', name, 'ERR_TD_QUOTE', false, {
      expected: 'a TD quote of version 4 or 5',
      actual: error instanceof Error ? error.message : String(error),
    });
    return undefined;
  }
}

/** Why what needs collateral cannot be checked. */
function absenceOf(collateral: TdxCollateral | undefined, chain: PckChain | undefined, required: boolean): Absence {
  if (collateral === undefined && !required)
    return { skipped: true, why: 'no collateral, and the policy asks for none' };
  if (collateral === undefined) return { skipped: false, why: 'no collateral' };
  return {
    skipped: false,
    why: chain === undefined ? 'no certificate chain' : 'no collateral that can be relied upon',
  };
}

function addAllAbsent(list: CheckList, absence: Absence): void {
  const name = 'collateral';
  if (absence.skipped) list.skipped('collateral', name, absence.why);
  else if (absence.why === 'no collateral') {
    list.add('collateral', name, 'ERR_COLLATERAL_MISSING', false, {
      expected: "TCB info, QE identity and revocation lists of the quote's platform",
      actual: 'absent',
    });
  }
  for (const check of COLLATERAL_CHECKS) addAbsent(list, 'collateral', check, absence);
}

function resultOf({ engine }: VerificationContext, list: CheckList, verified: CheckedTdQuote): TdQuoteVerification {
  const { quote, genuine, tcb, chain, collateral } = verified;
  const facts = {
    tee: 'tdx' as const,
    checks: list.checks,
    engine: engine.name,
    warnings: [...(quote?.warnings ?? [])],
    ...(chain === undefined ? {} : { certificates: certificateFacts(chain, collateral) }),
    ...(tcb === undefined ? {} : { tcb }),
  };
  if (list.ok && quote !== undefined) return { ...facts, ok: true, tdQuote: quote };
  return quote !== undefined && genuine ? { ...facts, ok: false, tdQuote: quote } : { ...facts, ok: false };
}

/** Certificates of a chain for people. */
export function certificateFacts(
  { leaf, ca, root }: PckChain,
  collateral: OpenedCollateral | undefined,
): NonNullable<TdQuoteVerification['certificates']> {
  const facts = { pck: factsOf(leaf), ca: factsOf(ca), root: factsOf(root) };
  const signer = collateral?.tcbInfo.signer;
  return signer === undefined || signer.fault !== undefined
    ? facts
    : { ...facts, tcbSigning: factsOf(signer.value.certificate) };
}

function factsOf({ subject, issuer, serial, notBefore, notAfter, der }: Certificate): CertificateFacts {
  return {
    subject: subject.commonName ?? '',
    issuer: issuer.commonName ?? '',
    serial: hex(serial),
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    fingerprint: hex(sha2('SHA-256', der)),
  };
}
