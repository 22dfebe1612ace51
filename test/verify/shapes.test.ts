import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { explainEvidence, importTdxCollateral, verifyTdQuote } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';
import { azureEvidence, NONCE, NOW } from './genuine.js';

setFlagsFromString('--allow-natives-syntax');
const haveSameMap = new Script('(one, other) => %HaveSameMap(one, other)').runInThisContext() as (
  one: object,
  other: object,
) => boolean;

/** Paths to objects whose hidden class is another than that of the same object of another call. */
function reshaped(one: unknown, other: unknown, path = 'result'): string[] {
  if (typeof one !== 'object' || one === null || ArrayBuffer.isView(one)) return [];
  if (typeof other !== 'object' || other === null) return [path];
  const members = Object.entries(one).flatMap(([name, value]) =>
    reshaped(value, (other as Record<string, unknown>)[name], `${path}.${name}`),
  );
  return haveSameMap(one, other) ? members : [path, ...members];
}

async function reshapedByCalls(call: () => Promise<unknown>): Promise<string[]> {
  let last: unknown;
  // The first calls find the shape; a literal that makes a new one each time does so only once V8 has seen it often.
  for (let calls = 0; calls < 50; calls++) last = await call();
  return reshaped(last, await call());
}

describe.skipIf(!withFixtures)('results keep their shapes, for V8’s caches and for its old generation', () => {
  it('of evidence of both kinds', async () => {
    for (const name of ['azure-milan-v2', 'azure-milan-v3', 'azure-tdx'] as const) {
      const evidence = azureEvidence(name);
      expect(await reshapedByCalls(() => explainEvidence(evidence, { nonce: NONCE, now: NOW }))).toEqual([]);
    }
  });

  it('of a TD quote', async () => {
    const quote = fixture('tdx/emr-v5-gcp/td-quote.bin');
    const collateral = importTdxCollateral(fixture('tdx/collateral/2026-03-90c06f000000.json').toString());
    const options = { collateral, now: new Date('2026-03-01T00:00:00Z') };
    expect(await reshapedByCalls(() => verifyTdQuote(quote, options))).toEqual([]);
  });
});
