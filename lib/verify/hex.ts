export { isZero } from '../base/bytes.js';
export { hex } from '../base/hex.js';
