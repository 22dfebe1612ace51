import { X509Certificate } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { EvidenceCertificates } from '../../abi/evidence.js';
import { certificateInputs } from '../../abi/pem.js';
import { CliError, UsageError } from '../exit.js';
import { fileError, readInput } from './files.js';

const MAX_CERTIFICATE_FILE_BYTES = 1 << 20;
const MAX_FILES = 64;
const EXTENSION = /\.(pem|der|crt|cer|cert)$/i;

/**
 * Certificates of a report, from files in PEM (up to 16 in one) or DER, or folders of such files: the one of the chip
 * (VCEK) or provider (VLEK), and whatever else there is as its chain.
 */
export async function readCertificates(paths: readonly string[]): Promise<EvidenceCertificates> {
  const all = await readCertificateFiles(paths);
  const leaves = all.filter(isLeaf);
  const [leaf, second] = leaves;
  if (leaf === undefined)
    throw new CliError('ERR_CERTIFICATE_MISSING', `there is no VCEK or VLEK among the ${all.length} certificates`);
  if (second !== undefined && !leaf.raw.equals(second.raw)) {
    throw new UsageError(`there are ${leaves.length} different VCEK or VLEK certificates; give the one of this report`);
  }
  return { vcek: leaf.raw, chain: all.filter((certificate) => !isLeaf(certificate)).map(({ raw }) => raw) };
}

/** Root certificates to trust in place of AMD's. */
export async function readRoots(paths: readonly string[]): Promise<Uint8Array[]> {
  return (await readCertificateFiles(paths)).map(({ raw }) => raw);
}

async function readCertificateFiles(paths: readonly string[]): Promise<X509Certificate[]> {
  const files: string[] = [];
  for (const path of paths) files.push(...(await certificateFilesIn(path)));
  if (files.length > MAX_FILES) throw new UsageError(`more than ${MAX_FILES} certificate files`);
  const certificates: X509Certificate[] = [];
  for (const file of files) certificates.push(...parse(file, await readInput(file, MAX_CERTIFICATE_FILE_BYTES)));
  return certificates;
}

async function certificateFilesIn(path: string): Promise<string[]> {
  if (path === '-') return [path];
  const found = await stat(path).catch((cause: unknown) => {
    throw fileError(`${path} cannot be read`, cause);
  });
  if (!found.isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => EXTENSION.test(name)).sort();
  if (names.length === 0)
    throw new CliError('ERR_CERTIFICATE_MISSING', `${path} holds no .pem, .der, .crt or .cer file`);
  return names.map((name) => join(path, name));
}

function parse(file: string, bytes: Buffer): X509Certificate[] {
  try {
    return certificateInputs(bytes).map((der) => new X509Certificate(der));
  } catch (cause) {
    throw new CliError('ERR_CERTIFICATE_FORMAT', `${file} is neither a PEM nor a DER certificate`, cause);
  }
}

function isLeaf({ subject }: X509Certificate): boolean {
  return /^CN=SEV-V[CL]EK$/m.test(subject);
}
