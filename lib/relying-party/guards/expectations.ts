import { invalid } from '../../base/options.js';
import type { VerifyTokenOptions } from '../../token/options.js';
import type { TdxTokenPolicy, TokenPolicy } from '../../token/policy.js';

type Demands = (value: unknown) => boolean;

const always: Demands = () => true;
const isTrue: Demands = (value) => value === true;
const isFalse: Demands = (value) => value === false;
/** Two kinds of hardware are all there are. */
const isOne: Demands = (value) => typeof value === 'string' || (Array.isArray(value) && value.length === 1);
const members =
  (demands: (name: string, value: unknown) => boolean): Demands =>
  (value) => {
    const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
    return entries.length > 0 && entries.every(([name, member]) => demands(name, member));
  };

const TDX: readonly string[] = ['mrtd', 'mrconfigid', 'minimumTeeTcbSvn', 'xfam'] satisfies (keyof TdxTokenPolicy)[];

/** When a member demands something of a token. Those that are missing here can only relax what the guard demands. */
const EXPECTATIONS: ReadonlyMap<string, Demands> = new Map<keyof TokenPolicy, Demands>([
  ['nonce', always],
  ['clientPayload', members(always)],
  ['policyHash', always],
  ['vmId', always],
  ['launchMeasurement', always],
  ['hostData', always],
  ['idKeyDigest', always],
  ['minimumSvn', members(always)],
  ['tee', isOne],
  ['tdx', members((name) => TDX.includes(name))],
  ['windows', members((_, value) => value === true)],
  ['requireCompliance', isTrue],
  ['requireSecureBoot', isTrue],
  ['requireTpm', isTrue],
  ['allowDebug', isFalse],
  ['allowMigration', isFalse],
]);

const NESTED = ['clientPayload', 'minimumSvn', 'tdx', 'windows'] as const;

/**
 * The guard's options with what `expect` yielded besides.
 *
 * @throws {AttestationError} 8 for anything but expectations, one at least: a fault of the server that must not let anybody in.
 */
export function withExpectations(options: VerifyTokenOptions, yielded: unknown): VerifyTokenOptions {
  const more = expectations(yielded);
  const all = Object.assign({}, options, more) as Record<string, unknown>;
  // Besides the members that the guard demands, not in their place.
  for (const name of NESTED) if (name in more) all[name] = Object.assign({}, options[name], more[name]);
  return all as unknown as VerifyTokenOptions;
}

function expectations(value: unknown): Readonly<Record<string, object>> {
  const prototype: unknown = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== null && prototype !== Object.prototype) throw invalid('expect must yield a plain object');
  const properties = Object.getOwnPropertyDescriptors(value as object);
  const names = Object.keys(properties);
  if (names.length === 0) throw invalid('expect must yield at least one expectation');
  const found: Record<string, object> = {};
  for (const name of names) {
    const member: unknown = properties[name]?.value;
    if (member === undefined) throw invalid(`expect yielded ${name}, but no value for it`);
    const demands = EXPECTATIONS.get(name);
    if (demands === undefined) throw invalid(`expect must yield expectations: ${name} is none`);
    if (!demands(member)) throw invalid(`expect yielded a ${name} that demands nothing`);
    found[name] = member as object;
  }
  return found;
}
