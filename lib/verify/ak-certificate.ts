import { firstElementSize } from '../abi/der.js';
import { type Certificate, parseCertificate } from '../abi/x509.js';
import { equalBytes, isZero } from '../base/bytes.js';
import { hex } from '../base/hex.js';
import type { SignatureEngine } from '../engine/engine.js';
import type { AttestationKey } from './attestation-key.js';
import { AZURE_VTPM_ROOT_KEYS, azureVtpmAnchors } from './azure-roots.js';
import type { CheckList } from './check-codes.js';
import { findPath } from './path.js';
import type { TrustAnchors } from './roots.js';
import { type ChainCertificate, chainCertificate } from './snp/certificate.js';

/** Extended key usage of an attestation key's certificate (TCG: tcg-kp-AIKCertificate). */
const AK_CERTIFICATE_USAGE = '2.23.133.8.3';
/** Azure's names of the virtual TPMs of confidential VMs; those of Trusted Launch end in `.TrustedVM.Azure.windows.net`. */
const CONFIDENTIAL_VM = /\.ConfidentialVM\.Azure\.windows\.net$/i;
const MAXIMUM_CHAIN = 16;

export interface AkCertificateInput {
  /** As read from the NV index: DER, then padding. */
  certificate: Uint8Array | undefined;
  /** Intermediates, DER. */
  chain: readonly Uint8Array[];
  /** The policy demands that it proves where the key is. */
  required: boolean;
  anchors: TrustAnchors;
  now: Date;
}

/**
 * The AK certificate, when there is one, must be of the claims' key. Its path is looked at only when the policy demands it,
 * because it says nothing of who wrote the hardware report's data: every Trusted Launch VM has one from the same root.
 * Returns the certificate as far as it is proven, and what is to be said about its padding.
 */
export async function checkAkCertificate(
  engine: SignatureEngine,
  list: CheckList,
  key: AttestationKey | undefined,
  input: AkCertificateInput,
): Promise<{ certificate?: ChainCertificate; warnings: string[] }> {
  const name = 'AK certificate is of this key';
  const { certificate: bytes, required } = input;
  if (bytes === undefined) {
    if (required) list.absent('ak', name, 'ERR_AK_CERTIFICATE', 'a certificate');
    else list.skipped('ak', name, 'no AK certificate in the evidence');
    return { warnings: [] };
  }
  const read = list.read('ak', name, 'ERR_AK', () => {
    const size = firstElementSize(bytes, 'AK certificate');
    return { certificate: parseCertificate(bytes.subarray(0, size)), isPadded: isZero(bytes, size) };
  });
  if (read === undefined) {
    if (required) list.notChecked('ak', 'AK certificate chains to a trusted root', 'it cannot be read');
    return { warnings: [] };
  }
  const { certificate, isPadded } = read;
  const warnings = isPadded ? [] : ['the AK certificate is followed by bytes that are not zero'];
  if (key === undefined) {
    list.notChecked('ak', name, 'no attestation key');
  } else {
    const { publicKey } = certificate;
    const same = publicKey?.type === 'rsa' && equalBytes(publicKey.n, key.n) && equalBytes(publicKey.e, key.e);
    list.faultless('ak', name, 'ERR_AK', same ? [] : ['another key'], () => `RSA ${hex(key.n.subarray(0, 8))}…`);
  }
  const proven = await checkPath(engine, list, certificate, input);
  return proven ? { certificate: chainCertificate(certificate), warnings } : { warnings };
}

async function checkPath(
  engine: SignatureEngine,
  list: CheckList,
  certificate: Certificate,
  { chain, required, anchors, now }: AkCertificateInput,
): Promise<boolean> {
  const name = 'AK certificate chains to a trusted root';
  if (!required) {
    list.skipped('ak', name, 'the policy does not demand it');
    return false;
  }
  const trusted = anchors.keysOf('AzureVtpm');
  const given = chain.slice(0, MAXIMUM_CHAIN).flatMap(readable);
  const candidates = [...anchors.certificates, ...given.map(chainCertificate)];
  const roots = candidates.filter((candidate) => trusted.includes(candidate.publicKeyDigest));
  const pinned = AZURE_VTPM_ROOT_KEYS.some((key) => trusted.includes(key)) ? azureVtpmAnchors() : [];
  const verdict = await findPath(engine, certificate, given, {
    roots: [...roots.map((root) => root.certificate), ...pinned],
    now,
    usage: AK_CERTIFICATE_USAGE,
  });
  const isPath = 'path' in verdict;
  list.add('ak', name, 'ERR_AK_CERTIFICATE', isPath, {
    expected: trusted,
    actual: isPath ? verdict.path.map(({ subject }) => subject.text).join(', issued by ') : verdict.problem,
  });
  const subject = certificate.subject.commonName ?? '';
  const isConfidential = CONFIDENTIAL_VM.test(subject);
  list.add('ak', 'AK certificate is of a confidential VM', 'ERR_AK_CERTIFICATE', isConfidential, {
    expected: '….ConfidentialVM.Azure.windows.net',
    actual: subject,
  });
  return isPath && isConfidential;
}

function readable(der: Uint8Array): Certificate[] {
  try {
    return [parseCertificate(der)];
  } catch {
    return []; // it completes no path
  }
}
