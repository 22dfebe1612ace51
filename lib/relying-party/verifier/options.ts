import type { Product } from '../../abi/tcb.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import type { Logger } from '../../base/logger.js';
import { custom, date, flag, integer, listOf, logger, text, url, withMethods } from '../../base/option-kinds.js';
import { invalid, nested, type OptionTable, required } from '../../base/options.js';
import { contextName, isReservedContext } from '../../base/qualifying-data.js';
import { VERIFY_TOKEN, type VerifyTokenOptions } from '../../token/options.js';
import { policyOption, type VerificationPolicy } from '../../verify/policy.js';
import type { TrustedRootInput } from '../../verify/roots.js';

import { collateralSource } from '../collateral-source.js';
import { rootsOption } from '../evidence-examination.js';
import { crlSource } from '../revocation-lists.js';
import { secrets } from '../secrets.js';
import type { ReplayStore } from '../stores/replay-store.js';
import { type SigningKeyInput, signingKeys } from './signing-keys.js';

export interface VerifierServiceOptions {
  /** Who signs the results: `iss`, `https://verifier.example.com`. */
  issuer: string | URL;
  /** Who may be meant by a result: a request names one of them; with one alone it need not. */
  audiences: string[];
  /** Private keys, PEM or KeyObject: the first signs, all are published. */
  signingKeys: SigningKeyInput | SigningKeyInput[];
  /** For challenges; shared by all replicas, 32 bytes or more each. */
  secret: Uint8Array | Uint8Array[];
  store: ReplayStore;
  /** Which machines are affirmed; it must name them. */
  policy?: VerificationPolicy;
  /** Affirms every machine that the policy fits, whosever it is. Default false. */
  allowAnyMachine?: boolean;
  trustedRoots?: readonly TrustedRootInput[];
  /**
   * Revocation lists, DER or PEM, or what fetches AMD's for a product and a kind of signing key (`KdsClient.crl` with a `cache`). A
   * list that was fetched is asked for again after an hour, and stands in for a day where it cannot be had.
   */
  crls?: readonly (Uint8Array | string)[] | ((product: Product, kind: 'vcek' | 'vlek') => Promise<Uint8Array | string>);
  /**
   * Intel's collateral for evidence that carries none, or what fetches it for a quote (`fetchTdxCollateral` with a `cache`). It
   * is fetched only for a quote that is proven up to Intel's root, in evidence of which nothing else is wrong.
   */
  collateral?: TdxCollateral | ((quote: Uint8Array) => Promise<TdxCollateral>);
  /** For how long a request waits for collateral or a revocation list to be fetched; then it is answered 503. Default 10,000. */
  collateralDeadlineMs?: number;
  /** Whose tokens are taken, and what they must say. Default: none. */
  tokens?: VerifyTokenOptions;
  /** Contexts of relying parties whose own nonces may stand in results, once the quote is over them; none that is reserved. Default: none. */
  contexts?: string[];
  /** How long a result is good for, at most 300,000. Default 300,000. */
  resultLifetimeMs?: number;
  /** Default 60,000. */
  clockToleranceMs?: number;
  /**
   * Largest request. Default 2 MiB, which evidence may have, and 64 KiB. Requests that are still arriving may take 64 times as
   * much (or `maxConcurrent` times, if that is more); beyond it they are answered 503.
   */
  maxBodyBytes?: number;
  /** Verifications at the same time, of requests that have arrived; more are answered 503. Default 64. */
  maxConcurrent?: number;
  /** Threads that verify, beside the service's own. Default 0: in the service's own. */
  workers?: number;
  now?: Date | undefined;
  logger?: Logger | undefined;
}

/** A context that a relying party may have nonces quoted under. */
const ownContext = custom((value, name) => {
  const context = contextName.check(value, name);
  if (isReservedContext(context)) throw invalid(`${name}: the context ${context} is reserved`);
  return context;
});

export const VERIFIER_SERVICE: OptionTable<VerifierServiceOptions> = {
  issuer: required(url),
  audiences: required(listOf(text, 1, 64)),
  signingKeys: required(signingKeys as never),
  secret: required(secrets),
  store: required(withMethods<ReplayStore>('claim')),
  policy: policyOption,
  allowAnyMachine: flag,
  trustedRoots: rootsOption,
  crls: crlSource,
  collateral: collateralSource,
  collateralDeadlineMs: integer(1, 600_000),
  tokens: nested<VerifyTokenOptions>(VERIFY_TOKEN),
  contexts: listOf(ownContext, 1, 64),
  resultLifetimeMs: integer(1_000, 300_000),
  clockToleranceMs: integer(0, 3_600_000),
  maxBodyBytes: integer(1_024, 64 * 1024 * 1024),
  maxConcurrent: integer(1, 100_000),
  workers: integer(0, 1_024),
  now: date,
  logger,
};
