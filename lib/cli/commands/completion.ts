import { Argument, Command } from 'commander';
import { completionScript, SHELLS, type Shell } from '../completion/scripts.js';
import { commandWords } from '../completion/tree.js';
import type { Context } from '../context.js';

export function completionCommand({ terminal }: Context): Command {
  const command: Command = new Command('completion')
    .summary('print a completion script for your shell')
    .description('Prints a script that makes your shell complete cvm-attest, its commands and their options.')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  source <(cvm-attest completion bash)
  cvm-attest completion fish > ~/.config/fish/completions/cvm-attest.fish`,
    )
    .action((shell: Shell) => {
      terminal.stdout.write(completionScript(shell, commandWords(command.parent as Command)));
    });
  return command;
}
