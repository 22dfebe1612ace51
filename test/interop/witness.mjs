import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A foreign verifier in a process of its own: one JSON object a line goes in, one comes out, in order. */
export class Witness {
  #child;
  #lines;
  #last = Promise.resolve();

  /** @param {string} command @param {string[]} [parameters] @param {NodeJS.ProcessEnv} [environment] */
  constructor(command, parameters = [], environment = {}) {
    this.#child = spawn(command, parameters, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** What the witness says of one input. */
  ask(request) {
    const answer = this.#last.then(async () => {
      if (!this.#child.stdin.write(`${JSON.stringify(request)}\n`)) await once(this.#child.stdin, 'drain');
      const { value, done } = await this.#lines.next();
      if (done) throw new Error('the witness has ended');
      return JSON.parse(value);
    });
    this.#last = answer.catch(() => {});
    return answer;
  }

  async stop() {
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }
}
