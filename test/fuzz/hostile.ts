import fc from 'fast-check';

/** Genuine bytes with something done to them: cut, flipped, overwritten, grown, or spliced with themselves. */
export function mutated(genuine: Uint8Array): fc.Arbitrary<Buffer> {
  const at = fc.nat(Math.max(0, genuine.length - 1));
  const copy = () => Buffer.from(genuine);
  const changed = fc.oneof(
    at.map((length) => copy().subarray(0, length)),
    fc.array(fc.tuple(at, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 8 }).map((flips) => {
      const bytes = copy();
      for (const [offset, mask] of flips) bytes[offset] = (bytes[offset] ?? 0) ^ mask;
      return bytes;
    }),
    // Lengths and counts: the values that break arithmetic.
    fc
      .tuple(at, fc.constantFrom('00000000', 'ffffffff', '7fffffff', 'ffffff7f', '80000000', '01000000'))
      .map(([offset, value]) => {
        const bytes = copy();
        bytes.set(Buffer.from(value, 'hex').subarray(0, bytes.length - offset), offset);
        return bytes;
      }),
    fc
      .tuple(at, fc.uint8Array({ maxLength: 64 }))
      .map(([offset, extra]) => Buffer.concat([genuine.subarray(0, offset), extra, genuine.subarray(offset)])),
    fc.tuple(at, at).map(([from, to]) => Buffer.concat([genuine.subarray(0, from), genuine.subarray(to)])),
  );
  return fc.oneof(
    { arbitrary: changed, weight: 6 },
    { arbitrary: fc.uint8Array({ maxLength: 512 }).map((b) => Buffer.from(b)), weight: 1 },
  );
}

/** Text that was genuine. */
export function mutatedText(genuine: string): fc.Arbitrary<string> {
  return mutated(Buffer.from(genuine)).map((bytes) => bytes.toString('utf8'));
}

/** Values that are not what a JavaScript caller or a JSON text should give. */
export const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withNullPrototype: true }),
  fc.constantFrom<unknown>('__proto__', Number.NaN, -0, 2 ** 53, '\ud800', Symbol.iterator, () => {}),
);

/** A JSON object with one member, at any depth, replaced by, or joined by, something else. */
export function mutatedJson(genuine: object): fc.Arbitrary<unknown> {
  const paths = leafPaths(genuine);
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(
      '',
      'A',
      '====',
      'A'.repeat(5000),
      -1,
      1e308,
      2 ** 53,
      null,
      [],
      {},
      [[]],
      '\ud800',
      '\u0000',
    ),
  );
  return fc.tuple(fc.constantFrom(...paths), value, fc.boolean()).map(([path, replacement, remove]) => {
    const copy = structuredClone(genuine) as Record<string, unknown>;
    let parent = copy;
    for (const name of path.slice(0, -1)) parent = parent[name] as Record<string, unknown>;
    const last = path.at(-1) ?? '';
    if (remove) delete parent[last];
    else parent[last] = replacement;
    return copy;
  });
}

function leafPaths(value: unknown, path: string[] = []): string[][] {
  const here = path.length > 0 ? [path] : [];
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return here;
  return [...here, ...Object.entries(value).flatMap(([name, member]) => leafPaths(member, [...path, name]))];
}
