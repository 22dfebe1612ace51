import { measuredBytes, textOf } from '../abi/event-log/description.js';
import { type EfiVariable, readImagePath, readVariable } from '../abi/event-log/efi-data.js';
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

const SECURE_BOOT = { guid: '8be4df61-93ca-11d2-aa0d-00e098032b8c', name: 'SecureBoot' };
const KERNEL_COMMAND_LINE = 'kernel_cmdline: ';
const LOADS_KERNEL = /^linux(?:16|efi)? (.*)$/s;

type Kind = 'separator' | 'action' | 'marker' | 'SecureBoot';
let kinds: ReadonlyMap<string, Kind> | undefined;

/** What an event with this digest is, of what firmware measures beside variables and code. Made when a log is first read. */
function kindOf(digest: string): Kind | undefined {
  kinds ??= new Map(
    [
      ...[0, 0xff].map((byte) => ['separator', new Uint8Array(4).fill(byte)] as const),
      // TCG PC Client Platform Firmware Profile, "EV_EFI_ACTION Event Types", before SecureBoot, and PCR 4's markers.
      ...['UEFI Debug Mode', 'DMA Protection Disabled'].map((text) => ['action', utf8Bytes(text)] as const),
      ...[
        'Calling EFI Application from Boot Option',
        'Returning from EFI Application from Boot Option',
        'BOOT ATTEMPTS OMITTED',
      ].map((text) => ['marker', utf8Bytes(text)] as const),
      // The variable with each value that it can have, absence included.
      ...[[], [0], [1]].map((value) => ['SecureBoot', secureBootVariable(value)] as const),
    ].map(([kind, bytes]) => [hex(sha2('SHA-256', bytes)), kind]),
  );
  return kinds.get(digest);
}

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
  /** Reads a fact out of a PCR's events; `read` returns why it is absent, or nothing. */
  const fact = (pcr: number, name: keyof BootFacts['absent'], read: (events: TcgEvent[]) => string | undefined) => {
    const reason = isMeasured(pcr)
      ? read(events.filter((event) => event.pcr === pcr && event.type !== EV_NO_ACTION))
      : 'not quoted, or not what the log replays to';
    if (reason !== undefined) facts.absent[name] = `PCR ${pcr}: ${reason}`;
  };
  fact(7, 'secureBoot', (measured) => {
    const problem = readSecureBoot(measured, digest, facts);
    if (problem !== undefined) facts.fault = `PCR 7: ${problem}`;
    return problem;
  });
  fact(4, 'bootApplications', (measured) => {
    facts.bootApplications = measured.flatMap(bootApplication);
    return undefined;
  });
  fact(8, 'kernelCommandLine', (measured) => readCommandLine(measured, digest, facts));
  return facts;
}

/** PCR 7 up to its separator: actions, then SecureBoot, then further variables, and never SecureBoot again. */
function readSecureBoot(events: readonly TcgEvent[], digest: Digest, facts: BootFacts): string | undefined {
  const found = events.map((event) => kindOf(digestOf(event)));
  const separator = found.indexOf('separator');
  if (separator < 0) return 'no separator';
  const first = found.findIndex((kind) => kind !== 'action');
  const variables = events.slice(first, separator).map((event) => measuredVariable(event, digest));
  const [variable] = variables;
  if (variable === undefined || !isSecureBoot(variable)) return 'the first variable is not SecureBoot as measured';
  if (variables.includes(undefined)) return 'an event is not a variable as measured';
  if (found.lastIndexOf('separator') > separator) return 'a second separator';
  const isAgain = ({ data }: TcgEvent, index: number): boolean =>
    index !== first && (found[index] === 'SecureBoot' || isSecureBoot(readVariable(data)));
  if (events.some(isAgain)) return 'SecureBoot twice';
  const [value = 0, ...more] = variable.data;
  if (more.length > 0 || value > 1) return 'SecureBoot is neither 0 nor 1';
  facts.secureBoot = value === 1;
  return undefined;
}

/** UEFI_VARIABLE_DATA whose whole data the digest is of. */
function measuredVariable(event: TcgEvent, digest: Digest): EfiVariable | undefined {
  return hex(digest('SHA-256', event.data)) === digestOf(event) ? readVariable(event.data) : undefined;
}

function isSecureBoot(variable: EfiVariable | undefined): boolean {
  return variable?.guid === SECURE_BOOT.guid && variable.name === SECURE_BOOT.name;
}

function digestOf({ digests }: TcgEvent): string {
  return digests.sha256 === undefined ? '' : hex(digests.sha256);
}

function bootApplication(event: TcgEvent): { path: string; sha256: string }[] {
  const sha256 = digestOf(event);
  if (['separator', 'marker'].includes(kindOf(sha256) ?? '')) return [];
  return [{ path: readImagePath(event.data) ?? 'unknown', sha256 }];
}

/**
 * GRUB measures the command that loads a kernel (`linux /vmlinuz root=…`) and then the line that the kernel gets, both
 * without their prefixes. The line counts when there is one such pair and no other event that claims to be one.
 */
function readCommandLine(events: readonly TcgEvent[], digest: Digest, facts: BootFacts): string | undefined {
  const lines = new Set<string>();
  for (const event of events) {
    const bytes = measuredBytes(event, digest);
    if (bytes === undefined) return 'an event does not show what was measured';
    const [, line] = LOADS_KERNEL.exec(latin1Text(bytes)) ?? [];
    if (line !== undefined) lines.add(line);
  }
  const [line] = lines;
  if (line === undefined || lines.size > 1) return `${lines.size} commands that load a kernel`;
  const labelled = events.map(({ data }) => textOf(data)).filter((text) => text?.startsWith(KERNEL_COMMAND_LINE));
  if (labelled.length !== 1) return `${labelled.length} events of a command line`;
  if (labelled[0] !== KERNEL_COMMAND_LINE + line) return 'not the command line that the kernel was loaded with';
  facts.kernelCommandLine = line;
  return undefined;
}

function secureBootVariable(value: readonly number[]): Uint8Array {
  const name = [...SECURE_BOOT.name].flatMap((character) => [character.charCodeAt(0), 0]);
  const guid = [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
  const size = (count: number): number[] => [count, 0, 0, 0, 0, 0, 0, 0];
  return Uint8Array.from([...guid, ...size(10), ...size(value.length), ...name, ...value]);
}
