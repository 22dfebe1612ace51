import { holdsAt, isZero, utf8Bytes } from '../../base/bytes.js';
import { HASHES, type HashName } from '../../base/sha2.js';
import { emptyInput, malformed, plainBytes } from '../input.js';
import { EV_NO_ACTION, eventTypeName } from './event-types.js';
import { LogReader } from './log-reader.js';

/** Hash of a PCR bank. */
export type EventHash = 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** One entry of a TCG event log. */
export interface TcgEvent {
  /** 0 to 23; 4294967295 for an EV_NO_ACTION event that is of no PCR (Windows). */
  pcr: number;
  /** Under no digest: a claim of whoever sends the log. */
  type: number;
  /** For instance `EV_SEPARATOR`; `EV_0x…` for a type that is not known. */
  typeName: string;
  /** What was extended, by bank; an event may have fewer than the log has banks. */
  digests: Partial<Record<EventHash, Uint8Array>>;
  /** The event's data, a view into the log: a claim, unless the digest is one of the data. */
  data: Uint8Array;
}

/** A TCG event log (TCG PC Client Platform Firmware Profile, "Event Logging"). */
export interface EventLog {
  format: 'sha1' | 'crypto-agile';
  /** Banks that the log declares. */
  algorithms: EventHash[];
  events: TcgEvent[];
  /** PCRs that cannot be replayed in a bank, because an event of theirs has no digest for it. */
  notReplayable: Partial<Record<EventHash, number[]>>;
}

/** Bytes and events of a log that is read; genuine ones have some 100 KiB and 150 events. */
export const EVENT_LOG_LIMITS = /* @__PURE__ */ Object.freeze({ bytes: 1024 * 1024, events: 8192 });

const MAXIMUM_ALGORITHMS = 16;
const MAXIMUM_PCR = 23;
const NO_PCR = 0xffffffff;
const SPEC_ID = /* @__PURE__ */ utf8Bytes('Spec ID Event03\0');
/** Banks by TPM_ALG_ID. */
const BANKS: Readonly<Record<number, EventHash>> = { 4: 'sha1', 11: 'sha256', 12: 'sha384', 13: 'sha512' };

/** The hash of a bank as the rest of the library names it. */
export const hashOfBank = (bank: EventHash): HashName => bank.replace('sha', 'SHA-') as HashName;

/**
 * Decodes a TCG event log, in the older SHA-1 form or in the crypto-agile form; at most 1 MiB and 8192 events. The bytes
 * after the last event may be padding (zeros or ones). An event at PCR 4294967295 is read if it is EV_NO_ACTION.
 *
 * @throws {AttestationError} 21 for no bytes or nothing but zeros, 20 for anything malformed.
 */
export function parseEventLog(bytes: Uint8Array): EventLog {
  const log = plainBytes(bytes);
  if (log.length > EVENT_LOG_LIMITS.bytes) throw refused('larger than 1 MiB');
  if (isZero(log)) throw emptyInput('the event log');
  const reader = new LogReader(log);
  const first = readEvent(reader);
  const isAgile = first.type === EV_NO_ACTION && startsWith(first.data, SPEC_ID);
  const sizes = isAgile ? readSpecId(first.data) : undefined;
  const events = [first];
  for (const end = beginOfPadding(log); reader.at < end; events.push(readEvent(reader, sizes))) {
    if (events.length === EVENT_LOG_LIMITS.events) throw refused('more than 8192 events');
  }
  if (sizes === undefined) return { format: 'sha1', algorithms: ['sha1'], events, notReplayable: {} };
  const algorithms = [...sizes.keys()].flatMap((id) => BANKS[id] ?? []);
  return { format: 'crypto-agile', algorithms, events, notReplayable: missingDigests(events, algorithms) };
}

function missingDigests(events: readonly TcgEvent[], algorithms: readonly EventHash[]): EventLog['notReplayable'] {
  const missing: EventLog['notReplayable'] = {};
  for (const algorithm of algorithms) {
    const pcrs = new Set<number>();
    for (const { type, pcr, digests } of events) {
      if (type !== EV_NO_ACTION && digests[algorithm] === undefined) pcrs.add(pcr);
    }
    if (pcrs.size > 0) missing[algorithm] = [...pcrs].sort((one, other) => one - other);
  }
  return missing;
}

/** Where the run of zeros or ones begins that the bytes end in; the last event's own data may reach into it. */
function beginOfPadding(bytes: Uint8Array): number {
  const last = bytes.at(-1);
  if (last !== 0 && last !== 0xff) return bytes.length;
  return bytes.findLastIndex((byte) => byte !== last) + 1;
}

/** TCG_PCR_EVENT2, or TCG_PCR_EVENT where there are no banks. */
function readEvent(reader: LogReader, sizes?: ReadonlyMap<number, number>): TcgEvent {
  const pcr = reader.u32();
  const type = reader.u32();
  const isPcr = pcr <= MAXIMUM_PCR || (pcr === NO_PCR && type === EV_NO_ACTION);
  if (!isPcr) throw refused(`PCR ${pcr} does not exist`);
  const digests = sizes === undefined ? { sha1: reader.take(HASHES['SHA-1'].digestBytes) } : readDigests(reader, sizes);
  const data = reader.take(reader.u32());
  if (reader.failed) throw refused('truncated');
  return { pcr, type, typeName: eventTypeName(type), digests, data };
}

// The kernel, too, bounds the number of digests only: Windows leaves banks out.
function readDigests(reader: LogReader, sizes: ReadonlyMap<number, number>): TcgEvent['digests'] {
  const count = reader.u32();
  if (count === 0 || count > sizes.size) throw refused('too many digests, or none');
  const digests: TcgEvent['digests'] = {};
  const seen: number[] = [];
  for (let i = 0; i < count; i++) {
    const id = reader.u16();
    const size = sizes.get(id);
    if (size === undefined || seen.includes(id)) throw refused('a digest twice, or of no bank');
    seen.push(id);
    const digest = reader.take(size);
    const bank = BANKS[id];
    if (bank !== undefined) digests[bank] = digest;
  }
  return digests;
}

/** TCG_EfiSpecIdEvent: digest size of each bank by TPM_ALG_ID. */
function readSpecId(data: Uint8Array): Map<number, number> {
  const reader = new LogReader(data);
  reader.take(SPEC_ID.length + 8); // platform class, version and errata, size of UINTN
  const count = reader.u32();
  if (count === 0 || count > MAXIMUM_ALGORITHMS) throw refused('too many banks, or none');
  const sizes = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const id = reader.u16();
    const size = reader.u16();
    const bank = BANKS[id];
    if (
      sizes.has(id) ||
      size === 0 ||
      size > 64 ||
      (bank !== undefined && size !== HASHES[hashOfBank(bank)].digestBytes)
    ) {
      throw refused('a bank twice, or of a wrong size');
    }
    sizes.set(id, size);
  }
  return sizes;
}

/** Whether the first bytes are those of `prefix`. */
export function startsWith(data: Uint8Array, prefix: Uint8Array): boolean {
  return holdsAt(data, 0, prefix.length, prefix);
}

function refused(why: string): Error {
  return malformed('event log', why);
}
