// man-page.mjs PROGRAM OUTPUT: writes cvm-attest(1) from the compiled program itself, so that it says what --help says.
// PROGRAM is the module with buildProgram. Part of scripts/build-ts.mjs.
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [programModule, output] = process.argv.slice(2);
const { buildProgram } = await import(pathToFileURL(resolve(programModule)).href);

const unstyled = (text) => text;
const terminal = { width: 100, style: { bold: unstyled }, noteStyle: { bold: unstyled, red: unstyled } };
const program = buildProgram({ terminal, env: {}, signal: new AbortController().signal, exitCode: 0 });
const help = program.createHelp();

/** Text in which nothing is a request or an escape, in ASCII (groff_man(7), groff_char(7)). */
const roff = (text) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&')
    .replace(/[^\n\x20-\x7e]/gu, (char) => `\\[u${char.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}]`);
const term = (name, text) => ['.TP', `.B ${roff(name)}`, roff(text)];

/** What --help prints after options and commands: examples, and whatever else there is to know. */
function afterHelp(command) {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text
    .slice(command.helpInformation().length)
    .replace(/^Exit codes:.*\n?/m, '')
    .trim();
}

/** Name, arguments, description, options and examples of one command. */
function body(command, name) {
  const words = [name, '[options]', ...command.registeredArguments.map((argument) => help.argumentTerm(argument))];
  const after = afterHelp(command);
  return {
    title: words.join(' '),
    lines: [
      roff(command.description()),
      ...command.registeredArguments.flatMap((argument) => term(argument.name(), help.argumentDescription(argument))),
      ...command.options.flatMap((option) => term(option.flags, help.optionDescription(option))),
      ...(after === '' ? [] : ['.PP', '.nf', roff(after), '.fi']),
    ],
  };
}

function section(command) {
  const own = body(command, command.name());
  const below = command.commands
    .filter((one) => one.name() !== 'help')
    .map((one) => body(one, `${command.name()} ${one.name()}`));
  return [
    `.SS ${roff(own.title)}`,
    ...own.lines,
    ...below.flatMap(({ title, lines }) => ['.PP', `.B ${roff(title)}`, '.br', ...lines]),
  ];
}

const commands = help.visibleCommands(program).filter((command) => command.name() !== 'help');
const variables = new Map(
  commands
    .flatMap((command) => [command, ...command.commands])
    .flatMap(({ options }) => options.filter(({ envVar }) => envVar).map(({ envVar, long }) => [envVar, long])),
);
const page = [
  `.TH CVM-ATTEST 1 "" "cvm-guest-attestation ${program.version()}"`,
  '.SH NAME',
  `cvm-attest \\- guest attestation for Azure confidential VMs`,
  '.SH SYNOPSIS',
  '.B cvm-attest',
  '.I command',
  '[options]',
  '.SH DESCRIPTION',
  roff(program.description()),
  'Results go to stdout; progress, notes and errors go to stderr.',
  '.SH COMMANDS',
  ...commands.flatMap(section),
  '.SH ENVIRONMENT',
  'Variables stand in for options.',
  ...[...variables].flatMap(([name, option]) => term(name, option)),
  ...term('NO_COLOR', 'no colours, on a terminal too'),
  '.SH EXIT STATUS',
  ...term('0', 'success'),
  ...term('1', 'a verification says no'),
  ...term('2', 'wrong usage'),
  ...term('3', 'a failure, whose error code is printed'),
  ...term('130', 'ended by Ctrl-C'),
];
writeFileSync(output, `${page.join('\n')}\n`);
