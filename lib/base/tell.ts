/**
 * Calls what a caller gave to be told something: a hook, a method of a logger. What it throws, or its promise rejects with,
 * goes to `failed` and changes nothing; an unhandled rejection would end the process.
 */
export function tell(call: () => unknown, failed: (error: unknown) => void = () => {}): void {
  try {
    const answer = call();
    if (isThenable(answer)) Promise.resolve(answer).then(undefined, failed);
  } catch (error) {
    failed(error);
  }
}

function isThenable(value: unknown): boolean {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return isObject && typeof (value as { then?: unknown }).then === 'function';
}
