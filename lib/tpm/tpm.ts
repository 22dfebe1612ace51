export type { GuestTpm } from './native-tpm.js';
export type * from './types.js';
