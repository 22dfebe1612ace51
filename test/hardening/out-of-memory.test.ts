import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SimulatedCvm } from '../../lib/simulator/index.js';

const program = fileURLToPath(new URL('programs/out-of-memory.mjs', import.meta.url));

let cvm: SimulatedCvm;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
});
afterAll(() => cvm?.stop());

it('a process that has no memory for a result gets code 10 from every call, and goes on', {
  timeout: 120_000,
}, async () => {
  const client = cvm.client();
  const token = await client.attest({ attestationUrl: cvm.attestationUrl });
  await client.close();
  const { tcti, imdsUrl, eventLogPath, osReleasePath } = cvm;
  const child = fork(program, { execArgv: ['--expose-gc'] });
  const exit = once(child, 'exit');
  const answer = Promise.race([once(child, 'message'), exit]);
  child.send({ wiring: { tcti, imdsUrl, eventLogPath, osReleasePath }, token });
  const [result] = (await answer) as [{ outcomes: Record<string, string>; after: string }];
  expect(result, 'the process has ended').toBeTypeOf('object');
  for (const [call, outcome] of Object.entries(result.outcomes)) {
    expect(outcome, call).toMatch(/^AttestationError 10: (not enough memory for the result|out of memory)$/);
  }
  expect(Object.keys(result.outcomes)).toHaveLength(18);
  expect(result.after).toBe('small');
  expect(await exit).toEqual([0, null]);
});
