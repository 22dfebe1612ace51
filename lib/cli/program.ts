import { Command, Help } from 'commander';
import { attestCommand } from './commands/attest.js';
import { completionCommand } from './commands/completion.js';
import { decryptCommand } from './commands/decrypt.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { encryptCommand } from './commands/encrypt.js';
import { evidenceCommand } from './commands/evidence.js';
import { explainCommand } from './commands/explain.js';
import { keyCommand } from './commands/key.js';
import { policyCommand } from './commands/policy.js';
import { quoteCommand } from './commands/quote.js';
import { reportCommand } from './commands/report.js';
import { runCommand } from './commands/run.js';
import { secretCommand } from './commands/secret.js';
import { serveCommand } from './commands/serve.js';
import { simulateCommand } from './commands/simulate.js';
import { tokenCommand } from './commands/token.js';
import { verifyCommand } from './commands/verify.js';
import type { CommandFactory, Context } from './context.js';
import { makeStyle } from './output/style.js';
import { packageVersion } from './version.js';

const GUEST = 'On a confidential VM:';
const ANYWHERE = 'Anywhere:';
const SIMULATED = 'Without a confidential VM:';
const SHELL = 'Shell:';

/** Every command, one a line, in the order of the help. */
const COMMANDS: readonly (readonly [group: string, make: CommandFactory])[] = [
  [GUEST, reportCommand],
  [GUEST, quoteCommand],
  [GUEST, evidenceCommand],
  [GUEST, attestCommand],
  [GUEST, decryptCommand],
  [GUEST, keyCommand],
  [GUEST, secretCommand],
  [GUEST, runCommand],
  [GUEST, doctorCommand],
  [ANYWHERE, verifyCommand],
  [ANYWHERE, tokenCommand],
  [ANYWHERE, encryptCommand],
  [ANYWHERE, policyCommand],
  [ANYWHERE, serveCommand],
  [ANYWHERE, explainCommand],
  [SIMULATED, demoCommand],
  [SIMULATED, simulateCommand],
  [SHELL, completionCommand],
];

/** The whole command line as a tree of commands; nothing runs until it is parsed. */
export function buildProgram(context: Context): Command {
  const program = new Command('cvm-attest')
    .description('Guest attestation for Azure confidential VMs: read it, prove it, explain it.')
    .enablePositionalOptions()
    .version(packageVersion(), '-V, --version', 'print the version')
    .addHelpText('after', `${EXIT_CODES}\n${MORE_HELP}`);
  for (const [group, make] of COMMANDS) {
    const command = make(context).helpGroup(group);
    for (const one of [command, ...command.commands]) one.addHelpText('after', EXIT_CODES);
    program.addCommand(command);
  }
  configure(program, context);
  return program;
}

const MANY_CHOICES = 8;

const EXIT_CODES = `
Exit codes: 0 success · 1 a verification says no · 2 wrong usage · 3 a failure, with its error code · 130 Ctrl-C`;
const MORE_HELP = '`cvm-attest COMMAND --help` shows the options and examples of a command.';

function configure(command: Command, context: Context): void {
  const { terminal } = context;
  command
    .exitOverride()
    .helpOption('-h, --help', 'print this help')
    .showSuggestionAfterError(true)
    .showHelpAfterError(`(${pathOf(command)} --help shows what it takes)`)
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      getOutHasColors: () => terminal.style.bold('x') !== 'x',
      getErrHasColors: () => terminal.noteStyle.bold('x') !== 'x',
      getOutHelpWidth: () => terminal.width,
      getErrHelpWidth: () => terminal.width,
      outputError: (text, write) =>
        write(text.replace(/^error:/, terminal.noteStyle.bold(terminal.noteStyle.red('error:')))),
    })
    .configureHelp({
      // A long list of choices is told at the end, with what each one means.
      optionDescription: (option) =>
        (option.argChoices?.length ?? 0) > MANY_CHOICES ? option.description : new Help().optionDescription(option),
      // Commander strips the colours again where the stream has none.
      styleTitle: (title) => makeStyle(true).bold(title),
      styleOptionText: (text) => makeStyle(true).cyan(text),
      styleSubcommandText: (text) => makeStyle(true).cyan(text),
    });
  if (command.parent === null) command.helpCommand('help [command]', 'print the help of a command').helpCommand(true);
  for (const child of command.commands) configure(child, context);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
