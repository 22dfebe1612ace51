import { expect } from 'vitest';
import { AttestationClient, type AttestationClientOptions } from '../../lib/index.js';
import type { SimulatedCvm } from '../../lib/simulator/index.js';

/** A client wired to a simulated CVM, with waits that a test can afford. */
export function clientOf(cvm: SimulatedCvm, options: AttestationClientOptions = {}): AttestationClient {
  return new AttestationClient({
    tcti: cvm.tcti,
    imdsUrl: cvm.imdsUrl,
    eventLogPath: cvm.eventLogPath,
    osReleasePath: cvm.osReleasePath,
    trustedRoots: [cvm.vtpmAuthority.certificate.pem],
    retry: { retries: 3, baseDelayMs: 10, maxRetryAfterMs: 50 },
    ...options,
  });
}

/** What an AttestationError must say. */
export interface Expected {
  code: number;
  tpmErrorCode?: number;
  status?: number;
  message?: string;
}

/** Runs a call that must fail as expected, and leave nothing in the TPM. */
export async function fails(
  machine: SimulatedCvm,
  expected: Expected,
  call: (client: AttestationClient) => Promise<unknown>,
  options: AttestationClientOptions = {},
): Promise<void> {
  const client = clientOf(machine, options);
  try {
    const error = await call(client).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      name: 'AttestationError',
      code: expected.code,
      tpmErrorCode: expected.tpmErrorCode ?? 0,
      ...(expected.status !== undefined && { status: expected.status }),
      ...(expected.message !== undefined && { message: expect.stringContaining(expected.message) }),
    });
  } finally {
    await client.close();
  }
  expect(await machine.loadedHandles()).toEqual({ transient: [], sessions: [] });
}
