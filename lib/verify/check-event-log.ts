import { describeEvent, isDataMeasured, textOf } from '../abi/event-log/description.js';
import { readImagePath, readVariable } from '../abi/event-log/efi-data.js';
import {
  EV_EFI_BOOT_SERVICES_APPLICATION,
  EV_EFI_VARIABLE_DRIVER_CONFIG,
  EV_IPL,
  EV_NO_ACTION,
} from '../abi/event-log/event-types.js';
import { type EventLog, parseEventLog, type TcgEvent } from '../abi/event-log/parse.js';
import { replayEventLog } from '../abi/event-log/replay.js';
import { hex } from '../base/hex.js';
import type { CheckList } from './check-list.js';
import type { QuoteVerification } from './check-quote.js';

// PCRs that the firmware and what it starts own; an operating system goes on extending the others.
const FIRMWARE_PCRS = [0, 1, 2, 3, 4, 5, 6, 7];
const EFI_GLOBAL_VARIABLE = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
const KERNEL_COMMAND_LINE = 'kernel_cmdline: ';

/** An event and how far it is to be believed. */
export interface ReplayedEvent extends TcgEvent {
  /** In a line, for people. */
  description: string;
  /** Its PCR replays to the value that was quoted: the digest was extended. */
  measured: boolean;
  /** And the digest is one of the data, so that `data` and `description` are proven too. */
  dataMeasured: boolean;
}

/** An event log compared with the PCRs that were quoted. */
export interface ReplayedEventLog {
  events: ReplayedEvent[];
  /** For each PCR that the log extends: where it leads to, and whether that is the quoted value (hex). */
  pcrs: Record<number, { replayed: string; quoted?: string; matches: boolean }>;
  /** The SecureBoot variable, only where it is measured. */
  secureBoot?: boolean;
  /** Boot loaders and kernels that the firmware started: paths are the log's word, digests are measured. */
  bootApplications: { path: string; sha256: string }[];
  /** The command line that GRUB measured. */
  kernelCommandLine?: string;
}

/**
 * Replays the log and compares it with the quoted values. The firmware's PCRs (0 to 7) must match; later ones are compared
 * and reported, because an operating system extends them without the firmware's log.
 */
export function checkEventLog(
  list: CheckList,
  bytes: Uint8Array | undefined,
  quote: QuoteVerification,
): ReplayedEventLog | undefined {
  const quoted = quote.pcrs;
  const name = 'event log replays to the quoted PCRs';
  if (bytes === undefined) {
    list.skipped('event-log', name, 'no event log in the evidence');
    return undefined;
  }
  let log: EventLog;
  try {
    log = parseEventLog(new Uint8Array(bytes));
  } catch (error) {
    list.add('event-log', 'event log can be read', 'ERR_EVENT_LOG', false, {
      actual: error instanceof Error ? error.message : String(error),
    });
    return undefined;
  }
  const result = compareEventLog(log, quoted ?? new Map());
  if (quoted === undefined) {
    if (quote.present) list.notChecked('event-log', name, 'the quote is not good');
    else list.skipped('event-log', name, 'no quote in the evidence');
    return result;
  }
  if (!log.algorithms.includes('sha256')) {
    list.add('event-log', name, 'ERR_EVENT_LOG', false, {
      expected: 'SHA-256 digests',
      actual: log.algorithms.join(', '),
    });
    return result;
  }
  for (const pcr of FIRMWARE_PCRS) {
    const value = quoted.get(pcr);
    if (value === undefined) continue;
    const replayed = result.pcrs[pcr]?.replayed ?? '00'.repeat(32);
    list.equal('event-log', `event log replays to PCR ${pcr}`, 'ERR_EVENT_LOG', hex(value), replayed);
  }
  return result;
}

/** Replays a log against PCR values that the caller trusts, without judging it. */
export function compareEventLog(log: EventLog, quoted: ReadonlyMap<number, Uint8Array>): ReplayedEventLog {
  const pcrs: ReplayedEventLog['pcrs'] = {};
  for (const [pcr, value] of replayEventLog(log)) {
    const replayed = hex(value);
    const actual = quoted.get(pcr);
    pcrs[pcr] =
      actual === undefined
        ? { replayed, matches: false }
        : { replayed, quoted: hex(actual), matches: hex(actual) === replayed };
  }
  const events = log.events.map((event): ReplayedEvent => {
    const measured = event.type !== EV_NO_ACTION && pcrs[event.pcr]?.matches === true;
    return { ...event, description: describeEvent(event), measured, dataMeasured: measured && isDataMeasured(event) };
  });
  return { events, pcrs, ...summary(events) };
}

function summary(events: readonly ReplayedEvent[]): Omit<ReplayedEventLog, 'events' | 'pcrs'> {
  const result: Omit<ReplayedEventLog, 'events' | 'pcrs'> = { bootApplications: [] };
  for (const event of events) {
    if (!event.measured) continue;
    const { sha256 } = event.digests;
    if (event.type === EV_EFI_BOOT_SERVICES_APPLICATION && sha256 !== undefined) {
      result.bootApplications.push({ path: readImagePath(event.data) ?? 'unknown', sha256: hex(sha256) });
    }
    if (!event.dataMeasured) continue;
    if (event.type === EV_EFI_VARIABLE_DRIVER_CONFIG && event.pcr === 7) {
      const variable = readVariable(event.data);
      if (variable?.guid === EFI_GLOBAL_VARIABLE && variable.name === 'SecureBoot') {
        result.secureBoot ??= variable.data[0] === 1;
      }
    }
    const text = event.type === EV_IPL ? textOf(event.data) : undefined;
    if (text?.startsWith(KERNEL_COMMAND_LINE)) result.kernelCommandLine = text.slice(KERNEL_COMMAND_LINE.length);
  }
  return result;
}
