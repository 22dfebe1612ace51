import type { TcbShortfall } from './tcb-evaluation.js';

/** For people: `sgx[7] (OS/VMM, SEAMLDR ACM) is 3, at least 5 is required`. */
export function shortfallText(shortfall: readonly TcbShortfall[]): string {
  return shortfall
    .map(({ component, category, type, actual, required }) => {
      const names = [category, type].filter((name) => name !== undefined).join(', ');
      return `${component}${names === '' ? '' : ` (${names})`} is ${actual}, at least ${required} is required`;
    })
    .join('; ');
}
