import { type Product, TCB_COMPONENTS, type Tcb } from '../abi/tcb.js';
import {
  anyText,
  custom,
  distinct,
  flag,
  hexText,
  integer,
  listOf,
  listOr,
  nonEmpty,
  oneOf,
  text,
  textLike,
} from '../base/option-kinds.js';
import { nested, type OptionKind, type OptionTable, required } from '../base/options.js';
import type { GuestDemands, HexValues, MinimumTcb, SnpPolicy, VerificationPolicy } from './policy.js';
import type { MaskedField, TdxPolicy } from './tdx/policy.js';

/**
 * The members of a policy and what each takes. schema/verification-policy.schema.json says the same to editors and other
 * programs, with a description of each: a test holds the two together.
 */

/** `vmUniqueId` of a machine; one that was never set is all zeros. */
export const GUID = /^(?![0-]+$)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const UINT8 = integer(0, 255);
const UINT32 = integer(0, 2 ** 32 - 1);
const VMPL = integer(0, 3);
const VERSION = textLike(/^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/, 'major.minor, such as 1.55');
const PRODUCTS = ['Milan', 'Genoa', 'Turin'] as const satisfies readonly Product[];
const SVNS = listOf(UINT8, 16, 16);
const ADVISORIES = distinct(listOf(textLike(/^.{1,64}$/su, '1 to 64 characters')));
const KEYS = listOf(textLike(/^\s*-----BEGIN /, 'PEM'), 1);

/* @__NO_SIDE_EFFECTS__ */ function oneOrList<T>(of: OptionKind<T>): OptionKind<T | T[]> {
  return listOr(listOf(of, 1), of);
}

/* @__NO_SIDE_EFFECTS__ */ function hexes(size: number): OptionKind<HexValues> {
  return oneOrList(hexText(size));
}

/** A member of one kind for each of these names, at least one of which is there. */
/* @__NO_SIDE_EFFECTS__ */ function some<Name extends string, T>(
  names: readonly Name[],
  of: OptionKind<T>,
): OptionKind<Partial<Record<Name, T>>> {
  const table = Object.fromEntries(names.map((name) => [name, of])) as OptionTable<Partial<Record<Name, T>>>;
  return nonEmpty(nested(table));
}

const upTo = /* @__NO_SIDE_EFFECTS__ */ (end: number): string[] =>
  Array.from({ length: end }, (_, index) => String(index));

const TCB: OptionKind<Partial<Tcb>> = some(TCB_COMPONENTS, UINT8);
const TCB_BY_PRODUCT = some(PRODUCTS, TCB);
const MINIMUM_TCB: OptionKind<MinimumTcb> = custom((value, name) =>
  (isByProduct(value) ? TCB_BY_PRODUCT : TCB).check(value, name),
);

/** Whether a minimum TCB is one for each product. */
export function isByProduct(minimum: unknown): minimum is Partial<Record<Product, Partial<Tcb>>> {
  return PRODUCTS.some((product) => Object.hasOwn(Object(minimum), product));
}

const SNP: OptionTable<SnpPolicy> = {
  allowedProducts: distinct(listOf(oneOf(...PRODUCTS), 1)),
  allowVlek: flag,
  cspIds: listOf(text, 1),
  vmpl: oneOrList(VMPL),
  guestPolicy: nested<NonNullable<SnpPolicy['guestPolicy']>>({
    minimumAbi: VERSION,
    smt: flag,
    singleSocket: flag,
    cxlAllow: flag,
    memAes256Xts: flag,
    raplDis: flag,
    ciphertextHidingDram: flag,
    pageSwapDisable: flag,
  }),
  platformInfo: nested<NonNullable<SnpPolicy['platformInfo']>>({
    smtEn: flag,
    tsmeEn: flag,
    eccEn: flag,
    raplDis: flag,
    ciphertextHidingDramEn: flag,
    aliasCheckComplete: flag,
    tioEn: flag,
  }),
  minimumGuestSvn: UINT32,
  minimumVersion: VERSION,
  minimumBuild: UINT8,
  permitProvisionalFirmware: flag,
  requireCommittedTcb: flag,
  minimumTcb: MINIMUM_TCB,
  minimumLaunchTcb: MINIMUM_TCB,
  measurement: hexes(48),
  reportData: hexes(64),
  hostData: hexes(32),
  familyId: hexes(16),
  imageId: hexes(16),
  reportId: hexes(32),
  reportIdMa: hexes(32),
  chipId: hexes(64),
  requireIdBlock: flag,
  requireAuthorKey: flag,
  trustedIdKeyHashes: listOf(hexText(48), 1),
  trustedAuthorKeyHashes: listOf(hexText(48), 1),
  trustedIdKeys: KEYS,
  trustedAuthorKeys: KEYS,
  requireCrl: flag,
};

/** Whether a policy demands something of an SEV-SNP report. */
export function namesSnp(policy: VerificationPolicy): boolean {
  return Object.keys(SNP).some((member) => Object.hasOwn(policy, member));
}

const GUEST: OptionTable<GuestDemands> = {
  allowDebug: flag,
  allowMigration: flag,
  tees: distinct(listOf(oneOf('snp', 'tdx'), 1)),
  allowUnidentifiedParavisor: flag,
  requireFreshReport: flag,
  requireAkCertificate: flag,
  vmIds: listOf(textLike(GUID, 'the GUID of a machine'), 1),
  requireQuote: flag,
  requireSecureBoot: oneOf<boolean | 'configured'>(true, false, 'configured'),
  requireEventLog: flag,
  quotedPcrs: distinct(listOf(integer(0, 23), 1)),
  pcrs: some(upTo(24), hexes(32)) as OptionKind<Record<string, HexValues>>,
};

const MASKED = nested<MaskedField>({ value: required(hexText(8)), mask: required(hexText(8)) });
const RTMR = hexes(48);

const TDX: OptionTable<TdxPolicy> = {
  acceptedTcbStatuses: distinct(
    listOf(
      oneOf(
        'UpToDate',
        'SWHardeningNeeded',
        'ConfigurationNeeded',
        'ConfigurationAndSWHardeningNeeded',
        'OutOfDate',
        'OutOfDateConfigurationNeeded',
        'TDRelaunchAdvised',
        'TDRelaunchAdvisedConfigurationNeeded',
      ),
      1,
    ),
  ),
  allowUnsupportedTcb: flag,
  minimumSgxTcb: SVNS,
  minimumPcesvn: integer(0, 65_535),
  minimumTcbEvaluationDataNumber: UINT32,
  deniedAdvisories: ADVISORIES,
  allowedAdvisories: ADVISORIES,
  requireCurrentTcb: flag,
  minimumTeeTcbSvn: SVNS,
  mrtd: hexes(48),
  mrseam: hexes(48),
  mrconfigid: hexes(48),
  mrowner: hexes(48),
  mrownerconfig: hexes(48),
  rtmrs: listOr(
    listOf<HexValues | null>(
      custom((value, name) => (value === null ? null : RTMR.check(value, name))),
      1,
      4,
    ),
    some(upTo(4), RTMR),
  ),
  xfam: MASKED,
  tdAttributes: MASKED,
  allowMigration: flag,
  requireCollateral: flag,
};

export const POLICY: OptionKind<VerificationPolicy> = nested<VerificationPolicy>(
  /* @__PURE__ */ Object.assign({ $schema: anyText, tdx: nested(TDX) }, GUEST, SNP),
);
