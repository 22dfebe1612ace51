import { AttestationError, ErrorCode } from '../base/errors.js';
import { native } from '../native.js';
import type { SignatureEngine } from './engine.js';
import { nativeEngine } from './native.js';
import { nodeEngine } from './node.js';
import { webcryptoEngine } from './webcrypto.js';

let chosen: SignatureEngine | undefined;

/**
 * The engine of everything that is exported for Node: the addon's where it loads, else Node's. Chosen at the first
 * verification. The environment variable `CVM_ATTESTATION_ENGINE` (`native`, `node` or `webcrypto`) is for tests.
 *
 * @throws AttestationError 12 when `native` is demanded and the addon does not load, 8 for another value
 */
export function defaultEngine(): SignatureEngine {
  chosen ??= choose(process.env.CVM_ATTESTATION_ENGINE);
  return chosen;
}

function choose(demanded: string | undefined): SignatureEngine {
  switch (demanded) {
    case undefined:
    case '':
      return addonEngine() ?? nodeEngine;
    case 'native':
      return nativeEngine(native());
    case 'node':
      return nodeEngine;
    case 'webcrypto':
      return webcryptoEngine;
    default:
      throw new AttestationError(
        ErrorCode.INVALID_INPUT_PARAMETER,
        'CVM_ATTESTATION_ENGINE must be native, node or webcrypto',
      );
  }
}

function addonEngine(): SignatureEngine | undefined {
  try {
    return nativeEngine(native());
  } catch {
    return undefined;
  }
}
