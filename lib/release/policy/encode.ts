import { AttestationError, ErrorCode } from '../../base/errors.js';
import { refuseUnknownOptions } from '../../base/option-names.js';
import { toBase64Url } from '../base64.js';
import { parseReleasePolicy } from './parse.js';
import type { ReleasePolicy } from './policy.js';

/** `release_policy` of a key, as it is sent to Key Vault or Managed HSM. */
export interface EncodedReleasePolicy {
  contentType: 'application/json; charset=utf-8';
  /** The policy's JSON in base64url, without padding. */
  data: string;
  /** True: the policy can never be changed again. */
  immutable: boolean;
}

/**
 * A release policy in the form that a key is created or updated with.
 *
 * @throws PolicyError for what is no policy, AttestationError 8 for wrong options
 */
export function encodeReleasePolicy(
  policy: ReleasePolicy,
  options: { immutable?: boolean } = {},
): EncodedReleasePolicy {
  refuseUnknownOptions(options, { immutable: true });
  if ('immutable' in options && typeof options.immutable !== 'boolean') {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'immutable must be true or false');
  }
  const json = JSON.stringify(parseReleasePolicy(policy));
  return {
    contentType: 'application/json; charset=utf-8',
    data: toBase64Url(new TextEncoder().encode(json)),
    immutable: options.immutable ?? false,
  };
}
