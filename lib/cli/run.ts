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
  goOnWhenNobodyReads();
  const stopListening = listenForSignals(interruption, context);
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
  // Commander has printed its own errors, and help and version are not errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? Exit.ok : Exit.usage;
  if (error instanceof UsageError) {
    terminal.note(`${terminal.noteStyle.bold(terminal.noteStyle.red('error:'))} ${error.message}`);
    return Exit.usage;
  }
  if (signal.aborted) {
    terminal.note('interrupted');
    return Exit.interrupted;
  }
  if (isClosedPipe(error)) return Exit.failure;
  if (json) terminal.json({ ok: false, error: errorAsJson(error) });
  printError(terminal, error);
  return error instanceof VerificationError ? Exit.refused : Exit.failure;
}

/** The first signal lets the command clean up; a second one ends it at once. */
function listenForSignals(interruption: AbortController, context: Context): () => void {
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const onSignal = (): void => {
    if (context.signalsPassedOn) return;
    if (interruption.signal.aborted) process.exit(Exit.interrupted);
    interruption.abort();
  };
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

/**
 * `cvm-attest … | head` closes the pipe early: nobody is left to tell, and the exit code is the verdict all the same. What
 * is written from then on goes nowhere; a command that copies data to stdout fails by its own pipeline.
 */
function goOnWhenNobodyReads(): void {
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
  };
  process.stdout.on('error', onError);
  process.stderr.on('error', onError);
}

/** Output that was not taken: said by the exit code alone. */
function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}
