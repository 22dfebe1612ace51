import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import type { Binding, NativeError } from '../binding.js';
import { AttestationError, ErrorCode } from './base/errors.js';

export type {
  Binding,
  NativeChunkOpener,
  NativeChunkSealer,
  NativeContentKey,
  NativeError,
  NativePublicKey,
  NativeRsaPublicKey,
  NativeSecretBuffer,
  NativeSessionOpener,
  NativeSessionSealer,
} from '../binding.js';

const require = createRequire(import.meta.url);
let binding: Binding | undefined;

/**
 * The native addon, loaded at the first call that needs it: what works without it (tokens, the service's REST client)
 * keeps working on a platform that has no binary.
 *
 * This is the only file that knows how the addon is found.
 *
 * @throws AttestationError 12 when there is none
 */
export function native(): Binding {
  binding ??= load();
  return binding;
}

function load(): Binding {
  // By the package's own name: the compiled file may lie anywhere in it.
  const root = dirname(require.resolve('cvm-guest-attestation/package.json'));
  try {
    const nodeGypBuild = require('node-gyp-build') as (directory: string) => Binding;
    return nodeGypBuild(root);
  } catch (cause) {
    // The first line: what was looked for, libc included, or what the dynamic linker says of the file that was found.
    const [why] = String(cause instanceof Error ? cause.message : cause).split('\n');
    throw new AttestationError(
      ErrorCode.TPM_INTERNAL_FAILURE,
      `cvm-guest-attestation has no native addon for ${process.platform}-${process.arch} (${why}): ` +
        'reading reports, verifying evidence, content encryption and the TPM need it. ' +
        'Prebuilt binaries exist for linux-x64 and linux-arm64 with glibc 2.34 or newer (not for musl); ' +
        'in a source checkout `npm run setup` builds one.',
      { cause },
    );
  }
}

/** Whether `error` was made by the binding's one translation point. */
export function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && typeof (error as Partial<NativeError>).kind === 'string';
}
