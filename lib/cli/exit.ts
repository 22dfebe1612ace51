/** Exit codes of the command, as documented in docs/cli.md. */
export const Exit = Object.freeze({
  ok: 0,
  /** A verification said no. */
  refused: 1,
  /** Wrong usage: an unknown option, a missing argument, a value of the wrong form. */
  usage: 2,
  /** What was asked could not be done; the error code is printed. */
  failure: 3,
  /** Ended by Ctrl-C, as shells number it (128 + SIGINT). */
  interrupted: 130,
});

/** The user's mistake: said in one line, without a code. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A failure outside the library's own errors, with a stable string code: a file that cannot be read, for instance. */
export class CliError extends Error {
  override readonly name = 'CliError';

  constructor(
    readonly code: string,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}
