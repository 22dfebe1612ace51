import { tell } from './tell.js';

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

const quietOnes = /* @__PURE__ */ new WeakMap<Logger, Logger>();

/** A caller's logger as it is used here: neither what it throws nor a promise of it that rejects is anybody's concern. */
export function quietLogger(logger: Logger): Logger {
  const known = quietOnes.get(logger);
  if (known !== undefined) return known;
  const quiet: Logger = {
    debug: (message) => tell(() => logger.debug(message)),
    info: (message) => tell(() => logger.info(message)),
    warn: (message) => tell(() => logger.warn(message)),
    error: (message) => tell(() => logger.error(message)),
  };
  // Settings are handed on to clients that check them again.
  quietOnes.set(logger, quiet).set(quiet, quiet);
  return quiet;
}
