import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { AttestationError, ErrorCode } from '../../base/errors.js';
import type { EvidenceDemands } from '../evidence-examination.js';
import type { Appraisal, AppraisalInput } from './appraise.js';

/** What a worker answers to one appraisal. */
export type WorkerAnswer =
  | { id: number; appraisal: Appraisal }
  | { id: number; error: { code: number; message: string } };

interface Task {
  resolve(appraisal: Appraisal): void;
  reject(error: Error): void;
}

interface PooledWorker {
  thread: Worker;
  tasks: Map<number, Task>;
}

/** Threads that verify evidence, one for each core. State and secrets stay in the service's own thread. */
export class WorkerPool {
  readonly #demands: EvidenceDemands;
  readonly #workers: PooledWorker[];
  #next = 0;
  #closed = false;

  constructor(size: number, demands: EvidenceDemands) {
    this.#demands = demands;
    this.#workers = Array.from({ length: size }, () => this.#start());
  }

  appraise(input: AppraisalInput): Promise<Appraisal> {
    const [first, ...others] = this.#workers;
    if (this.#closed || first === undefined) return Promise.reject(unavailable());
    const idlest = others.reduce((best, one) => (one.tasks.size < best.tasks.size ? one : best), first);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      idlest.tasks.set(id, { resolve, reject });
      idlest.thread.postMessage({ id, input });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#workers.map(({ thread }) => thread.terminate()));
  }

  #start(): PooledWorker {
    // Loaded with the first pool: most programs import this package and start none.
    const thread = new (process.getBuiltinModule('node:worker_threads').Worker)(workerFile(), {
      workerData: this.#demands,
    });
    const worker: PooledWorker = { thread, tasks: new Map() };
    thread.on('message', (answer: WorkerAnswer) => {
      const task = worker.tasks.get(answer.id);
      worker.tasks.delete(answer.id);
      if ('appraisal' in answer) task?.resolve(answer.appraisal);
      else task?.reject(new AttestationError(answer.error.code as ErrorCode, answer.error.message));
    });
    thread.on('error', () => {});
    thread.on('exit', () => {
      for (const { reject } of worker.tasks.values()) reject(unavailable());
      worker.tasks.clear();
      const index = this.#workers.indexOf(worker);
      if (!this.#closed && index >= 0) this.#workers[index] = this.#start();
    });
    thread.unref();
    return worker;
  }
}

/** Beside the entry points, wherever the bundler has put this module. */
function workerFile(): string {
  // Here and not above: what bundles this as CommonJS leaves import.meta empty.
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('cvm-guest-attestation/package.json')), 'dist/relying-party/verifier-worker.js');
}

const unavailable = (): AttestationError =>
  new AttestationError(ErrorCode.FAILED_MEMORY_ALLOCATION, 'a thread that verifies evidence has ended');
