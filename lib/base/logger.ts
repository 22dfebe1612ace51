/**
 * Where the library says what it does: `console`, pino and most loggers fit. Nothing is logged without one.
 * Neither secrets nor tokens are ever passed to it.
 */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

const ignore = (): void => {};

/** The default: says nothing. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
