import type { Product } from '../verify/types.js';

/** A root key to trust for one product. */
export interface TrustedRoot {
  product: Product;
  /** SHA-256 of the root's DER SubjectPublicKeyInfo, lower-case hexadecimal. */
  publicKeySha256: string;
}
