import { AttestationError, ErrorCode } from '../base/errors.js';
import { readBounded } from './bounded-file.js';
import type { OsInfo } from './guest-request.js';

const MAX_FILE_BYTES = 64 * 1024;
const MAX_VERSION = 0xffff_ffff;

/** @throws AttestationError 11 when the file cannot be read or has no `NAME`. */
export async function readOsInfo(path: string, signal?: AbortSignal): Promise<OsInfo> {
  let text: Buffer;
  try {
    text = await readBounded(path, MAX_FILE_BYTES, signal);
  } catch (cause) {
    throw new AttestationError(ErrorCode.FAILED_TO_GET_OS_INFO, `${path} cannot be read`, { cause });
  }
  return parseOsRelease(text.toString('utf8'));
}

/**
 * Name and version out of os-release(5): shell-like assignments, of which the last for a name counts. Version numbers
 * follow the reference client, which the service knows: `22.04` is 22 and 4, `12` is 12 and 0, and what cannot be read
 * (none, `rolling`, `7.x`, `12.`, out of range) is 1 and 0. Values are unquoted as a shell would, which the reference
 * does for double quotes only.
 *
 * @throws AttestationError 11 when there is no `NAME`.
 */
export function parseOsRelease(text: string): OsInfo {
  const values = new Map<string, string>();
  for (const line of text.split(/[\r\n]+/)) {
    const assignment = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line);
    if (assignment?.[1] !== undefined) values.set(assignment[1], unquote((assignment[2] ?? '').trim()));
  }
  const distribution = values.get('NAME');
  if (distribution === undefined) {
    throw new AttestationError(ErrorCode.FAILED_TO_GET_OS_INFO, 'os-release has no NAME');
  }
  const [versionMajor, versionMinor] = parseVersion(values.get('VERSION_ID') ?? '');
  return { distribution, versionMajor, versionMinor };
}

/** Digits at the head of each part count, what follows them does not: `12abc` is 12. */
function parseVersion(text: string): [major: number, minor: number] {
  const [majorText = '', minorText] = text.split('.');
  const major = leadingNumber(majorText);
  const minor = minorText === undefined ? 0 : leadingNumber(minorText);
  return major === undefined || minor === undefined ? [1, 0] : [major, minor];
}

function leadingNumber(text: string): number | undefined {
  const digits = /^\d+/.exec(text)?.[0];
  if (digits === undefined) return undefined;
  const number = Number(digits);
  return number <= MAX_VERSION ? number : undefined;
}

/** os-release(5): single quotes are literal; in double quotes a backslash escapes `"`, `$`, `\` and a backtick. */
function unquote(value: string): string {
  if (value.length >= 2 && value.startsWith("'") && value.endsWith("'")) return value.slice(1, -1);
  if (value.length >= 2 && value.startsWith('"') && value.endsWith('"')) {
    return value.slice(1, -1).replace(/\\(["$\\`])/g, '$1');
  }
  return value.replace(/\\(.)/g, '$1');
}
