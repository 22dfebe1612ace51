import type { Writable } from 'node:stream';
import { toJson } from './json.js';
import { printableJson } from './printable.js';
import { makeStyle, type Style, wantsColour } from './style.js';

type Output = Writable & { isTTY?: boolean; columns?: number };

/**
 * Where a command writes: results go to stdout, everything said on the way to stderr, so that stdout can be piped.
 * With `--json` stdout holds exactly one JSON document.
 */
export class Terminal {
  /** Colours for stdout. */
  readonly style: Style;
  /** Colours for stderr. */
  readonly noteStyle: Style;

  constructor(
    readonly stdout: Output,
    readonly stderr: Output,
    env: NodeJS.ProcessEnv,
  ) {
    this.style = makeStyle(wantsColour(stdout, env));
    this.noteStyle = makeStyle(wantsColour(stderr, env));
  }

  /** One line (or several) of the result. */
  print(text = ''): void {
    this.stdout.write(`${text}\n`);
  }

  /** The whole result of a command, for machines; whoever looks at it sees every character that is in it. */
  json(value: unknown): void {
    this.stdout.write(`${printableJson(JSON.stringify(toJson(value), null, 2))}\n`);
  }

  /** A line for the human at the keyboard. */
  note(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  /** Columns to fill, at most 120; 100 where stdout is not a terminal. */
  get width(): number {
    return Math.max(60, Math.min(120, this.stdout.columns ?? 100));
  }

  /**
   * Waits for `work` and says so on stderr when it takes longer than a second: a line that counts the seconds on a
   * terminal, one plain line elsewhere.
   */
  async progress<Result>(what: string, work: Promise<Result>): Promise<Result> {
    const started = Date.now();
    const live = this.stderr.isTTY === true;
    let shown = false;
    const show = (): void => {
      const line = this.noteStyle.dim(`${what} …`);
      if (live) this.stderr.write(`\r\u001b[2K${line} ${Math.round((Date.now() - started) / 1000)} s`);
      else if (!shown) this.note(line);
      shown = true;
    };
    const timer = setInterval(show, 1000);
    try {
      return await work;
    } finally {
      clearInterval(timer);
      if (live && shown) this.stderr.write('\r\u001b[2K');
    }
  }
}
