import { Command } from 'commander';
import type { Context } from '../context.js';
import { runDemo } from '../demo/demo.js';

export function demoCommand(context: Context): Command {
  return new Command('demo')
    .summary('see it all work, on this machine, in a few seconds')
    .description(
      'Starts a simulated confidential VM, attests it, verifies its token, encrypts a message to the key in the token, decrypts it with the TPM, shows what is refused, and stops everything.',
    )
    .addHelpText(
      'after',
      `
Example:
  cvm-attest demo        needs nothing but the swtpm program`,
    )
    .action(() => runDemo(context));
}
