import { X509Certificate } from 'node:crypto';
import type { Product, Tcb } from '../../../lib/abi/tcb.js';
import { malformed, untrusted } from '../../../lib/simulator/service/refusal.js';
import { type DerElement, readDer, readExtensions, readObjectIdentifier } from './der-reader.js';

/** A leaf certificate whose chain to a trusted root has been verified. */
export interface VerifiedLeaf {
  product: Product;
  certificate: X509Certificate;
  tcb: Tcb;
  /** 64 bytes, or 8 on Turin. */
  hardwareId: Buffer;
}

const arc = '1.3.6.1.4.1.3704.1';
const pemPattern = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

const commonName = (name: string): string => /^CN=(.+)$/m.exec(name)?.[1] ?? '';

/**
 * Verifies VCEK ← ASK ← ARK, with an ARK that is among the roots, and reads what the leaf says about its chip. A VLEK is
 * not taken: it proves a provider, and Azure's guests have VCEKs.
 */
export function verifySnpChain(pems: string, roots: readonly X509Certificate[], now: Date): VerifiedLeaf {
  const certificates = (pems.match(pemPattern) ?? []).map(parseCertificate);
  if (certificates.length !== 3) throw malformed(`VcekCertChain has ${certificates.length} certificates, not 3`);
  const named = (pattern: RegExp): X509Certificate | undefined =>
    certificates.find(({ subject }) => pattern.test(commonName(subject)));
  if (named(/^SEV-VLEK$/)) throw untrusted('the leaf is a VLEK');
  const leaf = named(/^SEV-VCEK$/);
  const intermediate = named(/^SEV-(Milan|Genoa|Turin)$/);
  const root = named(/^ARK-(Milan|Genoa|Turin)$/);
  if (!leaf || !intermediate || !root) throw malformed('VcekCertChain is not a VCEK, an ASK and an ARK');
  const product = commonName(root.subject).slice('ARK-'.length) as Product;

  const trusted = roots.some(({ publicKey, subject }) => subject === root.subject && publicKey.equals(root.publicKey));
  if (!trusted) throw untrusted(`the root key of ${product} in VcekCertChain is not trusted`);
  verifyIssued(root, root, now);
  verifyIssued(intermediate, root, now);
  verifyIssued(leaf, intermediate, now);
  if (!root.ca || !intermediate.ca || leaf.ca)
    throw untrusted('VcekCertChain has the wrong certificates as authorities');
  const leafKey = leaf.publicKey;
  if (leafKey.asymmetricKeyType !== 'ec' || leafKey.asymmetricKeyDetails?.namedCurve !== 'secp384r1') {
    throw untrusted('the key of the leaf is not on P-384');
  }
  return { product, certificate: leaf, ...readLeafExtensions(leaf, product) };
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw malformed('VcekCertChain has a malformed certificate');
  }
}

function verifyIssued(certificate: X509Certificate, issuer: X509Certificate, now: Date): void {
  const name = commonName(certificate.subject);
  if (certificate.issuer !== issuer.subject || !certificate.verify(issuer.publicKey)) {
    throw untrusted(`${name} is not signed by ${commonName(issuer.subject)}`);
  }
  if (!isPssSha384(certificate)) throw untrusted(`the signature of ${name} is not RSASSA-PSS with SHA-384`);
  if (now < new Date(certificate.validFrom) || now > new Date(certificate.validTo)) {
    throw untrusted(`${name} is outside its validity`);
  }
}

const pssOid = '1.2.840.113549.1.1.10';
const sha384Oid = '2.16.840.1.101.3.4.2.2';

/** Reads signatureAlgorithm, which Node does not tell: RSASSA-PSS whose first parameter, the hash, is SHA-384. */
function isPssSha384({ raw }: X509Certificate): boolean {
  const children = (bytes: Buffer | undefined): DerElement[] => readDer(bytes ?? Buffer.alloc(0), 'a certificate');
  const [, algorithm] = children(children(raw)[0]?.content);
  const [oid, parameters] = children(algorithm?.content);
  const hash = children(parameters?.content).find(({ tag }) => tag === 0xa0);
  const [hashOid] = children(children(hash?.content)[0]?.content);
  return (
    readObjectIdentifier(oid?.content ?? Buffer.alloc(0)) === pssOid &&
    readObjectIdentifier(hashOid?.content ?? Buffer.alloc(0)) === sha384Oid
  );
}

function readLeafExtensions(leaf: X509Certificate, product: Product): Pick<VerifiedLeaf, 'tcb' | 'hardwareId'> {
  const extensions = readExtensions(leaf.raw, 'the leaf');
  const spl = (suffix: string): number => readInteger(extensions.get(`${arc}.${suffix}`), suffix);
  const structVersion = spl('1');
  if (structVersion !== (product === 'Turin' ? 1 : 0)) throw untrusted(`the leaf has structVersion ${structVersion}`);
  const productName = readText(extensions.get(`${arc}.2`));
  if (productName.split('-')[0] !== product) throw untrusted(`the leaf is for ${productName}, its root for ${product}`);
  if (extensions.has(`${arc}.5`)) throw untrusted('a VCEK names a provider');
  const levels = { bootloader: spl('3.1'), tee: spl('3.2'), snp: spl('3.3'), microcode: spl('3.8') };
  const tcb = product === 'Turin' ? { fmc: spl('3.9'), ...levels } : levels;
  return { tcb, hardwareId: readHardwareId(extensions.get(`${arc}.4`), product) };
}

/** DER INTEGER of one unsigned byte, which takes two bytes of content from 0x80 on. */
function readInteger(value: Buffer | undefined, suffix: string): number {
  const [element, ...more] = readDer(value ?? Buffer.alloc(0), 'the leaf');
  const content = element?.content;
  const fits = content && (content.length === 1 || (content.length === 2 && content[0] === 0));
  if (element?.tag !== 0x02 || !fits || more.length > 0) throw malformed(`the leaf has no valid extension ${suffix}`);
  return content[content.length - 1] ?? 0;
}

/**
 * IA5String of the product name. Its inner length is not relied on: there are test chains that have it wrong, and what
 * the name says has to agree with the root anyway.
 */
function readText(value: Buffer | undefined): string {
  return value?.[0] === 0x16 ? value.subarray(2).toString('latin1') : '';
}

/** Told apart by length: 64 or 8 raw bytes, or an OCTET STRING around 64. */
function readHardwareId(value: Buffer | undefined, product: Product): Buffer {
  const wrapped = value?.length === 66 && value[0] === 0x04 && value[1] === 64;
  const id = wrapped ? value.subarray(2) : value;
  if (id?.length !== (product === 'Turin' ? 8 : 64)) throw malformed('the leaf has no valid hardware id');
  return id;
}
