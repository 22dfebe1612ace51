import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { isZero } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { hex } from '../base/hex.js';
import type { CheckList } from './check-list.js';
import type { VerificationPolicy } from './policy.js';
import type { SnpReport } from './types.js';

// SEV-SNP Firmware ABI, "ECDSA public key": curve, Qx and Qy in 72 bytes each, reserved.
const PUBLIC_KEY_SIZE = 0x404;
const CURVE_P384 = 2;

/** Who signed the guest's ID block: demanded, and trusted. */
export function checkSigners(list: CheckList, policy: VerificationPolicy, report: SnpReport): void {
  const idKey = hex(report.idKeyDigest);
  const authorKey = hex(report.authorKeyDigest);
  const hasIdKey = !isZero(report.idKeyDigest);
  const hasAuthorKey = report.authorKeyEn && !isZero(report.authorKeyDigest);
  if (policy.requireIdBlock === true) {
    list.add('policy', 'requireIdBlock', 'ERR_POLICY', hasIdKey, { expected: 'an ID key', actual: idKey });
  }
  if (policy.requireAuthorKey === true) {
    list.add('policy', 'requireAuthorKey', 'ERR_POLICY', hasAuthorKey, {
      expected: 'an author key',
      actual: authorKey,
    });
  }
  const idKeys = digests('trustedIdKeys', policy.trustedIdKeys, policy.trustedIdKeyHashes);
  const authorKeys = digests('trustedAuthorKeys', policy.trustedAuthorKeys, policy.trustedAuthorKeyHashes);
  if (idKeys.length + authorKeys.length === 0) return;
  const trusted = (hasIdKey && idKeys.includes(idKey)) || (hasAuthorKey && authorKeys.includes(authorKey));
  list.add('policy', 'guest is signed by a trusted key', 'ERR_POLICY', trusted, {
    expected: [...idKeys.map((key) => `ID key ${key}`), ...authorKeys.map((key) => `author key ${key}`)].join(' or '),
    actual: `ID key ${idKey}${hasAuthorKey ? `, author key ${authorKey}` : ''}`,
  });
}

function digests(name: string, keys: readonly string[] = [], hashes: readonly string[] = []): string[] {
  return [...keys.map((key) => keyDigest(name, key)), ...hashes.map((hash) => hash.toLowerCase())];
}

/** SHA-384 of a P-384 key as AMD's firmware hashes it into a report. */
function keyDigest(name: string, pem: string): string {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, `'${name}' holds something else than public keys`, {
      cause,
    });
  }
  if (key.asymmetricKeyDetails?.namedCurve !== 'secp384r1') {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, `'${name}' holds a key that is not on P-384`);
  }
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  const encoded = Buffer.alloc(PUBLIC_KEY_SIZE);
  encoded.writeUInt32LE(CURVE_P384, 0);
  Buffer.from(x, 'base64url').reverse().copy(encoded, 4);
  Buffer.from(y, 'base64url')
    .reverse()
    .copy(encoded, 4 + 72);
  return createHash('sha384').update(encoded).digest('hex');
}
