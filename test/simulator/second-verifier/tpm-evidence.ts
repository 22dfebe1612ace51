import { createHash, type KeyObject, verify, X509Certificate } from 'node:crypto';
import type { TpmInfo } from '../../../lib/simulator/service/guest-request.js';
import { malformed, untrusted } from '../../../lib/simulator/service/refusal.js';
import { Algorithm, CommandCode, ObjectAttribute, PermanentHandle } from '../../../lib/simulator/tpm/constants.js';
import { TpmWriter } from '../../../lib/simulator/tpm/encoding.js';
import { marshalPcrSelection } from '../../../lib/simulator/tpm/pcr.js';
import {
  parseCertification,
  parseQuote,
  parseRsaPublic,
  primaryQualifiedName,
  type RsaPublic,
} from './tpm-structures.js';

/** PCRs that a Linux guest has to quote. */
const requiredPcrs = [0, 1, 2, 3, 4, 5, 6, 7];

const { fixedTpm, fixedParent, sensitiveDataOrigin, userWithAuth, noDictionaryAttack, restricted, sign, decrypt } =
  ObjectAttribute;
const akAttributes =
  fixedTpm | fixedParent | sensitiveDataOrigin | userWithAuth | noDictionaryAttack | restricted | sign;
const encryptionKeyAttributes = fixedTpm | fixedParent | sensitiveDataOrigin | noDictionaryAttack | decrypt;

/** What the TPM's evidence proves once it has been verified. */
export interface TpmEvidence {
  attestationKey: KeyObject;
  akCertificate: X509Certificate;
  encryptionKey: KeyObject;
  /** SHA-256 bank. */
  pcrs: Map<number, Buffer>;
}

/** Verifies attestation key, quote and ephemeral key of a request. */
export function verifyTpmEvidence(info: TpmInfo, authorities: readonly X509Certificate[], now: Date): TpmEvidence {
  const ak = parseRsaPublic(info.akPublic, 'AikPub');
  if (ak.attributes !== akAttributes || ak.scheme !== Algorithm.rsassa || ak.schemeHash !== Algorithm.sha256) {
    throw untrusted('AikPub is not a restricted signing key of the attestation key template');
  }
  if (ak.keyBits !== 2048) throw untrusted(`AikPub has ${ak.keyBits} bits`);
  const akCertificate = verifyAkCertificate(info.akCertificate, ak.key, authorities, now);
  const pcrs = readPcrs(info);
  const quote = verifyQuote(info, ak.key, pcrs);
  const encryptionKey = parseRsaPublic(info.encryptionKeyPublic, 'EncKeyPub');
  verifyEncryptionKeyTemplate(encryptionKey, [...pcrs.keys()], pcrDigest(pcrs));
  const certification = verifyCertification(info, ak.key, encryptionKey);
  const sameBoot = certification.resetCount === quote.resetCount && certification.restartCount === quote.restartCount;
  if (!sameBoot || !certification.qualifiedSigner.equals(quote.qualifiedSigner)) {
    throw untrusted('PcrQuote and EncKeyCertifyInfo are not of the same key and boot');
  }
  return { attestationKey: ak.key, akCertificate, encryptionKey: encryptionKey.key, pcrs };
}

/** Cuts off what follows a certificate in its NV index: zeros, or bytes of an older one. */
function withoutPadding(bytes: Buffer): Buffer {
  if (bytes.length < 4 || bytes[0] !== 0x30 || bytes[1] !== 0x82) throw malformed('AikCert is not a DER certificate');
  const length = 4 + bytes.readUInt16BE(2);
  if (length > bytes.length) throw malformed('AikCert is cut off');
  return bytes.subarray(0, length);
}

function verifyAkCertificate(
  bytes: Buffer,
  attestationKey: KeyObject,
  authorities: readonly X509Certificate[],
  now: Date,
): X509Certificate {
  const der = withoutPadding(bytes);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch {
    throw malformed('AikCert is not a certificate');
  }
  const issuer = authorities.find((authority) => certificate.checkIssued(authority));
  if (!issuer || !certificate.verify(issuer.publicKey)) throw untrusted('AikCert is not by a trusted authority');
  if (now < new Date(certificate.validFrom) || now > new Date(certificate.validTo)) {
    throw untrusted('AikCert is outside its validity');
  }
  if (!certificate.publicKey.equals(attestationKey)) throw untrusted('AikCert is not of the key in AikPub');
  return certificate;
}

/** PCR values by index; the lists of the request have to agree with each other and hold all that is required. */
function readPcrs(info: TpmInfo): Map<number, Buffer> {
  const { pcrSet, pcrs } = info;
  const ascending = pcrSet.every((index, i) => index < 24 && (i === 0 || index > (pcrSet[i - 1] ?? 0)));
  if (!ascending) throw malformed('PcrSet is not an ascending list of PCRs');
  if (pcrs.length !== pcrSet.length || pcrs.some(({ index }, i) => index !== pcrSet[i])) {
    throw malformed('PCRs and PcrSet differ');
  }
  if (pcrs.some(({ digest }) => digest.length !== 32)) throw malformed('a digest in PCRs does not have 32 bytes');
  if (requiredPcrs.some((index) => !pcrSet.includes(index))) throw untrusted('PcrSet does not hold PCRs 0 to 7');
  return new Map(pcrs.map(({ index, digest }) => [index, digest]));
}

function pcrDigest(pcrs: Map<number, Buffer>): Buffer {
  return createHash('sha256')
    .update(Buffer.concat([...pcrs.values()]))
    .digest();
}

function verifyQuote(
  info: TpmInfo,
  attestationKey: KeyObject,
  pcrs: Map<number, Buffer>,
): ReturnType<typeof parseQuote> {
  if (!verify('sha256', info.quote, attestationKey, info.quoteSignature)) {
    throw untrusted('PcrSignature is not by the attestation key');
  }
  const quote = parseQuote(info.quote);
  if (quote.pcrs.join() !== [...pcrs.keys()].join()) throw untrusted('PcrQuote selects other PCRs than PcrSet');
  if (!quote.pcrDigest.equals(pcrDigest(pcrs))) throw untrusted('PcrQuote is not over the values in PCRs');
  return quote;
}

/** policyDigest of PolicyPCR over these values in a fresh session (Part 3, 23.7). */
function policyPcr(indices: number[], digest: Buffer): Buffer {
  const update = new TpmWriter()
    .bytes(Buffer.alloc(32))
    .u32(CommandCode.PolicyPCR)
    .u32(1)
    .bytes(marshalPcrSelection('sha256', indices))
    .bytes(digest)
    .toBuffer();
  return createHash('sha256').update(update).digest();
}

function verifyEncryptionKeyTemplate(key: RsaPublic, pcrs: number[], digest: Buffer): void {
  if (key.attributes !== encryptionKeyAttributes) {
    throw untrusted(`EncKeyPub has attributes 0x${key.attributes.toString(16)}`);
  }
  if (key.keyBits !== 2048 || key.scheme !== Algorithm.null || key.symmetric !== Algorithm.null) {
    throw untrusted('EncKeyPub is not an RSA-2048 decryption key without a scheme');
  }
  if (!key.authPolicy.equals(policyPcr(pcrs, digest))) {
    throw untrusted('the policy of EncKeyPub is not bound to the quoted PCRs');
  }
}

function verifyCertification(
  info: TpmInfo,
  attestationKey: KeyObject,
  encryptionKey: RsaPublic,
): ReturnType<typeof parseCertification> {
  if (!verify('sha256', info.certifyInfo, attestationKey, info.certifySignature)) {
    throw untrusted('EncKeyCertifyInfoSignature is not by the attestation key');
  }
  const certification = parseCertification(info.certifyInfo);
  if (!certification.name.equals(encryptionKey.name))
    throw untrusted('EncKeyCertifyInfo is of another key than EncKeyPub');
  const qualified = [PermanentHandle.null, PermanentHandle.owner].some((hierarchy) =>
    certification.qualifiedName.equals(primaryQualifiedName(hierarchy, encryptionKey.name)),
  );
  if (!qualified) throw untrusted('EncKeyPub is not a primary key of the null or owner hierarchy');
  return certification;
}
