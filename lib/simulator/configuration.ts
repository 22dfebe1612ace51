import { flag, listOf, oneOf, unchecked } from '../base/option-kinds.js';
import { checkOptions, invalid, nested, type OptionTable } from '../base/options.js';
import { type VaultFaultName, vaultFaults } from './key-vault/faults.js';
import { type FaultName, namedFaults } from './named-faults.js';
import type { AkCertificateIndexOptions, CvmConfiguration, DetailedFaults } from './options.js';
import type { HclReportOptions } from './paravisor/paravisor.js';
import type { TdxOptions } from './tdx/tdx-platform.js';

/** Options of {@link SimulatedCvm.start}. */
export interface SimulatedCvmOptions extends Omit<CvmConfiguration, 'faults'> {
  /** Names of ready-made faults, or faults in detail. */
  faults?: (FaultName | VaultFaultName)[] | DetailedFaults;
}

/** Taken as they are: most are wrong on purpose. */
const any = /* @__PURE__ */ unchecked<never>();

const AK_CERTIFICATE: OptionTable<AkCertificateIndexOptions> = {
  state: any,
  indexSize: any,
  platformCreated: any,
  contents: any,
  tail: any,
  daysToExpiry: any,
  issuerCommonName: any,
  hierarchy: any,
  subjectKind: any,
  subjectCommonName: any,
  extendedKeyUsages: any,
  publisher: any,
};

const HCL_REPORT: OptionTable<HclReportOptions> = {
  state: any,
  headerVersion: any,
  indexSize: any,
  hashType: any,
  reportType: any,
  olderClaims: any,
  openHclClaims: any,
  refreshMs: any,
  claims: any,
  modify: any,
};

const TDX: OptionTable<TdxOptions> = {
  quoteVersion: any,
  quoteBodyType: any,
  tcbStatus: any,
  platform: any,
  debug: any,
  migratable: any,
  teeTcbSvn: any,
  teeTcbSvn2: any,
  mrtd: any,
  rtmrs: any,
  tdReport: any,
  quotingEnclave: any,
  authenticationData: any,
  quoteOf: any,
  fmspc: any,
  collateral: any,
};

const DETAILED_FAULTS: OptionTable<DetailedFaults> = { tpm: any, imds: any, attestation: any, keyVault: any };

const details = nested(DETAILED_FAULTS);
const names = listOf(unchecked<FaultName | VaultFaultName>());

const OPTIONS: OptionTable<SimulatedCvmOptions> = {
  product: oneOf('Milan', 'Genoa', 'Turin'),
  vmType: oneOf('snp', 'tvm', 'tdx'),
  vmId: any,
  secureBoot: flag,
  tpm: nested<NonNullable<CvmConfiguration['tpm']>>({
    akCertificate: nested(AK_CERTIFICATE),
    hclReport: nested(HCL_REPORT),
    guestKey: any,
    resourceManager: any,
  }),
  snpReport: any,
  tdx: nested(TDX),
  vcek: any,
  organization: any,
  signedBy: oneOf('vcek', 'vlek'),
  authority: any,
  osRelease: any,
  attestation: nested<NonNullable<CvmConfiguration['attestation']>>({
    tls: any,
    tokenLifetimeSeconds: any,
    bearerToken: any,
    envelopes: any,
  }),
  identities: oneOf('none', 'one', 'many'),
  keyVault: nested<NonNullable<CvmConfiguration['keyVault']>>({ flavour: oneOf('vault', 'managed-hsm') }),
  eventLog: any,
  unloggedPcrs: any,
  region: any,
  faults: { check: (value, name) => (Array.isArray(value) ? names.check(value, name) : details.check(value, name)) },
};

/**
 * The configuration that these options ask for, named faults included.
 *
 * @throws AttestationError 8 for an option, a value or a fault that does not exist
 */
export function configurationOf(options: SimulatedCvmOptions): CvmConfiguration {
  const { faults = {}, ...configuration } = checkOptions('SimulatedCvm.start', options, OPTIONS);
  if (!Array.isArray(faults)) return { ...configuration, faults };
  let all: Mergeable = { ...configuration };
  for (const name of faults) all = merge(all, optionsOfFault(name) as Mergeable);
  return all as CvmConfiguration;
}

function optionsOfFault(name: string): CvmConfiguration {
  if (Object.hasOwn(namedFaults, name)) return namedFaults[name as FaultName].options;
  if (Object.hasOwn(vaultFaults, name)) return { faults: { keyVault: [name as VaultFaultName] } };
  throw invalid(`${name} is not the name of a simulated fault`);
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
