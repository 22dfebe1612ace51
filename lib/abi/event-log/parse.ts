import { isZero } from '../../base/bytes.js';
import { emptyInput, malformed, plainBytes } from '../input.js';
import { EV_NO_ACTION, EVENT_TYPES } from './event-types.js';

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
const SHA1_SIZE = 20;
const SPEC_ID = /* @__PURE__ */ new TextEncoder().encode('Spec ID Event03\0');
/** Banks by TPM_ALG_ID. */
export const EVENT_HASHES: ReadonlyMap<number, { name: EventHash; size: number }> = /* @__PURE__ */ new Map([
  [0x0004, { name: 'sha1', size: 20 }],
  [0x000b, { name: 'sha256', size: 32 }],
  [0x000c, { name: 'sha384', size: 48 }],
  [0x000d, { name: 'sha512', size: 64 }],
]);

/**
 * Decodes a TCG event log, in the older SHA-1 form or in the crypto-agile form; at most 1 MiB and 8192 events. The bytes
 * after the last event may be padding (zeros or ones). An event at PCR 4294967295 is read if it is EV_NO_ACTION.
 *
 * @throws {AttestationError} 21 for no bytes or nothing but zeros, 20 for anything malformed.
 */
export function parseEventLog(bytes: Uint8Array): EventLog {
  const log = plainBytes(bytes);
  if (log.length === 0) throw emptyInput('the event log');
  if (log.length > EVENT_LOG_LIMITS.bytes) throw refused('larger than 1 MiB');
  if (isZero(log)) throw emptyInput('the event log is all zero, nothing was ever written to it: it');
  const reader = new LogReader(log);
  const first = readSha1Event(reader);
  if (first.type !== EV_NO_ACTION || !startsWith(first.data, SPEC_ID)) {
    return {
      format: 'sha1',
      algorithms: ['sha1'],
      events: readEvents(reader, readSha1Event, first),
      notReplayable: {},
    };
  }
  const sizes = readSpecId(first.data);
  const algorithms = [...sizes.keys()].flatMap((id) => EVENT_HASHES.get(id)?.name ?? []);
  const events = readEvents(reader, () => readCryptoAgileEvent(reader, sizes), first);
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

class LogReader {
  private readonly view: DataView;
  private readonly paddingBegin: number;
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.paddingBegin = beginOfPadding(bytes);
  }

  take(size: number): Uint8Array {
    const begin = this.advance(size);
    return this.bytes.subarray(begin, begin + size);
  }

  u16(): number {
    return this.view.getUint16(this.advance(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.advance(4), true);
  }

  /** Nothing but padding is left. */
  get done(): boolean {
    return this.at >= this.paddingBegin;
  }

  private advance(size: number): number {
    const begin = this.at;
    if (size > this.bytes.length - begin) throw refused('truncated');
    this.at = begin + size;
    return begin;
  }
}

/** Where the run of zeros or ones begins that the bytes end in; the last event's own data may reach into it. */
function beginOfPadding(bytes: Uint8Array): number {
  const last = bytes.at(-1);
  if (last !== 0 && last !== 0xff) return bytes.length;
  return bytes.findLastIndex((byte) => byte !== last) + 1;
}

function readEvents(reader: LogReader, read: (reader: LogReader) => TcgEvent, first: TcgEvent): TcgEvent[] {
  const events = [first];
  while (!reader.done) {
    if (events.length === EVENT_LOG_LIMITS.events) throw refused('more than 8192 events');
    events.push(read(reader));
  }
  return events;
}

function readSha1Event(reader: LogReader): TcgEvent {
  const { pcr, type } = readHead(reader);
  const sha1 = reader.take(SHA1_SIZE);
  return { pcr, type, typeName: nameOf(type), digests: { sha1 }, data: reader.take(reader.u32()) };
}

// TCG_PCR_EVENT2. The kernel, too, bounds the number of digests only: Windows leaves banks out.
function readCryptoAgileEvent(reader: LogReader, sizes: ReadonlyMap<number, number>): TcgEvent {
  const { pcr, type } = readHead(reader);
  const count = reader.u32();
  if (count === 0 || count > sizes.size)
    throw refused('an event has no digest, or more digests than the log has banks');
  const digests: TcgEvent['digests'] = {};
  let seen: number[] | undefined;
  for (let i = 0; i < count; i++) {
    const id = reader.u16();
    const size = sizes.get(id);
    if (size === undefined || seen?.includes(id)) {
      throw refused('an event has a digest of another bank, or two of one');
    }
    if (seen === undefined) seen = [id];
    else seen.push(id);
    const digest = reader.take(size);
    const hash = EVENT_HASHES.get(id);
    if (hash !== undefined) digests[hash.name] = digest;
  }
  return { pcr, type, typeName: nameOf(type), digests, data: reader.take(reader.u32()) };
}

function readHead(reader: LogReader): { pcr: number; type: number } {
  const pcr = reader.u32();
  const type = reader.u32();
  if (pcr > MAXIMUM_PCR && !(pcr === NO_PCR && type === EV_NO_ACTION)) throw refused(`PCR ${pcr} does not exist`);
  return { pcr, type };
}

/** TCG_EfiSpecIdEvent: digest size of each bank by TPM_ALG_ID. */
function readSpecId(data: Uint8Array): Map<number, number> {
  const reader = new LogReader(data);
  reader.take(SPEC_ID.length + 8); // platform class, version and errata, size of UINTN
  const count = reader.u32();
  if (count === 0 || count > MAXIMUM_ALGORITHMS) throw refused('between 1 and 16 banks are needed');
  const sizes = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const id = reader.u16();
    const size = reader.u16();
    const known = EVENT_HASHES.get(id);
    if (sizes.has(id) || size === 0 || size > 64 || (known !== undefined && known.size !== size)) {
      throw refused('a bank is declared twice or with a wrong digest size');
    }
    sizes.set(id, size);
  }
  return sizes;
}

function nameOf(type: number): string {
  return EVENT_TYPES.get(type) ?? `EV_0x${type.toString(16)}`;
}

/** Whether the first bytes are those of `prefix`. */
export function startsWith(data: Uint8Array, prefix: Uint8Array): boolean {
  return data.length >= prefix.length && prefix.every((byte, index) => data[index] === byte);
}

function refused(why: string): Error {
  return malformed('event log', why);
}
