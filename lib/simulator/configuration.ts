import { type FaultName, namedFaults } from './named-faults.js';
import type { CvmConfiguration, DetailedFaults } from './options.js';

/** Options of {@link SimulatedCvm.start}. */
export interface SimulatedCvmOptions extends Omit<CvmConfiguration, 'faults'> {
  /** Names of ready-made faults, or faults in detail. */
  faults?: FaultName[] | DetailedFaults;
}

/** The configuration that these options ask for, named faults included. @throws TypeError for a name that is none */
export function configurationOf(options: SimulatedCvmOptions): CvmConfiguration {
  if (typeof options !== 'object' || options === null) throw new TypeError('the options must be an object');
  oneOf('product', options.product, ['Milan', 'Genoa', 'Turin']);
  oneOf('vmType', options.vmType, ['snp', 'tvm', 'tdx']);
  oneOf('signedBy', options.signedBy, ['vcek', 'vlek']);
  const { faults = {}, ...rest } = options;
  if (!Array.isArray(faults)) return { ...rest, faults };
  let all: Mergeable = rest;
  for (const name of faults as string[]) {
    if (!Object.hasOwn(namedFaults, name)) throw new TypeError(`${name} is not the name of a simulated fault`);
    all = merge(all, namedFaults[name as FaultName].options as Mergeable);
  }
  return all as CvmConfiguration;
}

function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (value === undefined || allowed.includes(value as string)) return;
  throw new TypeError(`${name} must be ${allowed.join(', ')}, not ${JSON.stringify(value)}`);
}

type Mergeable = Record<string, unknown>;

const isPlainObject = (value: unknown): value is Mergeable =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** Objects are merged, arrays joined; in everything else the later one wins. */
function merge(first: Mergeable, second: Mergeable): Mergeable {
  const merged = { ...first };
  for (const [name, value] of Object.entries(second)) {
    const before = merged[name];
    if (isPlainObject(before) && isPlainObject(value)) merged[name] = merge(before, value);
    else if (Array.isArray(before) && Array.isArray(value)) merged[name] = [...before, ...value];
    else merged[name] = value;
  }
  return merged;
}
