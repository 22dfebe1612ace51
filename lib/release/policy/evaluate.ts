import { date } from '../../base/option-kinds.js';
import { checkOptions, invalid, readArguments } from '../../base/options.js';
import { isJsonObject } from '../../base/strict-json.js';
import { isDecimal, parseReleasePolicy } from './parse.js';
import {
  type ClaimCondition,
  type ClaimValue,
  OPERATORS,
  type ReleaseAuthority,
  type ReleaseCondition,
  type ReleaseOperator,
  type ReleasePolicy,
} from './policy.js';

/** One condition, or group of conditions, as it was evaluated. */
export interface EvaluatedCondition {
  /** JSON pointer into the policy. */
  path: string;
  kind: 'claim' | 'allOf' | 'anyOf';
  met: boolean;
  /** Of a claim. */
  claim?: string;
  operator?: ReleaseOperator;
  expected?: ClaimValue;
  /** What the token has there; absent when the token has no such claim. */
  actual?: unknown;
  /** What is probably the matter, where it is a known mistake. */
  hint?: string;
  /** Of a group. */
  conditions?: EvaluatedCondition[];
}

export interface EvaluatedAuthority {
  authority: string;
  /** Whether this is who issued the token, but for a slash at the end. */
  issuerMatches: boolean;
  /** Whether the key would be released by this authority. */
  released: boolean;
  /** How `conditions` are combined. */
  kind: 'allOf' | 'anyOf';
  conditions: EvaluatedCondition[];
  hint?: string;
}

export interface ReleaseEvaluation {
  released: boolean;
  /** `iss` of the claims. */
  issuer?: string;
  authorities: EvaluatedAuthority[];
  /** What the policy does not say and the vault looks at all the same: an expired token. */
  hint?: string;
}

const TEE = 'x-ms-isolation-tee';

/**
 * Evaluates a release policy over a token's claims as the vault does, every condition of every authority.
 *
 * Says nothing about a token that was not verified: the claims must come from `verifyToken`. An absent claim meets no
 * condition but `exists: false`; a claim of `true` equals the text `"true"`, a number its decimal text; other types are
 * never equal, and texts are compared by their exact case.
 *
 * @throws PolicyError for what is not a policy, AttestationError 8 for claims that are not an object
 */
export function evaluateReleasePolicy(
  policy: ReleasePolicy,
  claims: object,
  options: { now?: Date } = {},
): ReleaseEvaluation {
  const { now = new Date() } = checkOptions<{ now?: Date }>('evaluateReleasePolicy', options, { now: date });
  return readArguments('evaluateReleasePolicy', () => evaluation(policy, claims, now));
}

function evaluation(policy: ReleasePolicy, claims: object, now: Date): ReleaseEvaluation {
  if (!isJsonObject(claims)) throw invalid('evaluateReleasePolicy: the claims must be an object');
  const { anyOf } = parseReleasePolicy(policy);
  const authorities = anyOf.map((authority, index) => evaluateAuthority(authority, `/anyOf/${index}`, claims));
  const hint = expiryHint(claims, now);
  return {
    released: authorities.some(({ released }) => released),
    ...(typeof claims.iss === 'string' && { issuer: claims.iss }),
    authorities,
    ...(hint !== undefined && { hint }),
  };
}

type Claims = Record<string, unknown>;

function evaluateAuthority(authority: ReleaseAuthority, path: string, claims: Claims): EvaluatedAuthority {
  const issuerMatches = typeof claims.iss === 'string' && sameIssuer(authority.authority, claims.iss);
  const { kind, conditions, met } = evaluateGroup(authority, path, claims);
  const hint = issuerMatches ? undefined : issuerHint(authority.authority, claims.iss);
  return {
    authority: authority.authority,
    issuerMatches,
    released: issuerMatches && met,
    kind,
    conditions,
    ...(hint !== undefined && { hint }),
  };
}

function evaluateGroup(
  group: { readonly allOf?: readonly ReleaseCondition[]; readonly anyOf?: readonly ReleaseCondition[] },
  path: string,
  claims: Claims,
): { kind: 'allOf' | 'anyOf'; conditions: EvaluatedCondition[]; met: boolean } {
  const kind = group.allOf === undefined ? 'anyOf' : 'allOf';
  const conditions = (group.allOf ?? group.anyOf ?? []).map((condition, index) =>
    evaluateCondition(condition, `${path}/${kind}/${index}`, claims),
  );
  const met = kind === 'allOf' ? conditions.every((one) => one.met) : conditions.some((one) => one.met);
  return { kind, conditions, met };
}

function evaluateCondition(condition: ReleaseCondition, path: string, claims: Claims): EvaluatedCondition {
  if ('claim' in condition) return evaluateClaim(condition, path, claims);
  return { path, ...evaluateGroup(condition, path, claims) };
}

function evaluateClaim(condition: ClaimCondition, path: string, claims: Claims): EvaluatedCondition {
  const { claim } = condition;
  const operator = OPERATORS.find((name) => condition[name] !== undefined) as ReleaseOperator;
  const expected = condition[operator] as ClaimValue;
  const actual = claimAt(claims, claim);
  const met = holds(operator, expected, actual);
  const hint = met ? undefined : conditionHint(claims, claim, operator, expected, actual);
  return {
    path,
    kind: 'claim',
    met,
    claim,
    operator,
    expected,
    ...(actual !== undefined && { actual }),
    ...(hint !== undefined && { hint }),
  };
}

/** Through objects only, by their own members; JSON has no undefined, so that means absent. */
function claimAt(claims: Claims, path: string): unknown {
  let value: unknown = claims;
  for (const name of path.split('.')) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function holds(operator: ReleaseOperator, expected: ClaimValue, actual: unknown): boolean {
  if (operator === 'exists') return (actual !== undefined) === (String(expected) === 'true');
  if (!isScalar(actual)) return false;
  if (operator === 'equals') return equal(expected, actual);
  if (operator === 'notEquals') return !equal(expected, actual);
  const limit = numberOf(expected);
  if (typeof actual !== 'number' || limit === undefined) return false;
  switch (operator) {
    case 'less':
      return actual < limit;
    case 'lessOrEquals':
      return actual <= limit;
    case 'greater':
      return actual > limit;
    case 'greaterOrEquals':
      return actual >= limit;
  }
}

const isScalar = (value: unknown): value is ClaimValue =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** Genuine: a policy's "true" was met by a claim true. The reverse was never seen, and is not taken. */
const equal = (expected: ClaimValue, actual: ClaimValue): boolean =>
  expected === actual || (typeof expected === 'string' && typeof actual !== 'string' && expected === String(actual));

function numberOf(value: ClaimValue): number | undefined {
  if (typeof value === 'number') return value;
  return isDecimal(value) ? Number(value) : undefined;
}

const withoutSlash = (issuer: string): string => (issuer.endsWith('/') ? issuer.slice(0, -1) : issuer);

const sameIssuer = (authority: string, issuer: string): boolean => withoutSlash(authority) === withoutSlash(issuer);

function issuerHint(authority: string, issuer: unknown): string | undefined {
  if (typeof issuer !== 'string') return 'the claims have no issuer (iss)';
  if (sameIssuer(authority.toLowerCase(), issuer.toLowerCase())) return 'it differs from the issuer only in case';
  const service = '.attest.azure.net';
  if (hostOf(authority).endsWith(service) && hostOf(issuer).endsWith(service)) {
    return 'the token is from another region or instance of the service: attest there, or add its issuer to the policy';
  }
  return undefined;
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).hostname : '');

function conditionHint(
  claims: Claims,
  claim: string,
  operator: ReleaseOperator,
  expected: ClaimValue,
  actual: unknown,
): string | undefined {
  if (actual === undefined) return absenceHint(claims, claim);
  if (operator === 'exists') return undefined;
  if (Array.isArray(actual)) return 'the claim is a list, whose elements a policy cannot address';
  if (!isScalar(actual)) return 'the claim is an object: go on with a dot and the name of a member';
  const [wanted, found] = [String(expected), String(actual)];
  if (operator !== 'equals') return undefined;
  if (wanted === found) return `the policy has a ${typeof expected}, the token a ${typeof actual}`;
  if (wanted.toLowerCase() === found.toLowerCase()) return 'the values differ only in case';
  return undefined;
}

function absenceHint(claims: Claims, claim: string): string | undefined {
  const nested = claim.startsWith(`${TEE}.`);
  const elsewhere = nested ? claim.slice(TEE.length + 1) : `${TEE}.${claim}`;
  const value = claimAt(claims, elsewhere);
  if (value !== undefined) {
    const why = nested ? 'a token of the platform has it at the top' : 'guest tokens nest it';
    return `it has ${elsewhere}${isScalar(value) ? ` = ${JSON.stringify(value)}` : ''} (${why})`;
  }
  if (claim.includes('.') && Object.hasOwn(claims, claim)) {
    return 'the token has a claim with these dots in its name, which a policy cannot address';
  }
  const sameName = Object.keys(claims).find((name) => name.toLowerCase() === claim.toLowerCase());
  return sameName === undefined ? undefined : `it has ${sameName}, which differs only in case`;
}

function expiryHint({ exp }: Claims, now: Date): string | undefined {
  if (typeof exp !== 'number' || exp * 1000 > now.getTime()) return undefined;
  return 'the token has expired: the vault refuses it before it looks at the policy';
}
