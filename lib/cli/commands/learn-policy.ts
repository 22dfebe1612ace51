import { Command } from 'commander';
import {
  diffPolicy,
  evidenceFromJson,
  explainEvidence,
  type PolicyDifference,
  policyFromEvidence,
} from '../../index.js';
import type { Context } from '../context.js';
import { Exit, UsageError } from '../exit.js';
import { parseBytes } from '../input/bytes.js';
import { addCollateralOptions, type CollateralArguments, collateralOption } from '../input/collateral.js';
import { readInput, writeOutput } from '../input/files.js';
import {
  addVerificationOptions,
  readPolicy,
  type VerificationArguments,
  verificationOptions,
} from '../input/verification.js';
import { jsonOption } from '../options.js';
import { printChecks, printVerdict } from '../output/checks.js';
import { printable } from '../output/printable.js';

const MAX_EVIDENCE_BYTES = 2 << 20;

interface LearnOptions extends VerificationArguments, CollateralArguments {
  nonce?: Uint8Array;
  context?: string;
  userData?: Uint8Array;
  out?: string;
}

/** `cvm-attest policy learn`: what to pin from a machine that is good. */
export function learnPolicyCommand(context: Context): Command {
  const command = new Command('learn')
    .summary('make a policy out of the evidence of a good machine')
    .description(
      'Verifies evidence and writes the policy that pins what it proves: products, TCB, launch measurement or ID key, PCRs, secure boot. Only the evidence of a machine that you know to be good should become a policy.',
    )
    .argument('<evidence>', 'file written by cvm-attest evidence; - for stdin')
    .option('--nonce <bytes>', 'the nonce that was given to the guest', parseBytes)
    .option('--context <name>', 'the context that was given to the guest')
    .option('--user-data <bytes>', 'the user data that the report must echo', parseBytes)
    .option('-o, --out <file>', 'where to write the policy; default: stdout');
  addCollateralOptions(addVerificationOptions(command));
  return command
    .addHelpText(
      'after',
      `
Example:
  cvm-attest policy learn evidence.json --nonce 5f0c2a… --out policy.json`,
    )
    .action((path: string, options: LearnOptions) => learn(context, path, options));
}

async function learn(context: Context, path: string, options: LearnOptions): Promise<void> {
  const { terminal } = context;
  const { nonce, userData, out } = options;
  const evidence = evidenceFromJson(await readInput(path, MAX_EVIDENCE_BYTES));
  const result = await explainEvidence(evidence, {
    ...(await verificationOptions(options)),
    ...(await collateralOption(context, options, evidence)),
    ...(nonce === undefined ? {} : { nonce }),
    ...(options.context === undefined ? {} : { context: options.context }),
    ...(userData === undefined ? {} : { userData }),
  });
  if (!result.ok) {
    context.exitCode = Exit.refused;
    printChecks(
      terminal,
      result.checks.filter(({ ok }) => !ok),
    );
    printVerdict(terminal, false, result.checks, 'evidence');
    return;
  }
  const text = JSON.stringify(policyFromEvidence(evidence, result), null, 2);
  if (out === undefined || out === '-') {
    terminal.print(text);
    return;
  }
  await writeOutput(out, `${text}\n`);
  terminal.note(`${out}: ${Buffer.byteLength(text)} bytes`);
}

/** `cvm-attest policy diff`: what an update of a machine changed. */
export function diffPolicyCommand(context: Context): Command {
  return new Command('diff')
    .summary('say what changed from one policy to another')
    .description(
      'Says member by member what two policies differ in: what an update of a machine changed, when both were learned from it.',
    )
    .argument('<before>', 'a policy (JSON)')
    .argument('<after>', 'another one')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Example:
  cvm-attest policy diff policy.json policy-after-update.json`,
    )
    .action(async (before: string, after: string, { json }: { json?: boolean }) => {
      if (before === '-' && after === '-') throw new UsageError('only one of the policies can be read from stdin');
      const [one, other] = [await readPolicy(before), await readPolicy(after)];
      const differences = diffPolicy(one ?? {}, other ?? {});
      if (json) context.terminal.json({ differences });
      else print(context, differences);
    });
}

function print({ terminal }: Context, differences: readonly PolicyDifference[]): void {
  const { bold, red, green } = terminal.style;
  if (differences.length === 0) terminal.print('the policies demand the same');
  for (const { member, before, after } of differences) {
    terminal.print(bold(printable(member)));
    if (before !== undefined) terminal.print(`  ${red('-')} ${printable(JSON.stringify(before))}`);
    if (after !== undefined) terminal.print(`  ${green('+')} ${printable(JSON.stringify(after))}`);
  }
}
