import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { type Needles, searchMemory } from './process-memory.js';

/** A guest in a process of its own, whose memory is looked through from here. */
export class ScannedGuest {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** @param name of the program in `programs` that does what it is told */
  static start(name = 'secret-keeper.mjs'): ScannedGuest {
    const program = fileURLToPath(new URL(`programs/${name}`, import.meta.url));
    return new ScannedGuest(fork(program, { execArgv: ['--expose-gc'], serialization: 'advanced' }));
  }

  /** Has it run one of its operations. */
  async tell<Result = void>(operation: string, input: object = {}): Promise<Result> {
    const answer = once(this.#process, 'message');
    this.#process.send({ operation, input });
    const [{ result, error }] = (await answer) as [{ result: Result; error?: string }];
    if (error !== undefined) throw new Error(error);
    return result;
  }

  /** Where in its memory it has these bytes, for those that it has. */
  find(needles: Needles): Record<string, string[]> {
    const { found, size } = searchMemory(this.#process.pid as number, needles);
    expect(size, 'bytes of memory that were read').toBeGreaterThan(40 << 20);
    return Object.fromEntries(Object.entries(found).filter(([, places]) => places.length > 0));
  }

  stop(): void {
    this.#process.kill();
  }
}
