import { describeEvent, measuredBytes } from '../abi/event-log/description.js';
import { EV_NO_ACTION } from '../abi/event-log/event-types.js';
import { type EventHash, type EventLog, parseEventLog, type TcgEvent } from '../abi/event-log/parse.js';
import { type Digest, replayWith } from '../abi/event-log/replay.js';
import { isZero } from '../base/bytes.js';
import { hex } from '../base/hex.js';
import { readArguments } from '../base/options.js';
import { sha2 } from '../base/sha2.js';
import { type BootFacts, readBootFacts } from './boot-facts.js';
import type { CheckList } from './check-codes.js';
import type { QuoteVerification } from './check-quote.js';
import type { VerificationPolicy } from './policy.js';

// PCRs that the firmware and what it starts own; an operating system goes on extending the others.
const FIRMWARE_PCRS = [0, 1, 2, 3, 4, 5, 6, 7];

/** An event and how far it is to be believed. `description` and `dataMeasured` are computed when they are read. */
export interface ReplayedEvent extends TcgEvent {
  /** In a line, for people. */
  readonly description: string;
  /** Its PCR replays to the value that was quoted: the digest was extended. */
  measured: boolean;
  /** And the digest is one of the data, so that `data` and `description` are proven too; its type never is. */
  readonly dataMeasured: boolean;
}

/** An event log compared with the PCRs that were quoted. */
export interface ReplayedEventLog extends Omit<BootFacts, 'fault'> {
  events: ReplayedEvent[];
  /** For each PCR that the log extends: where it leads to, and whether that is the quoted value (hex). */
  pcrs: Record<number, { replayed: string; quoted?: string; matches: boolean }>;
  /** PCRs that cannot be replayed in a bank, because an event of theirs has no digest for it. */
  notReplayable: EventLog['notReplayable'];
}

/**
 * Replays the log and compares it with the quoted values. The firmware's PCRs (0 to 7) must match; later ones are compared
 * and reported, because an operating system extends them without the firmware's log. Nothing is replayed before the quote is
 * proven.
 */
export function checkEventLog(
  list: CheckList,
  bytes: Uint8Array | undefined,
  quote: QuoteVerification,
  policy: VerificationPolicy,
  digest: Digest,
): ReplayedEventLog | undefined {
  const { pcrs: quoted } = quote;
  const name = 'event log replays to the quoted PCRs';
  const add = (what: string, ok: boolean, expected: string, actual: string): void =>
    void list.add('event-log', what, 'ERR_EVENT_LOG', ok, { expected, actual });
  const covered = FIRMWARE_PCRS.filter((pcr) => quoted?.has(pcr) === true);
  const left = FIRMWARE_PCRS.filter((pcr) => !covered.includes(pcr)).join(', ');
  if (policy.requireEventLog === true) {
    const actual = bytes === undefined ? 'no event log' : left === '' ? 'both' : `not quoted: ${left}`;
    const isThere = bytes !== undefined && left === '';
    add('event log and PCRs 0 to 7', isThere, 'an event log and a good quote over PCRs 0 to 7', actual);
  }
  if (bytes === undefined) {
    list.skipped('event-log', name, 'no event log in the evidence');
    return undefined;
  }
  const log = list.read('event-log', 'event log can be read', 'ERR_EVENT_LOG', () => parseEventLog(bytes));
  if (log === undefined) return undefined;
  if (quoted === undefined) {
    if (quote.present) list.notChecked('event-log', name, 'the quote is not good');
    else list.skipped('event-log', name, 'no quote in the evidence');
    return undefined;
  }
  if (!log.algorithms.includes('sha256')) {
    add(name, false, 'sha256', log.algorithms.join(', '));
    return undefined;
  }
  const { fault, ...result } = compareWith(digest, log, quoted);
  for (const pcr of covered) {
    const replayed = result.pcrs[pcr]?.replayed ?? (isIncomplete(log, pcr) ? 'not replayable' : '00'.repeat(32));
    const value = hex(quoted.get(pcr) as Uint8Array);
    add(`event log replays to PCR ${pcr}`, value === replayed, value, replayed);
  }
  if (left !== '')
    list.skipped('event-log', 'event log of the other PCRs', `not compared: not quoted are PCRs ${left}`);
  if (covered.includes(7)) {
    const expected = 'SecureBoot, further variables, one separator';
    add('secure boot was measured as firmware does', fault === undefined, expected, fault ?? 'so it is');
  }
  return result;
}

function isIncomplete({ notReplayable }: EventLog, pcr: number): boolean {
  return notReplayable.sha256?.includes(pcr) === true;
}

/** Replays a log against PCR values that the caller trusts, without judging it. */
export function compareEventLog(log: EventLog, quoted: ReadonlyMap<number, Uint8Array>): ReplayedEventLog {
  const { fault: _, ...result } = readArguments('compareEventLog', () => compareWith(sha2, log, quoted));
  return result;
}

function compareWith(
  digest: Digest,
  log: EventLog,
  quoted: ReadonlyMap<number, Uint8Array>,
): ReplayedEventLog & Pick<BootFacts, 'fault'> {
  const pcrs: ReplayedEventLog['pcrs'] = {};
  for (const [pcr, value] of replayWith(digest, log, 'sha256')) {
    const replayed = hex(value);
    const actual = quoted.get(pcr);
    pcrs[pcr] =
      actual === undefined
        ? { replayed, matches: false }
        : { replayed, quoted: hex(actual), matches: hex(actual) === replayed };
  }
  // A PCR that the log says nothing of has never been extended, or it is not the log's.
  const isMeasured = (pcr: number): boolean =>
    pcrs[pcr]?.matches ?? (!isIncomplete(log, pcr) && isZero(quoted.get(pcr) ?? Uint8Array.of(1)));
  const events = log.events.map(
    (event) => new ComparedEvent(event, event.type !== EV_NO_ACTION && isMeasured(event.pcr)),
  );
  const { notReplayable } = log;
  return { events, pcrs, notReplayable, ...readBootFacts(log.events, isMeasured, digest) };
}

/** Describing thousands of events takes longer than verifying them: it waits until somebody reads. */
class ComparedEvent implements ReplayedEvent {
  readonly pcr: number;
  readonly type: number;
  readonly typeName: string;
  readonly digests: Partial<Record<EventHash, Uint8Array>>;
  readonly data: Uint8Array;

  constructor(
    event: TcgEvent,
    readonly measured: boolean,
  ) {
    this.pcr = event.pcr;
    this.type = event.type;
    this.typeName = event.typeName;
    this.digests = event.digests;
    this.data = event.data;
  }

  get description(): string {
    return describeEvent(this);
  }

  get dataMeasured(): boolean {
    return this.measured && measuredBytes(this) !== undefined;
  }

  /** With what getters compute. */
  toJSON(): ReplayedEvent {
    const { description, dataMeasured } = this;
    return Object.assign({}, this, { description, dataMeasured });
  }
}
