import { dirname, resolve } from 'node:path';
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

let binding: Binding | undefined;

/**
 * The native addon, loaded at the first call that needs it: what works without it (tokens and evidence for a relying party,
 * the service's REST client) works on a platform that has no binary.
 *
 * This is the only file that knows how the addon is found.
 *
 * @throws AttestationError 12 when there is none
 */
export function native(): Binding {
  binding ??= load();
  return binding;
}

/** Whether there is one: what also works in another way asks first. */
export function hasNative(): boolean {
  try {
    native();
    return true;
  } catch {
    return false;
  }
}

function load(): Binding {
  // Bundlers rewrite an import of createRequire; this they leave alone.
  const require = process.getBuiltinModule('node:module').createRequire(thisFile());
  const { CVM_GUEST_ATTESTATION_ADDON: addon } = process.env;
  try {
    if (addon !== undefined && addon !== '') return require(resolve(addon)) as Binding;
    // By the package's own name: the compiled file may lie anywhere in it.
    const root = dirname(require.resolve('cvm-guest-attestation/package.json'));
    const nodeGypBuild = require('node-gyp-build') as (directory: string) => Binding;
    return nodeGypBuild(root);
  } catch (cause) {
    // The first line: what was looked for, libc included, or what the dynamic linker says of the file that was found.
    const [why = ''] = String(cause instanceof Error ? cause.message : cause).split('\n');
    throw new AttestationError(
      ErrorCode.TPM_INTERNAL_FAILURE,
      `cvm-guest-attestation has no native addon for ${process.platform}-${process.arch} (${why}): ` +
        `content encryption and the TPM need it. ${/^Cannot find (module|package) /.test(why) ? BUNDLED : AVAILABLE}`,
      { cause },
    );
  }
}

const AVAILABLE =
  'Prebuilt binaries exist for linux-x64 and linux-arm64 with glibc 2.34 or newer (not for musl); ' +
  'in a source checkout `npm run setup` builds one.';
const BUNDLED =
  'Was the program bundled? Then ship the file prebuilds/linux-*/cvm-guest-attestation.*.node of the package beside it and set ' +
  'CVM_GUEST_ATTESTATION_ADDON to its path, or tell the bundler that the package is external.';

/** A bundler that makes CommonJS leaves `import.meta` empty. */
function thisFile(): string {
  const url: string | undefined = import.meta.url;
  if (url !== undefined) return url;
  return typeof __filename === 'string' ? __filename : resolve('index.js');
}

/** Whether `error` was made by the binding's one translation point. */
export function isNativeError(error: unknown): error is NativeError {
  return error instanceof Error && typeof (error as Partial<NativeError>).kind === 'string';
}
