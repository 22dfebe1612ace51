import { createPublicKey, type JsonWebKey, verify, X509Certificate } from 'node:crypto';
import { readableText } from '../../base/bytes.js';
import type { Transport } from '../../http/transport.js';
import { evaluateReleasePolicy } from '../../release/policy/evaluate.js';
import type { ReleasePolicy } from '../../release/policy/policy.js';
import { VaultRefusal } from './vault-refusal.js';

type Claims = Record<string, unknown>;

const unverifiable = (): VaultRefusal =>
  new VaultRefusal(403, 'Forbidden', 'Target environment attestation statement cannot be verified.');

const LIMITS = { connectTimeoutMs: 5_000, timeoutMs: 5_000, maxBodyBytes: 256 * 1024 };

/**
 * Verifies an attestation token as the vault does: RS256 by a key that an authority of the policy publishes (OpenID
 * Connect Discovery), within its times.
 *
 * @throws VaultRefusal 403, always with the same words
 */
export async function verifyTarget(target: string, policy: ReleasePolicy, transport: Transport): Promise<Claims> {
  const [header, claims] = target.split('.', 2).map(jsonOf);
  if (header === undefined || claims === undefined || header.alg !== 'RS256') throw unverifiable();
  const issuer = withoutSlash(String(claims.iss));
  const authority = policy.anyOf.find((one) => withoutSlash(one.authority) === issuer)?.authority;
  // A token of an issuer that the policy does not name is one that the policy does not hold for.
  if (authority === undefined) throw policyNotMet();
  const keys = await publishedKeys(withoutSlash(authority), transport);
  if (!keys.some((key) => key.kid === header.kid && isSigned(target, key))) throw unverifiable();
  const now = Date.now() / 1000;
  const { exp, nbf } = claims;
  if (typeof exp !== 'number' || exp <= now || (typeof nbf === 'number' && nbf > now + 300)) throw unverifiable();
  return claims;
}

const policyNotMet = (): VaultRefusal =>
  new VaultRefusal(403, 'Forbidden', 'Target environment attestation does not meet key release policy requirements.');

/** @throws VaultRefusal 403 unless the policy is met */
export function requirePolicy(policy: ReleasePolicy, claims: Claims): void {
  if (!evaluateReleasePolicy(policy, claims).released) throw policyNotMet();
}

const withoutSlash = (url: string): string => url.replace(/\/$/, '');

function jsonOf(part: string): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Claims) : undefined;
  } catch {
    return undefined;
  }
}

async function publishedKeys(authority: string, transport: Transport): Promise<(JsonWebKey & { kid?: string })[]> {
  try {
    const { jwks_uri: uri } = await fetchJson(new URL(`${authority}/.well-known/openid-configuration`), transport);
    const { keys } = await fetchJson(new URL(String(uri)), transport);
    return Array.isArray(keys) ? keys : [];
  } catch {
    throw unverifiable();
  }
}

async function fetchJson(url: URL, transport: Transport): Promise<Claims> {
  const { status, body } = await transport({ method: 'GET', url }, LIMITS);
  if (status !== 200) throw new Error(`${url.href} answered ${status}`);
  return JSON.parse(readableText(body)) as Claims;
}

function isSigned(token: string, key: JsonWebKey & { x5c?: unknown }): boolean {
  const at = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(at + 1), 'base64url');
  try {
    return verify('sha256', Buffer.from(token.slice(0, at)), publicKeyOf(key), signature);
  } catch {
    return false;
  }
}

/** The service publishes certificates, without modulus and exponent. */
function publicKeyOf(key: JsonWebKey & { x5c?: unknown }) {
  const certificate: unknown = Array.isArray(key.x5c) ? key.x5c[0] : undefined;
  if (typeof certificate === 'string') return new X509Certificate(Buffer.from(certificate, 'base64')).publicKey;
  return createPublicKey({ key, format: 'jwk' });
}
