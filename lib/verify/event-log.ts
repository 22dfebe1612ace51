import { createHash } from 'node:crypto';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { EV_NO_ACTION, EVENT_TYPES } from './event-types.js';
import { plainBytes } from './native-parse.js';

/** Hash of a PCR bank. */
export type EventHash = 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** One entry of a TCG event log. */
export interface TcgEvent {
  pcr: number;
  type: number;
  /** For instance `EV_SEPARATOR`; `EV_0x…` for a type that is not known. */
  typeName: string;
  /** What was extended, by bank. */
  digests: Partial<Record<EventHash, Uint8Array>>;
  /** The event's data, a view into the log: a claim, unless the digest is one of the data. */
  data: Uint8Array;
}

/** A TCG event log (TCG PC Client Platform Firmware Profile, "Event Logging"). */
export interface EventLog {
  format: 'sha1' | 'crypto-agile';
  /** Banks that every event has a digest for. */
  algorithms: EventHash[];
  events: TcgEvent[];
}

const MAXIMUM_LOG = 16 * 1024 * 1024;
const MAXIMUM_EVENTS = 65_536;
const MAXIMUM_ALGORITHMS = 16;
const MAXIMUM_PCR = 23;
const SHA1_SIZE = 20;
const SPEC_ID = Buffer.from('Spec ID Event03\0', 'latin1');
const STARTUP_LOCALITY = Buffer.from('StartupLocality\0', 'latin1');
const HASHES = new Map<number, { name: EventHash; size: number }>([
  [0x0004, { name: 'sha1', size: 20 }],
  [0x000b, { name: 'sha256', size: 32 }],
  [0x000c, { name: 'sha384', size: 48 }],
  [0x000d, { name: 'sha512', size: 64 }],
]);

/**
 * Decodes a TCG event log, in the older SHA-1 form or in the crypto-agile form; at most 16 MiB and 65536 events. The
 * bytes after the last event may be padding (zeros or ones).
 *
 * @throws {AttestationError} 21 for no bytes, 20 for anything malformed.
 */
export function parseEventLog(bytes: Uint8Array): EventLog {
  const log = plainBytes(bytes);
  if (log.length === 0) throw new AttestationError(ErrorCode.HCL_REPORT_EMPTY, 'the event log is empty');
  if (log.length > MAXIMUM_LOG) throw malformed('larger than 16 MiB');
  const reader = new LogReader(log);
  const first = readSha1Event(reader);
  if (first.type !== EV_NO_ACTION || !startsWith(first.data, SPEC_ID)) {
    return { format: 'sha1', algorithms: ['sha1'], events: readEvents(reader, readSha1Event, [first]) };
  }
  const sizes = readSpecId(first.data);
  const algorithms = [...sizes.keys()].flatMap((id) => HASHES.get(id)?.name ?? []);
  const events = readEvents(reader, () => readCryptoAgileEvent(reader, sizes), [first]);
  return { format: 'crypto-agile', algorithms, events };
}

/**
 * The PCR values that a log leads to, for the PCRs that it extends. PCR 0 starts at the locality that the log states.
 * Empty when the log has no digests for that bank.
 */
export function replayEventLog(log: EventLog, bank: EventHash = 'sha256'): Map<number, Uint8Array> {
  const size = [...HASHES.values()].find(({ name }) => name === bank)?.size ?? 0;
  const pcrs = new Map<number, Uint8Array>();
  for (const event of log.events) {
    if (event.type === EV_NO_ACTION) {
      if (event.pcr === 0 && startsWith(event.data, STARTUP_LOCALITY) && !pcrs.has(0)) {
        const start = new Uint8Array(size);
        start[size - 1] = event.data[STARTUP_LOCALITY.length] ?? 0;
        pcrs.set(0, start);
      }
      continue;
    }
    const digest = event.digests[bank];
    if (digest === undefined) continue;
    const value = pcrs.get(event.pcr) ?? new Uint8Array(size);
    pcrs.set(event.pcr, new Uint8Array(createHash(bank).update(value).update(digest).digest()));
  }
  return pcrs;
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
    if (size > this.bytes.length - this.at) throw malformed('truncated');
    const taken = this.bytes.subarray(this.at, this.at + size);
    this.at += size;
    return taken;
  }

  u16(): number {
    this.take(2);
    return this.view.getUint16(this.at - 2, true);
  }

  u32(): number {
    this.take(4);
    return this.view.getUint32(this.at - 4, true);
  }

  /** Nothing but padding is left. */
  get done(): boolean {
    return this.at >= this.paddingBegin;
  }
}

/** Where the run of zeros or ones begins that the bytes end in; the last event's own data may reach into it. */
function beginOfPadding(bytes: Uint8Array): number {
  const last = bytes.at(-1);
  if (last !== 0 && last !== 0xff) return bytes.length;
  return bytes.findLastIndex((byte) => byte !== last) + 1;
}

function readEvents(reader: LogReader, read: (reader: LogReader) => TcgEvent, events: TcgEvent[]): TcgEvent[] {
  while (!reader.done) {
    if (events.length === MAXIMUM_EVENTS) throw malformed('more than 65536 events');
    events.push(read(reader));
  }
  return events;
}

function readSha1Event(reader: LogReader): TcgEvent {
  const pcr = readPcr(reader);
  const type = reader.u32();
  const sha1 = reader.take(SHA1_SIZE);
  return { pcr, type, typeName: nameOf(type), digests: { sha1 }, data: reader.take(reader.u32()) };
}

function readCryptoAgileEvent(reader: LogReader, sizes: ReadonlyMap<number, number>): TcgEvent {
  const pcr = readPcr(reader);
  const type = reader.u32();
  const count = reader.u32();
  if (count !== sizes.size) throw malformed('an event does not have one digest a bank');
  const digests: TcgEvent['digests'] = {};
  const seen = new Set<number>();
  for (let i = 0; i < count; i++) {
    const id = reader.u16();
    const size = sizes.get(id);
    if (size === undefined || seen.has(id)) throw malformed('an event has a digest of another bank, or two of one');
    seen.add(id);
    const digest = reader.take(size);
    const hash = HASHES.get(id);
    if (hash !== undefined) digests[hash.name] = digest;
  }
  return { pcr, type, typeName: nameOf(type), digests, data: reader.take(reader.u32()) };
}

/** TCG_EfiSpecIdEvent: digest size of each bank by TPM_ALG_ID. */
function readSpecId(data: Uint8Array): Map<number, number> {
  const reader = new LogReader(data);
  reader.take(SPEC_ID.length + 8); // platform class, version and errata, size of UINTN
  const count = reader.u32();
  if (count === 0 || count > MAXIMUM_ALGORITHMS) throw malformed('between 1 and 16 banks are needed');
  const sizes = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const id = reader.u16();
    const size = reader.u16();
    const known = HASHES.get(id);
    if (sizes.has(id) || size === 0 || size > 64 || (known !== undefined && known.size !== size)) {
      throw malformed('a bank is declared twice or with a wrong digest size');
    }
    sizes.set(id, size);
  }
  return sizes;
}

function readPcr(reader: LogReader): number {
  const pcr = reader.u32();
  if (pcr > MAXIMUM_PCR) throw malformed(`PCR ${pcr} does not exist`);
  return pcr;
}

function nameOf(type: number): string {
  return EVENT_TYPES.get(type) ?? `EV_0x${type.toString(16)}`;
}

function startsWith(data: Uint8Array, prefix: Uint8Array): boolean {
  return data.length >= prefix.length && prefix.every((byte, index) => data[index] === byte);
}

function malformed(why: string): AttestationError {
  return new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, `event log: ${why}`);
}
