import { parentPort, workerData } from 'node:worker_threads';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { EvidenceDemands } from './evidence-examination.js';
import { type AppraisalInput, appraiseEvidence } from './verifier/appraise.js';
import type { WorkerAnswer } from './verifier/worker-pool.js';

/** A thread of the verifier service: evidence in, appraisal out. */
parentPort?.on('message', async ({ id, input }: { id: number; input: AppraisalInput }) => {
  let answer: WorkerAnswer;
  try {
    answer = { id, appraisal: await appraiseEvidence(input, workerData as EvidenceDemands) };
  } catch (error) {
    const code = error instanceof AttestationError ? error.code : ErrorCode.FAILED_MEMORY_ALLOCATION;
    answer = { id, error: { code, message: error instanceof Error ? error.message : String(error) } };
  }
  parentPort?.postMessage(answer);
});
