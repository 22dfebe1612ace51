import type { Command } from 'commander';
import type { Terminal } from './output/terminal.js';

/** What every command gets. */
export interface Context {
  terminal: Terminal;
  env: NodeJS.ProcessEnv;
  /** Aborts at the first Ctrl-C (or SIGTERM, SIGHUP). */
  signal: AbortSignal;
  /** Exit code of the command that is running; 0 unless it says otherwise. */
  exitCode: number;
  /**
   * Exit code of a failure of any kind, once a command has set it: for a command whose exit code is that of the program
   * that it starts, and which has to say that it started none.
   */
  failureExitCode?: number;
  /** Signals are for the program that the command has started: they neither abort nor end the command. */
  signalsPassedOn?: boolean;
}

/** Makes one command of the program; one file a command. */
export type CommandFactory = (context: Context) => Command;
