import { Command } from 'commander';
import {
  buildReleasePolicy,
  decodeUnverifiedToken,
  encodeReleasePolicy,
  evaluateReleasePolicy,
  explainReleasePolicy,
  parseReleasePolicy,
  type ReleaseCondition,
  type ReleasePolicy,
  verifyToken,
} from '../../index.js';
import type { AttestationClaims } from '../../token/claims.js';
import type { Context } from '../context.js';
import { Exit, UsageError } from '../exit.js';
import { parseInteger } from '../input/bytes.js';
import { readText } from '../input/files.js';
import { readToken } from '../input/token.js';
import { addTokenOptions, type TokenArguments, tokenVerification } from '../input/token-verification.js';
import { collect, jsonOption } from '../options.js';

const MAX_POLICY_BYTES = 256 * 1024;

interface ExplainOptions extends TokenArguments {
  policy: string;
  token: string;
  unverified?: boolean;
  json?: boolean;
}

/** `policy explain`: which conditions of a release policy a token meets. */
export function explainPolicyCommand(context: Context): Command {
  const command = new Command('explain')
    .summary('say whether a key would be released to the holder of a token, and why not')
    .description(
      'Evaluates a release policy over the claims of a token as the vault does, and says of every condition whether it is met. The token is verified by the keys of its issuer, unless --unverified says otherwise.',
    )
    .requiredOption('--policy <file>', 'the policy: JSON, or the release_policy of a key; - for stdin')
    .requiredOption('--token <token>', 'the token, or a file with it')
    .option('--unverified', 'do not verify the token: says nothing about who made it')
    .addOption(jsonOption());
  addTokenOptions(command);
  return command.action((options: ExplainOptions) => explain(context, options));
}

async function explain(context: Context, options: ExplainOptions): Promise<void> {
  const { terminal } = context;
  const policy = await readPolicy(options.policy);
  const token = await readToken(options.token);
  const evaluation = evaluateReleasePolicy(policy, await claimsOf(token, policy, options));
  if (!evaluation.released) context.exitCode = Exit.refused;
  const verified = options.unverified !== true;
  if (options.json) {
    terminal.json({ ok: evaluation.released && verified, verified, ...evaluation });
    return;
  }
  if (!verified) terminal.print(terminal.style.yellow('! the token is not verified'));
  terminal.print(explainReleasePolicy(evaluation));
}

/** Whose token it must be is in the policy, unless it is said. */
async function claimsOf(token: string, policy: ReleasePolicy, options: ExplainOptions): Promise<AttestationClaims> {
  if (options.unverified) return decodeUnverifiedToken(token).claims;
  const lenient = { requireCompliance: false, allowDebug: true, allowMigration: true };
  const issuer = options.issuer ?? policy.anyOf.map(({ authority }) => authority);
  const attestationType = options.attestationType ?? (['azurevm', 'sevsnpvm', 'tdxvm'] as const);
  return verifyToken(token, {
    ...(await tokenVerification({ ...options, issuer })),
    ...lenient,
    attestationType,
  });
}

interface BuildOptions {
  authority: string[];
  tee: 'snp' | 'tdx';
  compliant: boolean;
  secureBoot?: boolean;
  noDebug?: boolean;
  debug: boolean;
  vmId?: string[];
  minGuestSvn?: number;
  measurement?: string[];
  and?: string[];
  encode?: boolean;
}

/** `policy build`: a release policy for programs in a confidential VM. */
export function buildPolicyCommand(context: Context): Command {
  return new Command('build')
    .summary('make a release policy for a key')
    .description('Prints a release policy, for az keyvault key create --policy.')
    .requiredOption('--authority <url>', 'attestation service whose tokens are taken; may be repeated', collect)
    .option('--tee <tee>', 'snp or tdx', 'snp')
    .option('--no-compliant', 'do not ask for an azure-compliant-cvm')
    .option('--secure-boot', 'ask for secure boot')
    .option('--no-debug', 'refuse machines that may be debugged')
    .option('--vm-id <guid>', 'machine that gets the key; may be repeated', collect)
    .option('--min-guest-svn <number>', 'least security version of the image', parseInteger(0, 0xffffffff))
    .option('--measurement <hex>', 'launch measurement, or MRTD; may be repeated', collect)
    .option('--and <condition>', 'further condition as JSON; may be repeated', collect)
    .option('--encode', 'print it as release_policy of the REST API')
    .action((options: BuildOptions) => build(context, options));
}

function build({ terminal }: Context, options: BuildOptions): void {
  const { authority, tee, compliant, secureBoot, vmId, minGuestSvn, measurement, and } = options;
  const policy = buildReleasePolicy({
    authorities: authority,
    tee,
    compliant,
    ...(secureBoot && { secureBoot }),
    ...(options.debug === false && { noDebug: true }),
    ...(vmId && { vmIds: vmId }),
    ...(minGuestSvn !== undefined && { minGuestSvn }),
    ...(measurement && { launchMeasurements: measurement }),
    ...(and && { and: and.map(conditionOf) }),
  });
  terminal.print(JSON.stringify(options.encode ? encodeReleasePolicy(policy) : policy, null, 2));
}

function conditionOf(text: string): ReleaseCondition {
  try {
    return JSON.parse(text) as ReleaseCondition;
  } catch {
    throw new UsageError(`--and: ${JSON.stringify(text.slice(0, 60))} is not JSON`);
  }
}

/** `policy encode`: a policy as it is sent to the vault. */
export function encodePolicyCommand({ terminal }: Context): Command {
  return new Command('encode')
    .summary('encode a release policy for the REST API of a vault')
    .argument('[file]', 'the policy; - for stdin', '-')
    .option('--immutable', 'the policy can never be changed again')
    .action(async (file: string, { immutable = false }: { immutable?: boolean }) => {
      terminal.print(JSON.stringify(encodeReleasePolicy(await readPolicy(file), { immutable }), null, 2));
    });
}

/** `policy decode`: the policy in a key's release_policy. */
export function decodePolicyCommand({ terminal }: Context): Command {
  return new Command('decode')
    .summary("decode a key's release policy")
    .argument('[file]', 'a key, its release_policy, or the data in it; - for stdin', '-')
    .action(async (file: string) => {
      terminal.print(JSON.stringify(await readPolicy(file), null, 2));
    });
}

/** A policy in any of the forms that tools show it in. */
async function readPolicy(path: string): Promise<ReleasePolicy> {
  const text = (await readText(path, MAX_POLICY_BYTES)).trim();
  if (!text.startsWith('{')) return parseReleasePolicy({ data: text });
  const value = JSON.parse(text) as Record<string, unknown>;
  const encoded = value.release_policy ?? value.releasePolicy ?? value;
  const { data, encodedPolicy } = encoded as { data?: unknown; encodedPolicy?: unknown };
  if (typeof data === 'string') return parseReleasePolicy({ data });
  if (typeof encodedPolicy === 'string') return parseReleasePolicy({ data: encodedPolicy });
  return parseReleasePolicy(text);
}
