import { measuredBytes, textOf } from '../abi/event-log/description.js';
import { readImagePath, readVariable } from '../abi/event-log/efi-data.js';
import { EV_NO_ACTION } from '../abi/event-log/event-types.js';
import type { TcgEvent } from '../abi/event-log/parse.js';
import type { Digest } from '../abi/event-log/replay.js';
import { latin1Text, utf8Bytes } from '../base/bytes.js';
import { hex } from '../base/hex.js';
import { sha2 } from '../base/sha2.js';

/**
 * What a measured log proves about the boot. Only digests are measured: an event's type, a path and GRUB's prefixes are the
 * word of whoever sends the log, and root can extend PCRs and append events after the boot. So events are recognized by
 * what their digest is of, and what could be two things is neither.
 */
export interface BootFacts {
  /** The SecureBoot variable as the firmware measured it. */
  secureBoot?: boolean;
  /**
   * Everything that was measured into PCR 4 besides the firmware's own markers, in this order: boot loaders and kernels that
   * the firmware started, and what else was put there. Digests are measured, paths are the log's word.
   */
  bootApplications?: { path: string; sha256: string }[];
  /** The one command line that GRUB gave to a kernel. */
  kernelCommandLine?: string;
  /** Why a fact is absent. */
  absent: { secureBoot?: string; bootApplications?: string; kernelCommandLine?: string };
  /** PCR 7 was measured in an order that no firmware makes: the log is not to be believed. */
  fault?: string;
}

const EFI_GLOBAL_VARIABLE = '8be4df61-93ca-11d2-aa0d-00e098032b8c';
const digestOf = (bytes: Uint8Array): string => hex(sha2('SHA-256', bytes));
const digestsOf = (values: readonly Uint8Array[]): ReadonlySet<string> => new Set(values.map(digestOf));

/** Digests of what firmware measures beside variables and code, made when a log is first read. */
const makeKnown = () => ({
  separators: digestsOf([0, 0xff].map((byte) => new Uint8Array(4).fill(byte))),
  // TCG PC Client Platform Firmware Profile, "EV_EFI_ACTION Event Types" and PCR 4's markers.
  actionsBeforeSecureBoot: digestsOf(['UEFI Debug Mode', 'DMA Protection Disabled'].map(utf8Bytes)),
  bootMarkers: digestsOf(
    [
      'Calling EFI Application from Boot Option',
      'Returning from EFI Application from Boot Option',
      'BOOT ATTEMPTS OMITTED',
    ].map(utf8Bytes),
  ),
  /** The SecureBoot variable with each value that it can have, absence included. */
  secureBootVariables: digestsOf([[], [0], [1]].map(secureBoot)),
});
let made: ReturnType<typeof makeKnown> | undefined;
const known = () => (made ??= makeKnown());

const KERNEL_COMMAND_LINE = 'kernel_cmdline: ';
const LOADS_KERNEL = /^linux(?:16|efi)? (.*)$/s;

/**
 * Reads the facts out of a log. `isMeasured` says whether a PCR replays to the value that was quoted; `digest` computes
 * SHA-256.
 */
export function readBootFacts(
  events: readonly TcgEvent[],
  isMeasured: (pcr: number) => boolean,
  digest: Digest,
): BootFacts {
  const facts: BootFacts = { absent: {} };
  const of = (pcr: number): TcgEvent[] => events.filter((event) => event.pcr === pcr && event.type !== EV_NO_ACTION);
  const notMeasured = (pcr: number): string => `PCR ${pcr} is not quoted, or the log does not replay to it`;
  if (!isMeasured(7)) facts.absent.secureBoot = notMeasured(7);
  else {
    const found = readSecureBoot(of(7), digest);
    if ('secureBoot' in found) facts.secureBoot = found.secureBoot;
    else facts.absent.secureBoot = facts.fault = `PCR 7: ${found.fault}`;
  }
  if (!isMeasured(4)) facts.absent.bootApplications = notMeasured(4);
  else facts.bootApplications = of(4).flatMap(bootApplication);
  if (!isMeasured(8)) facts.absent.kernelCommandLine = notMeasured(8);
  else {
    const found = readCommandLine(of(8), digest);
    if ('line' in found) facts.kernelCommandLine = found.line;
    else facts.absent.kernelCommandLine = `PCR 8: ${found.reason}`;
  }
  return facts;
}

/** PCR 7 up to its separator: actions, then SecureBoot, then further variables, and never SecureBoot again. */
function readSecureBoot(events: readonly TcgEvent[], digest: Digest): { secureBoot: boolean } | { fault: string } {
  const digests = events.map((event) => (event.digests.sha256 === undefined ? '' : hex(event.digests.sha256)));
  const separator = digests.findIndex((found) => known().separators.has(found));
  if (separator < 0) return { fault: 'no separator' };
  const first = digests.findIndex((found) => !known().actionsBeforeSecureBoot.has(found));
  const variables = events.slice(first, separator).map((event) => measuredVariable(event, digest));
  const [variable] = variables;
  if (variable?.guid !== EFI_GLOBAL_VARIABLE || variable.name !== 'SecureBoot') {
    return { fault: 'the first variable is not SecureBoot as it was measured' };
  }
  if (variables.includes(undefined)) {
    return { fault: 'an event before the separator is not a variable as it was measured' };
  }
  if (digests.slice(separator + 1).some((found) => known().separators.has(found)))
    return { fault: 'a second separator' };
  const isAgain = (event: TcgEvent, index: number): boolean =>
    index !== first && (known().secureBootVariables.has(digests[index] ?? '') || isSecureBoot(event.data));
  if (events.some(isAgain)) return { fault: 'SecureBoot twice' };
  const [value = 0, ...more] = variable.data;
  if (more.length > 0 || value > 1) return { fault: 'SecureBoot has a value that it cannot have' };
  return { secureBoot: value === 1 };
}

/** UEFI_VARIABLE_DATA whose whole data the digest is of. */
function measuredVariable({ data, digests }: TcgEvent, digest: Digest): ReturnType<typeof readVariable> {
  const found = digests.sha256 === undefined ? '' : hex(digests.sha256);
  return hex(digest('SHA-256', data)) === found ? readVariable(data) : undefined;
}

function isSecureBoot(data: Uint8Array): boolean {
  const variable = readVariable(data);
  return variable?.guid === EFI_GLOBAL_VARIABLE && variable.name === 'SecureBoot';
}

function bootApplication({ data, digests }: TcgEvent): { path: string; sha256: string }[] {
  const sha256 = digests.sha256 === undefined ? '' : hex(digests.sha256);
  if (known().separators.has(sha256) || known().bootMarkers.has(sha256)) return [];
  return [{ path: readImagePath(data) ?? 'unknown', sha256 }];
}

/**
 * GRUB measures the command that loads a kernel (`linux /vmlinuz root=…`) and then the line that the kernel gets, both
 * without their prefixes. The line counts when there is one such pair and no other event that claims to be one.
 */
function readCommandLine(events: readonly TcgEvent[], digest: Digest): { line: string } | { reason: string } {
  const texts: string[] = [];
  for (const event of events) {
    const bytes = measuredBytes(event, digest);
    if (bytes === undefined) return { reason: 'an event does not show what was measured' };
    texts.push(latin1Text(bytes));
  }
  const lines = new Set(texts.flatMap((text) => LOADS_KERNEL.exec(text)?.[1] ?? []));
  const [line] = lines;
  if (line === undefined) return { reason: 'no command that loads a kernel' };
  if (lines.size > 1) return { reason: 'several commands that load a kernel' };
  const labelled = events.filter((event) => textOf(event.data)?.startsWith(KERNEL_COMMAND_LINE));
  const [label] = labelled;
  if (labelled.length !== 1 || label === undefined) return { reason: 'not exactly one event of a command line' };
  if (textOf(label.data) !== `${KERNEL_COMMAND_LINE}${line}`) {
    return { reason: 'the command line is not the one that the kernel was loaded with' };
  }
  return { line };
}

function secureBoot(value: readonly number[]): Uint8Array {
  const name = [...'SecureBoot'].flatMap((character) => [character.charCodeAt(0), 0]);
  const guid = [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
  const size = (count: number): number[] => [count, 0, 0, 0, 0, 0, 0, 0];
  return Uint8Array.from([...guid, ...size(10), ...size(value.length), ...name, ...value]);
}
