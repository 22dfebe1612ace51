import type { CommandWords, OptionWords } from './tree.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** The script that makes a shell complete `cvm-attest`; where to put it is said in its first lines. */
export function completionScript(shell: Shell, commands: readonly CommandWords[]): string {
  return { bash, zsh, fish }[shell](commands);
}

function bash(commands: readonly CommandWords[]): string {
  const cases = commands.map(
    ({ name, options, choices }) =>
      `    ${name})\n${valueCases(options)}      words='${options.flatMap(({ flags }) => flags).join(' ')}' names='${choices.join(' ')}' ;;`,
  );
  return `# bash completion for cvm-attest.  Use it:  source <(cvm-attest completion bash)
_cvm_attest() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words='' names=''
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} --help --version' -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words $names" -- "$current"))
  [[ $current == -* || ( -n $names && $COMP_CWORD -eq 2 ) ]] || COMPREPLY+=($(compgen -f -- "$current"))
}
complete -o filenames -F _cvm_attest cvm-attest
`;
}

/** Completes the word after an option that takes a value: one of its choices, or a file. */
function valueCases(options: readonly OptionWords[]): string {
  const cases = options
    .filter(({ takesValue }) => takesValue)
    .map(({ flags, choices }) => {
      const words = choices.length > 0 ? `-W '${choices.join(' ')}'` : '-f';
      return `        ${flags.join('|')}) COMPREPLY=($(compgen ${words} -- "$current")); return ;;`;
    });
  return cases.length === 0 ? '' : `      case "$previous" in\n${cases.join('\n')}\n      esac\n`;
}

function zsh(commands: readonly CommandWords[]): string {
  const describe = commands.map(({ name, summary }) => `    '${name}:${summary.replaceAll(':', '\\:')}'`);
  const cases = commands.map(({ name, options, choices }) => {
    const specs = options.map((option) => `        ${zshOption(option)}`);
    const rest = choices.length > 0 ? `'*:value:(${choices.join(' ')})'` : "'*:file:_files'";
    return `      ${name}) _arguments -s \\\n${[...specs, `        ${rest}`].join(' \\\n')} ;;`;
  });
  return `#compdef cvm-attest
# zsh completion for cvm-attest.  Use it:  source <(cvm-attest completion zsh)   (after compinit)
_cvm-attest() {
  local -a commands
  commands=(
${describe.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
  else
    local command=\${words[2]}
    shift words
    (( CURRENT-- ))
    case $command in
${cases.join('\n')}
    esac
  fi
}
compdef _cvm-attest cvm-attest
`;
}

function zshOption({ flags, summary, takesValue, choices }: OptionWords): string {
  const text = summary.replace(/[[\]]/g, '');
  const value = !takesValue ? '' : choices.length > 0 ? `:value:(${choices.join(' ')})` : ':value:_files';
  const names = flags.length > 1 ? `'(${flags.join(' ')})'{${flags.join(',')}}` : `${flags[0]}`;
  return `${names}'[${text}]${value}'`;
}

function fish(commands: readonly CommandWords[]): string {
  const lines = [
    '# fish completion for cvm-attest.  Use it:  cvm-attest completion fish | source',
    'complete -c cvm-attest -f',
  ];
  for (const { name, summary, options, choices } of commands) {
    lines.push(`complete -c cvm-attest -n __fish_use_subcommand -a ${name} -d '${summary}'`);
    const here = `-n '__fish_seen_subcommand_from ${name}'`;
    for (const choice of choices) lines.push(`complete -c cvm-attest ${here} -a ${choice}`);
    if (choices.length === 0) lines.push(`complete -c cvm-attest ${here} -F`);
    for (const option of options) {
      const flags = option.flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
      const value = !option.takesValue
        ? ''
        : option.choices.length > 0
          ? ` -x -a '${option.choices.join(' ')}'`
          : ' -r -F';
      lines.push(`complete -c cvm-attest ${here} ${flags.join(' ')}${value} -d '${option.summary}'`);
    }
  }
  return `${lines.join('\n')}\n`;
}
