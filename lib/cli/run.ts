import { CommanderError } from 'commander';
import { VerificationError } from '../base/errors.js';
import type { Context } from './context.js';
import { Exit, UsageError } from './exit.js';
import { errorAsJson, printError } from './output/errors.js';
import { Terminal } from './output/terminal.js';
import { buildProgram } from './program.js';

/** Runs one command line and resolves with its exit code; never rejects. */
export async function run(argv: readonly string[]): Promise<number> {
  const interruption = new AbortController();
  const context: Context = {
    terminal: new Terminal(process.stdout, process.stderr, process.env),
    env: process.env,
    signal: interruption.signal,
    exitCode: Exit.ok,
  };
  endQuietlyWhenNobodyReads();
  const stopListening = listenForSignals(interruption);
  let json = false;
  try {
    const program = buildProgram(context);
    program.hook('preAction', (_, command) => {
      json = command.opts().json === true;
    });
    await program.parseAsync(argv as string[], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    const code = exitCodeFor(error, context, json);
    return code === Exit.ok ? code : (context.failureExitCode ?? code);
  } finally {
    stopListening();
  }
}

function exitCodeFor(error: unknown, { terminal, signal }: Context, json: boolean): number {
  // Commander has printed its own errors, and help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.ok : Exit.usage;
  if (error instanceof UsageError) {
    terminal.note(`${terminal.noteStyle.bold(terminal.noteStyle.red('error:'))} ${error.message}`);
    return Exit.usage;
  }
  if (signal.aborted) {
    terminal.note('interrupted');
    return Exit.interrupted;
  }
  if (json) terminal.json({ ok: false, error: errorAsJson(error) });
  printError(terminal, error);
  return error instanceof VerificationError ? Exit.refused : Exit.failure;
}

/** The first signal lets the command clean up; a second one ends it at once. */
function listenForSignals(interruption: AbortController): () => void {
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const onSignal = (): void => {
    if (interruption.signal.aborted) process.exit(Exit.interrupted);
    interruption.abort();
  };
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

/** `cvm-attest … | head` closes the pipe early: no error, and nobody left to tell. */
function endQuietlyWhenNobodyReads(): void {
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(Exit.ok);
  };
  process.stdout.on('error', onError);
  process.stderr.on('error', onError);
}
