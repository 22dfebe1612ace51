import { decodeBase64url } from '../../base/base64url.js';
import { equalBytes, withoutLeadingZeros } from '../../base/bytes.js';
import { isJsonObject } from '../../base/strict-json.js';
import type { AttestationClaims } from '../../token/claims.js';

/** What a guard needs of `socket.attestation`: the runtime claims that the verified evidence of the channel proved. */
export interface ChannelAttestation {
  readonly claims?: { readonly keys?: readonly unknown[] };
}

const ATTESTATION_KEY_ID = 'HCLAkPub';

/**
 * Whether a token is about the machine at the other end of an attested channel: exactly one attestation key in the token's
 * hardware claims, with the modulus and exponent of the one that the channel proved.
 */
export function isSameMachine(claims: AttestationClaims, channel: ChannelAttestation): boolean {
  const tee = claims['x-ms-isolation-tee'];
  const runtime = isJsonObject(tee) ? tee['x-ms-runtime'] : undefined;
  const ofToken = attestationKey(isJsonObject(runtime) ? runtime.keys : undefined);
  const ofChannel = attestationKey(channel?.claims?.keys);
  if (ofToken === undefined || ofChannel === undefined) return false;
  return equalBytes(ofToken.n, ofChannel.n) && equalBytes(ofToken.e, ofChannel.e);
}

function attestationKey(keys: unknown): { n: Uint8Array; e: Uint8Array } | undefined {
  if (!Array.isArray(keys)) return undefined;
  const named = keys.filter((key) => isJsonObject(key) && key.kid === ATTESTATION_KEY_ID);
  const [key, ...others] = named as Record<string, unknown>[];
  if (key === undefined || others.length > 0 || key.kty !== 'RSA') return undefined;
  const n = unsignedInteger(key.n);
  const e = unsignedInteger(key.e);
  return n === undefined || e === undefined ? undefined : { n, e };
}

function unsignedInteger(text: unknown): Uint8Array | undefined {
  if (typeof text !== 'string') return undefined;
  const bytes = decodeBase64url(text.replace(/={1,2}$/, ''));
  const integer = bytes && withoutLeadingZeros(bytes);
  return integer === undefined || integer.length === 0 ? undefined : integer;
}
