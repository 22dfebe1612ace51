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

/** What there is to complete: read off the program itself, so that no option can be forgotten. */
export function commandWords(program: Command): CommandWords[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .map((command) => ({
      name: command.name(),
      summary: firstSentence(command.summary() || command.description()),
      options: command.createHelp().visibleOptions(command).map(optionWords),
      choices: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
    }));
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
