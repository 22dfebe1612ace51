import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { AttestationError, type ErrorCode, VerificationError } from '../../base/errors.js';
import type { AppraisalTerms, AppraisedRequest, Fetched } from './appraise.js';
import { ServiceRefusal } from './requests.js';

/** What a worker is asked. */
export interface WorkerTask {
  id: number;
  body: string;
  fetched?: Fetched;
}

/** What a worker answers to one request: an error is a member of its kind, because a clone would lose its class. */
export type WorkerAnswer = { id: number } & (
  | { appraised: AppraisedRequest }
  | { refusal: Pick<ServiceRefusal, 'status' | 'code' | 'message'> }
  | { verification: Pick<VerificationError, 'code' | 'message'> }
  | { failure: { code: number; message: string } }
);

interface Task {
  resolve(appraised: AppraisedRequest): void;
  reject(error: Error): void;
}

interface PooledWorker {
  thread: Worker;
  tasks: Map<number, Task>;
}

/** Until a worker that answered nothing is started again; twice as long each time that it ends so. */
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 30_000;

/** Threads that verify evidence, one for each core. State and secrets stay in the service's own thread. */
export class WorkerPool {
  readonly #terms: AppraisalTerms;
  readonly #file: string;
  /** Those that run. */
  readonly #workers = new Set<PooledWorker>();
  #next = 0;
  #closed = false;

  constructor(size: number, terms: AppraisalTerms, file = workerFile()) {
    this.#terms = terms;
    this.#file = file;
    for (let number = 0; number < size; number++) this.#start(FIRST_DELAY_MS);
  }

  /** Whether evidence can be appraised now: false while every worker has ended, and is not started again yet. */
  get ready(): boolean {
    return this.#workers.size > 0;
  }

  appraise(body: string, fetched?: Fetched): Promise<AppraisedRequest> {
    const [first, ...others] = this.#workers;
    if (this.#closed || first === undefined) return Promise.reject(workerEnded());
    const idlest = others.reduce((best, one) => (one.tasks.size < best.tasks.size ? one : best), first);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      idlest.tasks.set(id, { resolve, reject });
      const work: WorkerTask = { id, body, ...(fetched && { fetched }) };
      idlest.thread.postMessage(work);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#workers].map(({ thread }) => thread.terminate()));
  }

  #start(delayMs: number): void {
    // Loaded with the first pool: most programs import this package and start none.
    const thread = new (process.getBuiltinModule('node:worker_threads').Worker)(this.#file, {
      workerData: this.#terms,
    });
    const worker: PooledWorker = { thread, tasks: new Map() };
    let hasAnswered = false;
    this.#workers.add(worker);
    thread.on('message', (text: string) => {
      hasAnswered = true;
      const answer = JSON.parse(text) as WorkerAnswer;
      const task = worker.tasks.get(answer.id);
      worker.tasks.delete(answer.id);
      if ('appraised' in answer) task?.resolve(answer.appraised);
      else task?.reject(errorOf(answer));
    });
    thread.on('error', () => {});
    thread.on('exit', () => {
      this.#workers.delete(worker);
      for (const { reject } of worker.tasks.values()) reject(workerEnded());
      if (this.#closed) return;
      if (hasAnswered) this.#start(FIRST_DELAY_MS);
      else this.#startLater(delayMs);
    });
    thread.unref();
  }

  /** One that cannot start would otherwise be started hundreds of times a second. */
  #startLater(delayMs: number): void {
    const next = Math.min(2 * delayMs, LONGEST_DELAY_MS);
    setTimeout(() => this.#closed || this.#start(next), delayMs).unref();
  }
}

/** Beside the entry points, wherever the bundler has put this module. */
function workerFile(): string {
  // Here and not above: what bundles this as CommonJS leaves import.meta empty.
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('cvm-guest-attestation/package.json')), 'dist/relying-party/verifier-worker.js');
}

function errorOf(answer: Exclude<WorkerAnswer, { appraised: AppraisedRequest }>): Error {
  if ('refusal' in answer) {
    const { status, code, message } = answer.refusal;
    return new ServiceRefusal(status, code, message);
  }
  if ('verification' in answer) return new VerificationError(answer.verification.code, answer.verification.message, []);
  return new AttestationError(answer.failure.code as ErrorCode, answer.failure.message);
}

/** Refusal while no thread is there that could verify. */
export const workerEnded = (): ServiceRefusal =>
  new ServiceRefusal(503, 'ERR_WORKER_ENDED', 'the thread that verifies evidence has ended');
