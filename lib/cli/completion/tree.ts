import type { Command, Option } from 'commander';

export interface OptionWords {
  /** `--file`, and `-f` where there is one. */
  flags: string[];
  /** First sentence of the description. */
  summary: string;
  takesValue: boolean;
  /** The values it takes, where they are known. */
  choices: readonly string[];
}

export interface CommandWords {
  name: string;
  summary: string;
  options: OptionWords[];
  /** The values of its argument, where they are known. */
  choices: readonly string[];
}

/**
 * What there is to complete: read off the program itself, so that no option can be forgotten. A command that has others is
 * completed by their names first, then by all that they take.
 */
export function commandWords(program: Command): CommandWords[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .map((command) => {
      const below = subcommandsOf(command);
      const options = [command, ...below].flatMap((one) => one.createHelp().visibleOptions(one).map(optionWords));
      return {
        name: command.name(),
        summary: firstSentence(command.summary() || command.description()),
        options: options.filter((one, at) => options.findIndex(({ flags }) => flags[0] === one.flags[0]) === at),
        choices:
          below.length > 0
            ? below.map((one) => one.name())
            : command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
      };
    });
}

/** Commands of a command, without its help. */
function subcommandsOf(command: Command): Command[] {
  return command.commands.filter((one) => one.name() !== 'help');
}

function optionWords(option: Option): OptionWords {
  return {
    flags: [option.long, option.short].filter((flag): flag is string => flag !== undefined && flag !== null),
    summary: firstSentence(option.description),
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  };
}

function firstSentence(text: string): string {
  return (/^.*?(?=[.:;](?:\s|$)|\n|$)/.exec(text)?.[0] ?? text).replaceAll("'", '’');
}
