import { MAXIMUM_TD_QUOTE, parseTdQuote, type TdQuote } from '../../abi/td-quote.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import { madeWhenRead, withChecks } from '../../base/checks.js';
import { custom } from '../../base/option-kinds.js';
import { checkArgument, NOTHING } from '../../base/options.js';
import type { VerificationContext } from '../../engine/context.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { CheckList } from '../check-codes.js';
import { checkTeePolicy } from '../check-guest.js';
import { copyBounded } from '../copy.js';
import type { VerificationPolicy } from '../policy.js';
import { refusalOf } from '../refusal.js';
import type { TdxCertificateFacts } from '../result.js';
import { checkPckChain, findPckChain } from './check-chain.js';
import { checkDocuments, checkRevocationLists } from './check-collateral.js';
import { checkModule, checkQuotingEnclave } from './check-identity.js';
import { checkTdPolicy } from './check-policy.js';
import { checkSignatures, checkVendor } from './check-signatures.js';
import { checkTcb } from './check-tcb.js';
import { absentCollateral, type OpenedCollateral, openCollateral } from './collateral.js';
import { type CheckedTdQuoteOptions, checkTdQuoteOptions } from './options.js';
import { attempt, both, checkPart, dependent, type Fault, type Part, passes } from './part.js';
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

/** What is listed of a quote that cannot be read. */
const UNREAD = [
  ['root', 'root is trusted'],
  ['leaf', 'PCK certificate chain'],
  ['quoting-enclave', 'QE report signature'],
  ['report', 'TD quote signature'],
  ['collateral', 'collateral'],
  ['tcb', 'TCB status'],
] as const;

/** Every check of a quote, in the order in which one makes the next one meaningful. */
export async function checkTdQuote(
  engine: SignatureEngine,
  list: CheckList,
  bytesOfQuote: Uint8Array | undefined,
  { collateral, policy, anchors, now }: CheckedTdQuoteOptions,
): Promise<CheckedTdQuote> {
  const read: Part<TdQuote> =
    bytesOfQuote === undefined
      ? { fault: 'absent', code: 'ERR_TD_QUOTE' }
      : attempt('ERR_TD_QUOTE', () => parseTdQuote(bytesOfQuote));
  const { value: quote } = checkPart(list, 'report', 'TD quote', read, ({ version, bodyType }) => ({
    code: 'ERR_TD_QUOTE',
    ok: true,
    actual: `version ${version}, body type ${bodyType}`,
  }));
  if (quote === undefined) {
    for (const [subject, name] of UNREAD) list.notChecked(subject, name, 'no TD quote');
    return { genuine: false };
  }
  const before = list.failures;
  checkVendor(list, quote);
  const trust = { trustedKeys: anchors.keysOf('IntelSgx'), now };
  const found = findPckChain(engine, quote, collateral);
  const { chain, extension } = checkPckChain(list, found instanceof Promise ? await found : found, trust);
  const chained = list.failures === before;
  const opening = openFor(engine, list, collateral, chain, policy);
  const opened = opening instanceof Promise ? await opening : opening;
  checkRevocationLists(list, opened, chain, now);
  const verdict = checkSignatures(list, engine, quote, chain);
  const signed = typeof verdict === 'boolean' ? verdict : await verdict;
  const { tcbInfo, qeIdentity } = checkDocuments(list, opened, extension, trust);
  const collateralGood = list.failures === before;
  const isQuotingEnclave = passes(list, () => checkQuotingEnclave(list, quote, qeIdentity));
  const isModuleKnown = passes(list, () => checkModule(list, quote, tcbInfo));
  const platform = both(both(extension, tcbInfo), qeIdentity);
  const inputs = isModuleKnown || platform.fault !== undefined ? platform : { fault: 'another TDX module' };
  const tcb = checkTcb(list, quote, inputs, opened, policy.tdx ?? NOTHING);
  checkTdPolicy(list, policy, quote, { extension: extension.value, tcb });
  return {
    quote,
    genuine: chained && signed && isQuotingEnclave,
    tcb: collateralGood && isQuotingEnclave ? tcb : undefined,
    chain: chain.value,
    collateral: chain.value && collateral && opened,
  };
}

/** What there is of collateral; where nothing is, every check that needs some says why. */
function openFor(
  engine: SignatureEngine,
  list: CheckList,
  collateral: TdxCollateral | undefined,
  chain: Part<PckChain>,
  { tdx }: VerificationPolicy,
): OpenedCollateral | Promise<OpenedCollateral> {
  if (collateral === undefined) {
    const absent: Fault =
      tdx?.requireCollateral === false
        ? { fault: 'no collateral, and the policy asks for none', skipped: true }
        : { fault: 'no collateral', code: 'ERR_COLLATERAL_MISSING' };
    checkPart(list, 'collateral', 'collateral', absent);
    return absentCollateral(dependent(absent));
  }
  return chain.fault === undefined ? openCollateral(engine, collateral, chain.value) : absentCollateral(chain);
}

/** What nothing explains, and what a policy has let pass. */
export function tdQuoteWarnings({ quote, tcb, collateral }: CheckedTdQuote): string[] {
  const warnings = [...(quote?.warnings ?? [])];
  if (quote !== undefined && collateral === undefined) {
    warnings.push('no collateral: the quoting enclave and the state of the platform are not known');
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
  const signer = collateral?.tcbInfo.signer.value;
  return {
    pck: factsOf(engine, leaf),
    ca: factsOf(engine, ca),
    root: factsOf(engine, root),
    ...(signer && { tcbSigning: factsOf(engine, signer) }),
  };
}
