import { Command } from 'commander';
import type { CommandFactory, Context } from '../context.js';
import { diffPolicyCommand, learnPolicyCommand } from './learn-policy.js';
import {
  buildPolicyCommand,
  decodePolicyCommand,
  encodePolicyCommand,
  explainPolicyCommand,
} from './release-policy.js';

const EXAMPLES = `
Examples:
  cvm-attest policy learn evidence.json --out policy.json     pin what a good machine proves
  cvm-attest policy diff policy.json after-update.json        see what an update changed`;

/** Every subcommand of `cvm-attest policy`, one a line. */
const SUBCOMMANDS: readonly CommandFactory[] = [
  learnPolicyCommand,
  diffPolicyCommand,
  explainPolicyCommand,
  buildPolicyCommand,
  encodePolicyCommand,
  decodePolicyCommand,
];

export function policyCommand(context: Context): Command {
  const command = new Command('policy')
    .summary('make and explain policies')
    .description('Makes, compares and explains what is demanded of a machine before it is trusted.');
  for (const make of SUBCOMMANDS) command.addCommand(make(context));
  return command.addHelpText('after', EXAMPLES);
}
