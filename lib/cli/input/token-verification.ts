import { type Command, Option } from 'commander';
import type { JSONWebKeySet } from 'jose';
import type { VerifyTokenOptions } from '../../token/options.js';
import { CliError, UsageError } from '../exit.js';
import { collect, proxyOption } from '../options.js';
import { parseInteger } from './bytes.js';
import { readJson } from './files.js';
import { readExpectedPayload } from './payload.js';
import { parseTime } from './verification.js';

/** Options that verify a token, as commander delivers them. */
export interface TokenArguments {
  issuer?: string[];
  keys?: string;
  proxy?: string | false;
  nonce?: string;
  payload?: string[];
  attestationType?: 'azurevm' | 'sevsnpvm';
  requireSecureBoot?: boolean;
  requireCompliance: boolean;
  allowDebug?: boolean;
  allowMigration?: boolean;
  now?: Date;
  clockTolerance?: number;
}

const MAX_KEYS_BYTES = 4 << 20;

export function addTokenOptions(command: Command): Command {
  return command
    .option('--issuer <url>', "whose token it must be: the attestation service's address; may be repeated", collect)
    .option('--keys <file|url>', "the issuer's keys (JWKS); default: {issuer}/certs")
    .addOption(proxyOption())
    .option('--nonce <text>', 'nonce that the token must carry')
    .option('--payload <name=value>', 'client payload that the token must carry; may be repeated', collect)
    .addOption(
      new Option('--attestation-type <type>', 'attestation type that it must have').choices(['azurevm', 'sevsnpvm']),
    )
    .option('--require-secure-boot', 'refuse a machine that booted without secure boot')
    .option('--no-require-compliance', 'accept a machine that is not an Azure compliant confidential VM')
    .option('--allow-debug', 'accept a machine that can be debugged')
    .option('--allow-migration', 'accept a machine that a migration agent may move')
    .option('--now <time>', 'verify as of this time (ISO 8601); default: now', parseTime)
    .option('--clock-tolerance <seconds>', 'how far the clocks may differ; default 60', parseInteger(0, 3600));
}

export async function tokenVerification(options: TokenArguments): Promise<VerifyTokenOptions> {
  const { issuer, keys, nonce, payload, attestationType, now, clockTolerance } = options;
  if (issuer === undefined) throw new UsageError('--issuer is needed to verify a token');
  return {
    issuer,
    requireCompliance: options.requireCompliance,
    ...(keys === undefined ? {} : { keys: await readKeys(keys) }),
    ...(options.proxy === undefined ? {} : { keyFetch: { proxy: options.proxy } }),
    ...(nonce === undefined ? {} : { nonce }),
    ...(payload === undefined ? {} : { clientPayload: await readExpectedPayload(payload) }),
    ...(attestationType === undefined ? {} : { attestationType }),
    ...(options.requireSecureBoot ? { requireSecureBoot: true } : {}),
    ...(options.allowDebug ? { allowDebug: true } : {}),
    ...(options.allowMigration ? { allowMigration: true } : {}),
    ...(now === undefined ? {} : { now }),
    ...(clockTolerance === undefined ? {} : { clockTolerance }),
  };
}

async function readKeys(argument: string): Promise<JSONWebKeySet | URL> {
  if (/^https?:\/\//i.test(argument)) {
    if (!URL.canParse(argument)) throw new UsageError(`--keys: ${JSON.stringify(argument)} is not a URL`);
    return new URL(argument);
  }
  const value = await readJson(argument, MAX_KEYS_BYTES);
  const keys = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : undefined;
  if (!Array.isArray(keys)) throw new CliError('ERR_INPUT_KEYS', `${argument} is not a JSON Web Key Set`);
  return value as JSONWebKeySet;
}
