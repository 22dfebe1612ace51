import { AttestationError, ErrorCode } from '../base/errors.js';
import { type OptionNames, refuseUnknownOptions } from '../base/option-names.js';
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

const OPTIONS = {
  product: true,
  vmType: true,
  vmId: true,
  secureBoot: true,
  tpm: true,
  snpReport: true,
  tdx: true,
  vcek: true,
  organization: true,
  signedBy: true,
  authority: true,
  osRelease: true,
  attestation: true,
  identities: true,
  keyVault: true,
  eventLog: true,
  unloggedPcrs: true,
  region: true,
  faults: true,
} satisfies OptionNames<CvmConfiguration>;

const TPM_OPTIONS = {
  akCertificate: true,
  hclReport: true,
  guestKey: true,
  resourceManager: true,
} satisfies OptionNames<NonNullable<CvmConfiguration['tpm']>>;

const AK_CERTIFICATE_OPTIONS = {
  state: true,
  indexSize: true,
  platformCreated: true,
  contents: true,
  tail: true,
  daysToExpiry: true,
  issuerCommonName: true,
  hierarchy: true,
  subjectKind: true,
  subjectCommonName: true,
  extendedKeyUsages: true,
  publisher: true,
} satisfies OptionNames<AkCertificateIndexOptions>;

const HCL_REPORT_OPTIONS = {
  state: true,
  headerVersion: true,
  indexSize: true,
  hashType: true,
  reportType: true,
  olderClaims: true,
  openHclClaims: true,
  refreshMs: true,
  claims: true,
  modify: true,
} satisfies OptionNames<HclReportOptions>;

const ATTESTATION_OPTIONS = {
  tls: true,
  tokenLifetimeSeconds: true,
  bearerToken: true,
  envelopes: true,
} satisfies OptionNames<NonNullable<CvmConfiguration['attestation']>>;

const TDX_OPTIONS = {
  quoteVersion: true,
  quoteBodyType: true,
  tcbStatus: true,
  platform: true,
  debug: true,
  migratable: true,
  teeTcbSvn: true,
  teeTcbSvn2: true,
  mrtd: true,
  rtmrs: true,
  tdReport: true,
  quotingEnclave: true,
  authenticationData: true,
  quoteOf: true,
  fmspc: true,
  collateral: true,
} satisfies OptionNames<TdxOptions>;

const FAULTS = { tpm: true, imds: true, attestation: true, keyVault: true } satisfies OptionNames<DetailedFaults>;

/**
 * The configuration that these options ask for, named faults included.
 *
 * @throws AttestationError 8 for an option, a value or a fault that does not exist
 */
export function configurationOf(options: SimulatedCvmOptions): CvmConfiguration {
  checkMembers('the options', options, OPTIONS);
  oneOf('product', options.product, ['Milan', 'Genoa', 'Turin']);
  oneOf('vmType', options.vmType, ['snp', 'tvm', 'tdx']);
  oneOf('signedBy', options.signedBy, ['vcek', 'vlek']);
  oneOf('secureBoot', options.secureBoot, [true, false]);
  oneOf('identities', options.identities, ['none', 'one', 'many']);
  if (options.keyVault !== undefined) {
    checkMembers('keyVault', options.keyVault, { flavour: true });
    oneOf('keyVault.flavour', options.keyVault.flavour, ['vault', 'managed-hsm']);
  }
  if (options.tdx !== undefined) checkMembers('tdx', options.tdx, TDX_OPTIONS);
  const { tpm, attestation, faults = {}, ...rest } = options;
  if (tpm !== undefined) {
    checkMembers('tpm', tpm, TPM_OPTIONS);
    if (tpm.akCertificate !== undefined) checkMembers('tpm.akCertificate', tpm.akCertificate, AK_CERTIFICATE_OPTIONS);
    if (tpm.hclReport !== undefined) checkMembers('tpm.hclReport', tpm.hclReport, HCL_REPORT_OPTIONS);
  }
  if (attestation !== undefined) checkMembers('attestation', attestation, ATTESTATION_OPTIONS);
  const configuration = { ...rest, ...(tpm && { tpm }), ...(attestation && { attestation }) };
  if (!Array.isArray(faults)) {
    checkMembers('faults', faults, FAULTS);
    return { ...configuration, faults };
  }
  let all: Mergeable = configuration;
  for (const name of faults as string[]) {
    all = merge(all, optionsOfFault(name) as Mergeable);
  }
  return all as CvmConfiguration;
}

function optionsOfFault(name: string): CvmConfiguration {
  if (Object.hasOwn(namedFaults, name)) return namedFaults[name as FaultName].options;
  if (Object.hasOwn(vaultFaults, name)) return { faults: { keyVault: [name as VaultFaultName] } };
  throw invalid(`${name} is not the name of a simulated fault`);
}

function checkMembers(what: string, value: unknown, known: Readonly<Record<string, true>>): void {
  if (typeof value !== 'object' || value === null) throw invalid(`${what} must be an object`);
  refuseUnknownOptions(value, known);
}

function oneOf(name: string, value: unknown, allowed: readonly unknown[]): void {
  if (value === undefined || allowed.includes(value)) return;
  throw invalid(`${name} must be ${allowed.join(', ')}, not ${JSON.stringify(value)}`);
}

function invalid(message: string): AttestationError {
  return new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message);
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
