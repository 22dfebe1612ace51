/**
 * Makes something of values as soon as all of them are there: at once when none is a promise, as with an engine that computes
 * synchronously, since to wait costs more than most of what is made.
 */
export function whenAll<const Parts extends readonly unknown[], Made>(
  parts: Parts,
  make: (...parts: { -readonly [Index in keyof Parts]: Awaited<Parts[Index]> }) => Made | Promise<Made>,
): Made | Promise<Made> {
  type Known = { -readonly [Index in keyof Parts]: Awaited<Parts[Index]> };
  return parts.some((part) => part instanceof Promise)
    ? Promise.all(parts).then((known) => make(...(known as Known)))
    : make(...(parts as unknown as Known));
}
