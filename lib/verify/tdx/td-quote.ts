import { MAXIMUM_TD_QUOTE, parseTdQuote, type TdQuote } from '../../abi/td-quote.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import { madeWhenRead, withChecks } from '../../base/checks.js';
import { custom } from '../../base/option-kinds.js';
import { checkArgument } from '../../base/options.js';
import type { VerificationContext } from '../../engine/context.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { CheckList } from '../check-codes.js';
import { checkTeePolicy } from '../check-guest.js';
import { copyBounded } from '../copy.js';
import { messageOf, refusalOf } from '../refusal.js';
import type { TdxCertificateFacts } from '../result.js';
import { checkPckChain, findPckChain } from './check-chain.js';
import { checkDocuments, checkRevocationLists, collateralChecks } from './check-collateral.js';
import { type Absence, addAbsent, checkModule, checkQuotingEnclave } from './check-identity.js';
import { checkTdPolicy } from './check-policy.js';
import { checkSignatures, checkVendor } from './check-signatures.js';
import { checkTcb } from './check-tcb.js';
import { type OpenedCollateral, openCollateral } from './collateral.js';
import { type CheckedTdQuoteOptions, checkTdQuoteOptions } from './options.js';
import { factsOf, type PckChain } from './pck-chain.js';
import type { TdQuoteVerification, VerifiedTdQuote } from './result.js';
import { shortfallText, type TdxTcb } from './tcb.js';

/** What is known after the checks of a quote. */
export interface CheckedTdQuote {
  /** As it reads, proven or not. */
  quote?: TdQuote | undefined;
  /** Signatures, chain and quoting enclave are good: the quote is what a genuine platform says. */
  genuine: boolean;
  tcb?: TdxTcb | undefined;
  chain?: PckChain | undefined;
  collateral?: OpenedCollateral | undefined;
}

// A quote that is too long is refused by a check, as every other fault of it.
const QUOTE = custom((value, name) => copyBounded(value, name, MAXIMUM_TD_QUOTE));

/** Does what `explainTdQuote` says, with the engine of `context`. */
export function explainTdQuoteIn(
  context: VerificationContext,
  quote: Uint8Array,
  options: unknown,
): Promise<TdQuoteVerification> {
  return explain(context, 'explainTdQuote', quote, options);
}

async function explain(
  context: VerificationContext,
  what: string,
  quote: Uint8Array,
  options: unknown,
): Promise<TdQuoteVerification> {
  const checked = checkTdQuoteOptions(what, options);
  const copy = checkArgument(what, 'quote', quote, QUOTE);
  const list = new CheckList();
  const verified = await checkTdQuote(context.engine, list, copy, checked);
  checkTeePolicy(list, checked.policy, 'tdx');
  return resultOf(context, list, verified);
}

/** Does what `verifyTdQuote` says, with the engine of `context`. */
export async function verifyTdQuoteIn(
  context: VerificationContext,
  quote: Uint8Array,
  options: unknown,
): Promise<VerifiedTdQuote> {
  const result = await explain(context, 'verifyTdQuote', quote, options);
  if (!result.ok) throw refusalOf(result.checks);
  return result;
}

/** Every check of a quote, in the order in which one makes the next one meaningful. */
export async function checkTdQuote(
  engine: SignatureEngine,
  list: CheckList,
  bytesOfQuote: Uint8Array | undefined,
  { collateral, policy, anchors, now }: CheckedTdQuoteOptions,
): Promise<CheckedTdQuote> {
  const quote = readQuote(list, bytesOfQuote);
  if (quote === undefined) {
    addUnread(list);
    return { genuine: false };
  }
  const before = list.failures;
  checkVendor(list, quote);
  const trust = { trustedKeys: anchors.keysOf('IntelSgx'), now };
  const found = findPckChain(engine, quote, collateral);
  const chain = checkPckChain(list, found instanceof Promise ? await found : found, trust);
  const chained = list.failures === before;
  const absence = absenceOf(collateral, chain, policy.tdx?.requireCollateral !== false);
  const opening =
    chain === undefined || collateral === undefined ? undefined : openCollateral(engine, collateral, chain);
  const opened = opening instanceof Promise ? await opening : opening;
  if (opened !== undefined && chain !== undefined) checkRevocationLists(list, opened, chain, now);
  else addAllAbsent(list, absence);
  const verdict = checkSignatures(list, engine, quote, chain);
  const signed = typeof verdict === 'boolean' ? verdict : await verdict;
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
    tcb: collateralGood && isQuotingEnclave ? tcb : undefined,
    chain,
    collateral: opened,
  };
}

/** What cannot be checked without a quote, in a few words. */
function addUnread(list: CheckList): void {
  const why = 'no TD quote';
  list.notChecked('root', 'root is trusted', why);
  list.notChecked('leaf', 'PCK certificate chain', why);
  list.notChecked('quoting-enclave', 'QE report signature', why);
  list.notChecked('report', 'TD quote signature', why);
  list.notChecked('collateral', 'collateral', why);
  list.notChecked('tcb', 'TCB status', why);
}

function readQuote(list: CheckList, bytesOfQuote: Uint8Array | undefined): TdQuote | undefined {
  const name = 'TD quote';
  if (bytesOfQuote === undefined) {
    list.add('report', name, 'ERR_TD_QUOTE', false, { expected: 'a TD quote of version 4 or 5', actual: 'absent' });
    return undefined;
  }
  try {
    const quote = parseTdQuote(bytesOfQuote);
    list.add('report', name, 'ERR_TD_QUOTE', true, { actual: `version ${quote.version}, body type ${quote.bodyType}` });
    return quote;
  } catch (error) {
    list.add('report', name, 'ERR_TD_QUOTE', false, {
      expected: 'a TD quote of version 4 or 5',
      actual: messageOf(error),
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
  for (const check of collateralChecks()) addAbsent(list, 'collateral', check, absence);
}

/** What nothing explains, and what a policy has let pass. */
export function tdQuoteWarnings({ quote, tcb, collateral }: CheckedTdQuote): string[] {
  const warnings = [...(quote?.warnings ?? [])];
  if (quote !== undefined && collateral === undefined) {
    warnings.push(
      'no collateral: which enclave made the attestation key, and the state of the platform, are not known',
    );
  }
  if (tcb?.shortfall !== undefined) warnings.push(`no TCB level of Intel is reached: ${shortfallText(tcb.shortfall)}`);
  return warnings;
}

const withCertificates = /* @__PURE__ */ madeWhenRead<'certificates', TdxCertificateFacts>('certificates');

function resultOf({ engine }: VerificationContext, list: CheckList, verified: CheckedTdQuote): TdQuoteVerification {
  const { quote, genuine, tcb, chain, collateral } = verified;
  const facts = withChecks({ tee: 'tdx' as const, engine: engine.name, warnings: tdQuoteWarnings(verified) }, list);
  if (chain !== undefined) withCertificates(facts, () => certificateFacts(engine, chain, collateral));
  if (tcb !== undefined) Object.assign(facts, { tcb });
  const ok = list.ok && quote !== undefined;
  return Object.assign(facts, ok || genuine ? { ok, tdQuote: quote } : { ok }) as TdQuoteVerification;
}

/** Certificates of a chain for people. */
export function certificateFacts(
  engine: SignatureEngine,
  { leaf, ca, root }: PckChain,
  collateral: OpenedCollateral | undefined,
): TdxCertificateFacts {
  const facts = { pck: factsOf(engine, leaf), ca: factsOf(engine, ca), root: factsOf(engine, root) };
  const signer = collateral?.tcbInfo.signer;
  return signer === undefined || signer.fault !== undefined
    ? facts
    : { ...facts, tcbSigning: factsOf(engine, signer.value.certificate) };
}
