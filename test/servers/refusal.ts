/** The code that a promise is rejected with, or what it resolves with. */
export async function outcome(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
}

let number = 0;
/** A key that no other test uses. */
export const freshKey = (): string => `challenge:${(++number).toString(16).padStart(32, '0')}`;

export const until = async (isTrue: () => boolean | Promise<boolean>): Promise<void> => {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await isTrue()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it never came to that');
};
