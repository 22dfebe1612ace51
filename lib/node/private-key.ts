import { createPrivateKey, type KeyObject } from 'node:crypto';
import { hasNative, native } from '../native.js';

/**
 * A private key out of its DER. Node's OpenSSL frees the encoding as it is: without the addon it stays in the heap until
 * something of its size is allocated.
 *
 * @throws {Error} of Node's, when it is not one
 */
export function readPrivateKey(der: Buffer, type: 'pkcs8' | 'sec1'): KeyObject {
  return wipingWhatIsFreed(() => createPrivateKey({ key: der, format: 'der', type }));
}

/** Does `work`, whose freed memory is overwritten where the addon loads. */
export function wipingWhatIsFreed<Result>(work: () => Result): Result {
  return hasNative() ? native().wipingWhatIsFreed(work) : work();
}
