import { parentPort, workerData } from 'node:worker_threads';
import { AttestationError, ErrorCode, VerificationError } from '../base/errors.js';
import { type AppraisalTerms, Appraiser } from './verifier/appraise.js';
import { ServiceRefusal } from './verifier/requests.js';
import type { WorkerAnswer, WorkerTask } from './verifier/worker-pool.js';

const appraiser = new Appraiser(workerData as AppraisalTerms);

/** A thread of the verifier service: the body of a request in, appraisal out. */
parentPort?.on('message', async (task: WorkerTask) => {
  // As text: cloning a list of checks costs several times as much.
  parentPort?.postMessage(JSON.stringify(await answer(task)));
});

async function answer({ id, body, fetched }: WorkerTask): Promise<WorkerAnswer> {
  try {
    return { id, appraised: await appraiser.appraise(body, fetched) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof ServiceRefusal) return { id, refusal: { status: error.status, code: error.code, message } };
    if (error instanceof VerificationError) return { id, verification: { code: error.code, message } };
    const code = error instanceof AttestationError ? error.code : ErrorCode.FAILED_MEMORY_ALLOCATION;
    return { id, failure: { code, message } };
  }
}
