import { DerReader } from '../../abi/der.js';
import { pemBlocks } from '../../abi/pem.js';
import type { SnpReport } from '../../abi/snp-report-fields.js';
import { parseCertificate } from '../../abi/x509.js';
import { readPublicKey } from '../../abi/x509-key.js';
import { isZero } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import { invalid } from '../../base/options.js';
import { sha2 } from '../../base/sha2.js';
import type { PublicKey } from '../../engine/engine.js';
import { usableKey } from '../../engine/public-key.js';
import type { CheckList } from '../check-codes.js';
import { demand } from '../demand.js';
import type { VerificationPolicy } from '../policy.js';

// SEV-SNP Firmware ABI, "ECDSA public key": curve, Qx and Qy in 72 bytes each, reserved.
const PUBLIC_KEY_SIZE = 0x404;
const CURVE_P384 = 2;

/** SHA-384 digests, hex, of the keys that a policy trusts: given as such, or as keys. */
export interface SignerDigests {
  idKeys: readonly string[];
  authorKeys: readonly string[];
}

/** @throws {AttestationError} 8 for a key that is not a P-384 public key or certificate in PEM. */
export function signerDigests(policy: VerificationPolicy): SignerDigests {
  const digests = (name: string, keys: readonly string[] = [], hashes: readonly string[] = []): string[] => [
    ...keys.map((key) => keyDigest(name, key)),
    ...hashes.map((hash) => hash.toLowerCase()),
  ];
  return {
    idKeys: digests('trustedIdKeys', policy.trustedIdKeys, policy.trustedIdKeyHashes),
    authorKeys: digests('trustedAuthorKeys', policy.trustedAuthorKeys, policy.trustedAuthorKeyHashes),
  };
}

/** Who signed the guest's ID block: demanded, and trusted. */
export function checkSigners(
  list: CheckList,
  policy: VerificationPolicy,
  { idKeys, authorKeys }: SignerDigests,
  report: SnpReport,
): void {
  const { requireIdBlock, requireAuthorKey } = policy;
  if (!requireIdBlock && !requireAuthorKey && idKeys.length + authorKeys.length === 0) return;
  const idKey = hex(report.idKeyDigest);
  const authorKey = hex(report.authorKeyDigest);
  const hasIdKey = !isZero(report.idKeyDigest);
  const hasAuthorKey = report.authorKeyEn && !isZero(report.authorKeyDigest);
  if (requireIdBlock) demand(list, 'requireIdBlock', hasIdKey, 'an ID key', idKey);
  if (requireAuthorKey) demand(list, 'requireAuthorKey', hasAuthorKey, 'an author key', authorKey);
  if (idKeys.length + authorKeys.length === 0) return;
  const trusted = (hasIdKey && idKeys.includes(idKey)) || (hasAuthorKey && authorKeys.includes(authorKey));
  const words = (id: readonly string[], author: readonly string[]): string[] => [
    ...id.map((key) => `ID key ${key}`),
    ...author.map((key) => `author key ${key}`),
  ];
  const actual = words([idKey], hasAuthorKey ? [authorKey] : []).join(', ');
  demand(list, 'guest is signed by a trusted key', trusted, words(idKeys, authorKeys), actual);
}

/** SHA-384 of a P-384 key as AMD's firmware hashes it into a report. */
function keyDigest(name: string, pem: string): string {
  let key: PublicKey | undefined;
  try {
    key = publicKeyOf(pem);
  } catch (cause) {
    throw invalid(`'${name}' holds no public key`, cause);
  }
  if (key?.type !== 'ec' || key.curve !== 'P-384') throw invalid(`'${name}' holds a key that is not on P-384`);
  const encoded = new Uint8Array(PUBLIC_KEY_SIZE);
  encoded[0] = CURVE_P384;
  encoded.set(key.x.slice().reverse(), 4);
  encoded.set(key.y.slice().reverse(), 4 + 72);
  return hex(sha2('SHA-384', encoded));
}

function publicKeyOf(pem: string): PublicKey | undefined {
  const [block] = pemBlocks(pem);
  if (block === undefined) return undefined;
  const found =
    block.label === 'CERTIFICATE'
      ? parseCertificate(block.der).publicKey
      : readPublicKey(new DerReader(block.der, 'public key')).key;
  return found === undefined ? undefined : usableKey(found);
}
