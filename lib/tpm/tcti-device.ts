import { accessSync, constants, readlinkSync, type Stats, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename } from 'node:path';
import type { NativeError } from '../native.js';

/** TSS2_TCTI_RC_IO_ERROR: what the device TCTI answers when it cannot open its file. */
const TCTI_IO_ERROR = 0xa000a;
const DEFAULT_DEVICE = '/dev/tpmrm0';
/** Names under which the kernel has TPMs (and, for /dev/tpm0 of old ones, miscellaneous devices). */
const TPM_CLASSES = new Set(['tpm', 'tpmrm', 'misc']);

/** File of a TCTI string that goes to the device TCTI, by its short name or its library's; undefined for any other. */
export function deviceOf(tcti: string): string | undefined {
  const [, path] = /^(?:device|(?:.*\/)?libtss2-tcti-device\.so(?:\.\d+)*)(?::(.*))?$/s.exec(tcti) ?? [];
  if (path !== undefined && path !== '') return path;
  return /^(?:device|(?:.*\/)?libtss2-tcti-device\.so(?:\.\d+)*):?$/.test(tcti) ? DEFAULT_DEVICE : undefined;
}

/**
 * Looks at the file before the device TCTI opens it for writing, which would overwrite the head of a regular one. That there
 * is no TPM, that it may not be opened, and that it is not a TPM are three errors.
 *
 * @throws NativeError of kind `tpm-unavailable`
 */
export function requireTpmDevice(tcti: string): void {
  const path = deviceOf(tcti);
  if (path === undefined) return;
  const stats = existing(path);
  if (!stats.isCharacterDevice())
    throw unavailable(`${path} is not a TPM: it is ${kindOf(stats)}, not a character device`);
  const kernelClass = classOf(stats);
  if (kernelClass !== undefined && !TPM_CLASSES.has(kernelClass)) {
    throw unavailable(`${path} is not a TPM: it is a device of the class ${kernelClass}`);
  }
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw unavailable(notPermitted(path, stats), cause);
  }
}

function existing(path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EACCES') {
      throw unavailable(`no permission to look at ${path} as ${userInfo().username}`, cause);
    }
    throw unavailable(
      `there is no TPM: ${path} does not exist. This is not a VM with a vTPM, or a container without the device`,
      cause,
    );
  }
}

function notPermitted(path: string, { gid }: Stats): string {
  return `no permission to open ${path} as ${userInfo().username}: run as root, or as a member of the device's group (gid ${gid}, mostly tss)`;
}

function kindOf(stats: Stats): string {
  if (stats.isFile()) return 'a regular file';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isSocket()) return 'a socket';
  if (stats.isBlockDevice()) return 'a block device';
  return 'a pipe';
}

/** What the kernel says that a character device is; undefined where it does not say (no sysfs). */
function classOf({ rdev }: Stats): string | undefined {
  // As in glibc's gnu_dev_major and gnu_dev_minor, for numbers below 2^32.
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  try {
    return basename(readlinkSync(`/sys/dev/char/${major}:${minor}/subsystem`));
  } catch {
    return undefined;
  }
}

function unavailable(message: string, cause?: unknown): NativeError {
  const error = new Error(message, cause === undefined ? undefined : { cause });
  return Object.assign(error, { kind: 'tpm-unavailable', tpmErrorCode: TCTI_IO_ERROR } as const);
}
