import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CvmConfiguration } from './options.js';
import type { ScratchFolder } from './scratch-folder.js';

export const eventLogFile = (folder: ScratchFolder): string => join(folder.path, 'binary_bios_measurements');
export const productUuidFile = (folder: ScratchFolder): string => join(folder.path, 'product_uuid');
export const osReleaseFile = (folder: ScratchFolder): string => join(folder.path, 'os-release');

const defaultOsRelease = [
  'PRETTY_NAME="Ubuntu 24.04.1 LTS"',
  'NAME="Ubuntu"',
  'VERSION_ID="24.04"',
  'VERSION="24.04.1 LTS (Noble Numbat)"',
  'ID=ubuntu',
  '',
].join('\n');

/** Writes what a guest finds on its disk: the firmware's event log, os-release and the machine's UUID. */
export async function writeGuestFiles(
  folder: ScratchFolder,
  { eventLog, osRelease = defaultOsRelease }: CvmConfiguration,
  bytes: Buffer,
  vmId: string,
): Promise<void> {
  const log = typeof eventLog === 'function' ? eventLog(bytes) : eventLog === 'empty' ? Buffer.alloc(0) : bytes;
  if (log) await writeFile(eventLogFile(folder), log);
  await writeFile(osReleaseFile(folder), osRelease);
  await writeFile(productUuidFile(folder), `${vmId.toLowerCase()}\n`);
}
