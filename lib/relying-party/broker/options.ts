import type { Product } from '../../abi/tcb.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import type { Logger } from '../../base/logger.js';
import {
  callable,
  custom,
  date,
  flag,
  integer,
  logger,
  text,
  unchecked,
  withMethods,
} from '../../base/option-kinds.js';
import { invalid, type OptionTable, recordOf, required } from '../../base/options.js';
import { parseReleasePolicy } from '../../release/policy/parse.js';
import type { ReleasePolicy } from '../../release/policy/policy.js';
import { policyOption, type VerificationPolicy } from '../../verify/policy.js';
import type { TrustedRootInput } from '../../verify/roots.js';
import { collateralSource } from '../collateral-source.js';
import { rootsOption } from '../evidence-examination.js';
import type { ProvenClaims } from '../proven-claims.js';
import { crlSource } from '../revocation-lists.js';
import { secrets } from '../secrets.js';
import type { ReplayStore } from '../stores/replay-store.js';
import type { ResourcePath } from './protocol.js';

/** Who may have a resource, by what is proven about the machine: a claim policy, or a function that answers `true`. */
export type ResourcePolicy = ReleasePolicy | ((claims: ProvenClaims, path: ResourcePath) => boolean | Promise<boolean>);

/** Where chains of certificates come from, `KdsClient` for one: evidence of this protocol has none. */
export interface ChainSource {
  chain(product: Product): Promise<string>;
}

export interface KeyBrokerOptions {
  /** Name of this broker, the same on all replicas; another broker's sessions are refused. */
  name: string;
  /** Shared by all replicas, 32 bytes or more each. */
  secret: Uint8Array | Uint8Array[];
  /** Where used nonces are remembered. */
  store: ReplayStore;
  /** Which machines are let in; it must name them. */
  policy?: VerificationPolicy;
  /** Lets in every machine that the policy fits, whosever it is. Default false. */
  allowAnyMachine?: boolean;
  trustedRoots?: readonly TrustedRootInput[];
  /** Revocation lists, DER or PEM, or what fetches AMD's for a product and a kind of signing key (`KdsClient.crl`). */
  crls?: readonly (Uint8Array | string)[] | ((product: Product, kind: 'vcek' | 'vlek') => Promise<Uint8Array | string>);
  /**
   * For SEV-SNP: ASK and ARK, or where to fetch them, for evidence of which nothing else is wrong. Machines of it are refused
   * without.
   */
  chain?: string | ChainSource;
  /**
   * For TDX: collateral, or what fetches it for a quote (`fetchTdxCollateral`) of evidence of which nothing else is wrong. A
   * request waits ten seconds for it, as for AMD's documents, and is then answered 503.
   */
  collateral?: TdxCollateral | ((quote: Uint8Array) => Promise<TdxCollateral>);
  /** The bytes of a resource, or undefined for one that does not exist. */
  resources: (path: ResourcePath) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /**
   * Policies by path, evaluated again at every resource: `repository/type/tag`, each of them or `*`. Every policy that is about
   * a resource must be met, in whichever order they stand; a resource that none of them is about is refused. Default: whoever
   * is let in has every resource. Sessions end with a change of a policy, or of a function's text; what a function has captured
   * is not seen.
   */
  resourcePolicies?: Record<string, ResourcePolicy>;
  /** Default 60,000. */
  clockToleranceMs?: number;
  /** `Secure` on cookies. Default true; false only where the connection is not https. */
  secureCookie?: boolean;
  /** The clock for validity dates. */
  now?: Date | undefined;
  /** Where faults of the broker itself are told. */
  logger?: Logger | undefined;
}

const PATTERN = /^([A-Za-z0-9][\w.-]{0,127}|\*)(\/([A-Za-z0-9][\w.-]{0,127}|\*)){2}$/;

const chain = custom((value, name): string | ChainSource => {
  if (typeof value === 'string' && value.includes('-----BEGIN CERTIFICATE-----')) return value;
  return withMethods<ChainSource>('chain').check(value, name);
});

const resourcePolicies = custom((value, name) => {
  const policies = recordOf(unchecked<ResourcePolicy>()).check(value, name);
  const checked: Record<string, ResourcePolicy> = {};
  for (const [pattern, policy] of Object.entries(policies)) {
    if (!PATTERN.test(pattern)) throw invalid(`${name}: ${pattern.slice(0, 60)} must be repository/type/tag`);
    checked[pattern] = typeof policy === 'function' ? policy : parseReleasePolicy(policy);
  }
  return checked;
});

export const KEY_BROKER: OptionTable<KeyBrokerOptions> = {
  name: required(text),
  secret: required(secrets),
  store: required(withMethods<ReplayStore>('claim')),
  policy: policyOption,
  allowAnyMachine: flag,
  trustedRoots: rootsOption,
  crls: crlSource,
  chain,
  collateral: collateralSource,
  resources: required(callable<KeyBrokerOptions['resources']>()),
  resourcePolicies,
  clockToleranceMs: integer(0, 3_600_000),
  secureCookie: flag,
  now: date,
  logger,
};
