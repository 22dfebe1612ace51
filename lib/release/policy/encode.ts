import { encodeBase64url } from '../../base/base64url.js';
import { utf8Bytes } from '../../base/bytes.js';
import { flag } from '../../base/option-kinds.js';
import { checkOptions } from '../../base/options.js';
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
 * @throws PolicyError for what is not a policy, AttestationError 8 for wrong options
 */
export function encodeReleasePolicy(
  policy: ReleasePolicy,
  options: { immutable?: boolean } = {},
): EncodedReleasePolicy {
  const { immutable = false } = checkOptions<{ immutable?: boolean }>('encodeReleasePolicy', options, {
    immutable: flag,
  });
  const json = JSON.stringify(parseReleasePolicy(policy));
  return {
    contentType: 'application/json; charset=utf-8',
    data: encodeBase64url(utf8Bytes(json)),
    immutable,
  };
}
