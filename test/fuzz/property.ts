import fc from 'fast-check';
import { expect } from 'vitest';
import { AttestationError, VerificationError } from '../../lib/index.js';

/** Inputs a property; FUZZ_RUNS for a longer run. */
const runs = Number(process.env.FUZZ_RUNS ?? 300);

/** Whatever a parser refuses, it must refuse with one of the documented errors. */
export function refusesTyped(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    expectTyped(error);
  }
}

export async function rejectsTyped(call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
  } catch (error) {
    expectTyped(error);
  }
}

function expectTyped(error: unknown): void {
  if (!(error instanceof AttestationError || error instanceof VerificationError)) {
    throw new Error(`untyped: ${error instanceof Error ? error.stack : String(error)}`, { cause: error });
  }
  expect(error.message.length).toBeGreaterThan(0);
  // No input, however long, comes back as a message.
  expect(error.message.length).toBeLessThan(2_000);
}

export function property<T>(inputs: fc.Arbitrary<T>, holds: (input: T) => void): void {
  fc.assert(fc.property(inputs, holds), { numRuns: runs });
}

export function asyncProperty<T>(inputs: fc.Arbitrary<T>, holds: (input: T) => Promise<void>): Promise<void> {
  return fc.assert(fc.asyncProperty(inputs, holds), { numRuns: runs });
}
