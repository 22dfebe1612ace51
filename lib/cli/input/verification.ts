import { type Command, InvalidArgumentError, Option } from 'commander';
import type { SnpVerificationOptions } from '../../verify/options.js';
import { parsePolicy, type VerificationPolicy } from '../../verify/policy.js';
import { collect, ENV } from '../options.js';
import { readRoots } from './certificates.js';
import { readInput, readJson } from './files.js';

/** Options of every command that verifies a report or evidence, as commander delivers them. */
export interface VerificationArguments {
  policy?: string;
  trustedRoot?: string[];
  crl?: string[];
  now?: Date;
}

const MAX_POLICY_BYTES = 1 << 20;
const MAX_CRL_BYTES = 16 << 20;

export function addVerificationOptions(command: Command): Command {
  return addTrustedRootOption(addPolicyOption(command))
    .option('--crl <file>', "AMD's revocation list, DER or PEM; may be repeated", collect)
    .option('--now <time>', 'verify as of this time (ISO 8601); default: now', parseTime);
}

export function addPolicyOption(command: Command): Command {
  return command.addOption(
    new Option('--policy <file>', 'what to demand besides that it is genuine: JSON, see docs/policy.md').env(
      ENV.policy,
    ),
  );
}

export function addTrustedRootOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--trusted-root <file>',
      "root certificates that replace AMD's, as a simulated guest has them; may be repeated",
    )
      .argParser(collect)
      .env(ENV.trustedRoot),
  );
}

/** Root certificates from the files that the option, or the environment variable, names. */
export async function readTrustedRoots(paths: string[] | undefined): Promise<Uint8Array[] | undefined> {
  return paths === undefined ? undefined : readRoots(paths);
}

/** The policy in the file that the option, or the environment variable, names. */
export async function readPolicy(path: string | undefined): Promise<VerificationPolicy | undefined> {
  return path === undefined ? undefined : parsePolicy(await readJson(path, MAX_POLICY_BYTES));
}

/**
 * What a verdict must be read with: that other roots than AMD's were trusted (an environment variable may have done that
 * unnoticed), or that it is not about today.
 */
export function cautionOf({ trustedRoot, now }: VerificationArguments): string | undefined {
  const parts = [
    ...(trustedRoot === undefined ? [] : [`with ${trustedRoot.join(', ')} in place of AMD's roots`]),
    ...(now === undefined ? [] : [`as of ${now.toISOString().slice(0, 19)}Z`]),
  ];
  return parts.length === 0 ? undefined : `verified ${parts.join(', ')}`;
}

/** Reads the files that the options name. */
export async function verificationOptions(options: VerificationArguments): Promise<SnpVerificationOptions> {
  const { policy, trustedRoot, crl, now } = options;
  const made: SnpVerificationOptions = {};
  const demands = await readPolicy(policy);
  if (demands !== undefined) made.policy = demands;
  const trustedRoots = await readTrustedRoots(trustedRoot);
  if (trustedRoots !== undefined) made.trustedRoots = trustedRoots;
  if (crl !== undefined) made.crls = await Promise.all(crl.map((path) => readInput(path, MAX_CRL_BYTES)));
  if (now !== undefined) made.now = now;
  return made;
}

export function parseTime(argument: string): Date {
  const time = new Date(argument);
  if (Number.isNaN(time.getTime()) || !/^\d{4}-\d{2}-\d{2}/.test(argument)) {
    throw new InvalidArgumentError('It takes a time such as 2026-01-31T12:00:00Z.');
  }
  return time;
}
