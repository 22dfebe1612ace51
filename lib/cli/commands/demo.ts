import { Command } from 'commander';
import type { Context } from '../context.js';
import { runDemo } from '../demo/demo.js';

export function demoCommand(context: Context): Command {
  return new Command('demo')
    .summary('see it all work, on this machine, in a few seconds')
    .description(
      'Starts a simulated confidential VM, attests it, verifies its token, encrypts a message to the key in the token, decrypts it with the TPM, shows what is refused, and stops everything.',
    )
    .option('--tdx', 'a machine of Intel TDX in place of one of AMD SEV-SNP')
    .addHelpText(
      'after',
      `
Examples:
  cvm-attest demo        needs nothing but the swtpm program
  cvm-attest demo --tdx`,
    )
    .action(({ tdx }: { tdx?: boolean }) => runDemo(context, tdx === true));
}
