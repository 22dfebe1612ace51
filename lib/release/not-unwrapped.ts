/** The private key did its work, and the block, or what it wraps, is not what it must be. */
export class NotUnwrapped extends Error {
  override readonly name = 'NotUnwrapped';
}
