import { CliError } from '../exit.js';
import { readText } from './files.js';

const MAX_TOKEN_BYTES = 1 << 20;
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** A token: the argument itself when it looks like one, otherwise the content of the file that it names (`-` for stdin). */
export async function readToken(argument: string): Promise<string> {
  if (argument.startsWith('eyJ') && COMPACT.test(argument)) return argument;
  const text = (await readText(argument, MAX_TOKEN_BYTES)).trim();
  if (text === '') throw new CliError('ERR_INPUT_EMPTY', `${argument === '-' ? 'stdin' : argument} is empty`);
  return text;
}
