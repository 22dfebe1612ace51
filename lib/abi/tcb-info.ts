import { malformed } from './input.js';
import { IntelJson } from './intel-json.js';

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
  /** 0 to 255. */
  readonly svn: number;
  /** For instance `OS/VMM` and `SEAMLDR ACM`. */
  readonly category?: string;
  readonly type?: string;
}

/** One level of a platform: reached when every component is at least as high. */
export interface TcbLevel {
  /** 16 each. */
  readonly sgx: readonly TcbComponent[];
  readonly tdx: readonly TcbComponent[];
  readonly pcesvn: number;
  readonly status: PlatformStatus;
  readonly tcbDate: Date;
  readonly advisoryIds: readonly string[];
}

/** One level of the TDX module or of the quoting enclave. */
export interface IsvLevel {
  readonly isvsvn: number;
  readonly status: ModuleStatus;
  readonly tcbDate: Date;
  readonly advisoryIds: readonly string[];
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
  /** `TDX_` and two upper-case hex digits: the module's version. */
  readonly id: string;
  readonly version: number;
  /** Highest first. */
  readonly levels: readonly IsvLevel[];
}

/** What every document of Intel's begins with. */
export interface DocumentHead {
  readonly id: string;
  readonly version: number;
  readonly issueDate: Date;
  readonly nextUpdate: Date;
  readonly tcbEvaluationDataNumber: number;
}

/** TCB info of version 3 for TDX (Intel PCS API v4, "Get TDX TCB Info"), its levels in Intel's order, highest first. */
export interface TcbInfo extends DocumentHead {
  /** 6 bytes. */
  readonly fmspc: Uint8Array;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  readonly module: TdxModule;
  readonly moduleIdentities: readonly TdxModuleIdentity[];
  readonly levels: readonly TcbLevel[];
}

const STRUCTURE = 'TCB info';
const COMPONENTS = 16;
const MAXIMUM_LEVELS = 256;
const MAXIMUM_IDENTITIES = 256;
/** Larger than any number that Intel gives out, smaller than what loses precision. */
const MAXIMUM_NUMBER = 0xffff_ffff;

/** Id, version, dates and evaluation number of a signed document. */
export function readDocumentHead(json: IntelJson): DocumentHead {
  return {
    id: json.text('id'),
    version: json.number('version', MAXIMUM_NUMBER),
    issueDate: json.date('issueDate'),
    nextUpdate: json.date('nextUpdate'),
    tcbEvaluationDataNumber: json.number('tcbEvaluationDataNumber', MAXIMUM_NUMBER),
  };
}

/**
 * Reads a TCB info whose head says `TDX` and version 3.
 *
 * @throws {AttestationError} 20 for anything malformed or impossible, two equal levels included.
 */
export function readTcbInfo(value: unknown): TcbInfo {
  const json = new IntelJson(value, STRUCTURE);
  const head = readDocumentHead(json);
  json.number('tcbType', 0);
  const moduleIdentities = json.has('tdxModuleIdentities')
    ? json.objects('tdxModuleIdentities', 0, MAXIMUM_IDENTITIES, readModuleIdentity)
    : [];
  if (new Set(moduleIdentities.map(({ id }) => id)).size !== moduleIdentities.length) {
    throw malformed(STRUCTURE, 'two identities of one TDX module');
  }
  const levels = json.objects('tcbLevels', 1, MAXIMUM_LEVELS, readTcbLevel);
  return Object.assign(head, {
    fmspc: json.hex('fmspc', 6),
    pceId: json.hex('pceId', 2),
    module: readModule(json.object('tdxModule')),
    moduleIdentities,
    levels: sorted(levels, compareLevels),
  });
}

function readModule(json: IntelJson): TdxModule {
  return {
    mrsigner: json.hex('mrsigner', 48),
    attributes: json.hex('attributes', 8),
    attributesMask: json.hex('attributesMask', 8),
  };
}

function readModuleIdentity(json: IntelJson): TdxModuleIdentity {
  const id = json.text('id').toUpperCase();
  if (!/^TDX_[0-9A-F]{2}$/.test(id)) throw malformed(STRUCTURE, 'the id of a TDX module');
  const version = Number.parseInt(id.slice(4), 16);
  return Object.assign(readModule(json), { id, version, levels: readIsvLevels(json, 255) });
}

/** Levels of a module or enclave, highest first. */
export function readIsvLevels(json: IntelJson, maximum: number): IsvLevel[] {
  const levels = json.objects('tcbLevels', 1, MAXIMUM_LEVELS, (level) => ({
    isvsvn: level.object('tcb').number('isvsvn', maximum),
    status: level.oneOf('tcbStatus', MODULE_STATUSES),
    tcbDate: level.date('tcbDate'),
    advisoryIds: level.texts('advisoryIDs'),
  }));
  return sorted(levels, (one, other) => one.isvsvn - other.isvsvn);
}

function readTcbLevel(json: IntelJson): TcbLevel {
  const tcb = json.object('tcb');
  return {
    sgx: tcb.objects('sgxtcbcomponents', COMPONENTS, COMPONENTS, readComponent),
    tdx: tcb.objects('tdxtcbcomponents', COMPONENTS, COMPONENTS, readComponent),
    pcesvn: tcb.number('pcesvn', 65_535),
    status: json.oneOf('tcbStatus', PLATFORM_STATUSES),
    tcbDate: json.date('tcbDate'),
    advisoryIds: json.texts('advisoryIDs'),
  };
}

function readComponent(json: IntelJson): TcbComponent {
  // Of hundreds most have nothing else; by name, which costs a third of what it takes to ask whether a member is there.
  if (json.members.category === undefined && json.members.type === undefined) return { svn: json.number('svn', 255) };
  const category = json.optionalText('category');
  const type = json.optionalText('type');
  const svn = json.number('svn', 255);
  if (category === undefined) return type === undefined ? { svn } : { svn, type };
  return type === undefined ? { svn, category } : { svn, category, type };
}

/** Intel's order: SGX components first, then PCESVN, then TDX components. */
function compareLevels(one: TcbLevel, other: TcbLevel): number {
  return compareSvns(one.sgx, other.sgx) || one.pcesvn - other.pcesvn || compareSvns(one.tdx, other.tdx);
}

function compareSvns(one: readonly TcbComponent[], other: readonly TcbComponent[]): number {
  for (let index = 0; index < one.length; index++) {
    const difference = (one[index]?.svn ?? 0) - (other[index]?.svn ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

// The first level that is reached decides, so the order must not be the document's; of two equal ones either could.
function sorted<Level>(levels: readonly Level[], compare: (one: Level, other: Level) => number): Level[] {
  const descending = [...levels].sort((one, other) => compare(other, one));
  descending.reduce((higher, lower) => {
    if (compare(higher, lower) === 0) throw malformed(STRUCTURE, 'two equal TCB levels');
    return lower;
  });
  return descending;
}
