import { custom, integer, listOf, oneOf, text, textLike } from '../base/option-kinds.js';
import { invalid, type OptionKind, required } from '../base/options.js';
import { isJsonObject } from '../base/strict-json.js';
import { objectOf } from './evidence-shape.js';
import { hexBytes, isText, readIntelJson, texts, time } from './intel-json.js';

/** Status words of a platform's TCB level. */
const PLATFORM_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;
export type PlatformStatus = (typeof PLATFORM_STATUSES)[number];

/** Status words of a level of the TDX module and of the quoting enclave. */
const MODULE_STATUSES = ['UpToDate', 'OutOfDate', 'Revoked'] as const;
export type ModuleStatus = (typeof MODULE_STATUSES)[number];

export interface TcbComponent {
  /** 0 to 65535. */
  readonly svn: number;
  /** For instance `OS/VMM` and `SEAMLDR ACM`. */
  readonly category?: string;
  readonly type?: string;
}

/** One level, of a platform, a TDX module or a quoting enclave: reached when every component is at least as high. */
export interface TcbLevel<Status> {
  /** Of a platform, in Intel's order: 16 of SGX, PCESVN, 16 of TDX. Of a module or enclave its ISVSVN. */
  readonly tcb: readonly TcbComponent[];
  readonly tcbStatus: Status;
  readonly tcbDate: Date;
  readonly advisoryIDs?: readonly string[];
}

/** Who must have signed a TDX module, and with which attributes. */
export interface TdxModule {
  /** 48 bytes. */
  readonly mrsigner: Uint8Array;
  /** 8 bytes each. */
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
}

export interface TdxModuleIdentity extends TdxModule {
  /** `TDX_` and two hex digits of either case: the module's version. */
  readonly id: string;
  /** Highest first. */
  readonly tcbLevels: readonly TcbLevel<ModuleStatus>[];
}

/** What every document of Intel's begins with. */
export interface DocumentHead {
  readonly id: string;
  readonly version: number;
  readonly issueDate: Date;
  readonly nextUpdate: Date;
  readonly tcbEvaluationDataNumber: number;
}

/** TCB info of version 3 for TDX (Intel PCS API v4, "Get TDX TCB Info"), as Intel names its members. */
export interface TcbInfo {
  readonly tcbType: 0;
  /** 6 bytes. */
  readonly fmspc: Uint8Array;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  readonly tdxModule: TdxModule;
  readonly tdxModuleIdentities?: readonly TdxModuleIdentity[];
  /** Highest first. */
  readonly tcbLevels: readonly TcbLevel<PlatformStatus>[];
}

/** Larger than any number that Intel gives out, smaller than what loses precision. */
const NUMBER = integer(0, 0xffff_ffff);
const COMPONENTS = 16;
const MAXIMUM_LEVELS = 256;
const MAXIMUM_IDENTITIES = 256;

const HEAD: OptionKind<DocumentHead> = objectOf<DocumentHead>(
  {
    id: required(text),
    version: required(NUMBER),
    issueDate: required(time),
    nextUpdate: required(time),
    tcbEvaluationDataNumber: required(NUMBER),
  },
  false,
);

/**
 * Id, version, dates and evaluation number of a signed document.
 *
 * @throws {AttestationError} 20 for anything malformed.
 */
export function readDocumentHead(value: unknown, name: string): DocumentHead {
  return readIntelJson(HEAD, value, name);
}

function isComponent(value: unknown): value is TcbComponent {
  if (!isJsonObject(value)) return false;
  const { svn, category = '', type = '' } = value;
  return Number.isInteger(svn) && Number(svn) >= 0 && Number(svn) <= 255 && isText(category, 256) && isText(type, 256);
}

/** Hundreds of them are read for each platform: as they are, and without a name for each. */
const COMPONENT_LIST: OptionKind<TcbComponent[]> = custom((value, name) => {
  if (!Array.isArray(value) || value.length !== COMPONENTS || !value.every(isComponent)) {
    throw invalid(`${name} must be ${COMPONENTS} components with an svn of 0 to 255`);
  }
  return value;
});
const PLATFORM = objectOf<{ sgxtcbcomponents: TcbComponent[]; pcesvn: number; tdxtcbcomponents: TcbComponent[] }>(
  {
    sgxtcbcomponents: required(COMPONENT_LIST),
    pcesvn: required(integer(0, 65_535)),
    tdxtcbcomponents: required(COMPONENT_LIST),
  },
  false,
);
const PLATFORM_LEVELS = levelsOf(
  custom((value, name) => {
    const { sgxtcbcomponents, pcesvn, tdxtcbcomponents } = PLATFORM.check(value, name);
    return [...sgxtcbcomponents, { svn: pcesvn }, ...tdxtcbcomponents];
  }),
  PLATFORM_STATUSES,
);

/** Levels of a module or enclave with an ISVSVN of at most `maximum`. */
export const isvLevels = /* @__NO_SIDE_EFFECTS__ */ (maximum: number): OptionKind<TcbLevel<ModuleStatus>[]> => {
  const tcb = objectOf<{ isvsvn: number }>({ isvsvn: required(integer(0, maximum)) }, false);
  return levelsOf(
    custom((value, name) => [{ svn: tcb.check(value, name).isvsvn }]),
    MODULE_STATUSES,
  );
};

/**
 * Levels, highest first: the first one that is reached decides, so the order must not be the document's, and of two equal ones
 * either could.
 */
/* @__NO_SIDE_EFFECTS__ */ function levelsOf<const Status extends string>(
  tcb: OptionKind<TcbComponent[]>,
  statuses: readonly Status[],
): OptionKind<TcbLevel<Status>[]> {
  const level = objectOf<TcbLevel<Status>>(
    {
      tcb: required(tcb),
      tcbStatus: required(oneOf(...statuses)),
      tcbDate: required(time),
      advisoryIDs: texts,
    },
    false,
  );
  const levels = listOf(level, 1, MAXIMUM_LEVELS);
  return custom((value, name) => {
    const sorted = levels.check(value, name).sort((one, other) => compareLevels(other, one));
    sorted.reduce((higher, lower) => {
      if (compareLevels(higher, lower) === 0) throw invalid(`${name} must not hold two equal levels`);
      return lower;
    });
    return sorted;
  });
}

function compareLevels({ tcb: one }: TcbLevel<string>, { tcb: other }: TcbLevel<string>): number {
  const at = one.findIndex(({ svn }, index) => svn !== other[index]?.svn);
  return (one[at]?.svn ?? 0) - (other[at]?.svn ?? 0);
}

const MODULE = objectOf<TdxModule>(
  { mrsigner: required(hexBytes(48)), attributes: required(hexBytes(8)), attributesMask: required(hexBytes(8)) },
  false,
);
const IDENTITY = objectOf<Omit<TdxModuleIdentity, keyof TdxModule>>(
  { id: required(textLike(/^TDX_[0-9A-F]{2}$/i, 'TDX_ and two hex digits')), tcbLevels: required(isvLevels(255)) },
  false,
);
const IDENTITIES = listOf<TdxModuleIdentity>(
  custom((value, name) => Object.assign(MODULE.check(value, name), IDENTITY.check(value, name))),
  0,
  MAXIMUM_IDENTITIES,
);

const TCB_INFO = objectOf<TcbInfo>(
  {
    tcbType: required(oneOf(0)),
    fmspc: required(hexBytes(6)),
    pceId: required(hexBytes(2)),
    tdxModule: required(MODULE),
    tdxModuleIdentities: custom((value, name) => {
      const identities = IDENTITIES.check(value, name);
      if (new Set(identities.map(({ id }) => id.toUpperCase())).size < identities.length) {
        throw invalid(`${name} must not hold a module twice`);
      }
      return identities;
    }),
    tcbLevels: required(PLATFORM_LEVELS),
  },
  false,
);

/**
 * Reads a TCB info whose head says `TDX` and version 3.
 *
 * @throws {AttestationError} 20 for anything malformed or impossible, two equal levels included.
 */
export function readTcbInfo(value: unknown): TcbInfo {
  return readIntelJson(TCB_INFO, value, 'TCB info');
}
