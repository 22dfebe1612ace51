import type { AttestationError } from '../../base/errors.js';
import { printable } from '../output/printable.js';
import { wrap } from '../output/table.js';
import type { Terminal } from '../output/terminal.js';

/** Tells a demonstration step by step: what is done, why, and what came of it. */
export class Story {
  #number = 0;

  constructor(readonly terminal: Terminal) {}

  step(title: string, why?: string): void {
    const { bold, cyan, dim } = this.terminal.style;
    if (this.#number > 0) this.terminal.print();
    this.#number++;
    this.terminal.print(`${cyan(`${this.#number}.`)} ${bold(title)}`);
    if (why !== undefined)
      for (const line of wrap(why, this.terminal.width - 3)) this.terminal.print(`   ${dim(line)}`);
  }

  done(outcome: string): void {
    this.terminal.print(`   ${this.terminal.style.green('✓')} ${printable(outcome)}`);
  }

  /** A refusal that had to come, with its code. */
  refused({ code, codeName, message }: AttestationError): void {
    this.terminal.print(`   ${this.terminal.style.green('✓')} refused: ${code} ${codeName}: ${printable(message)}`);
  }
}
