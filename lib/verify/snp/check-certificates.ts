import type { Product } from '../../abi/tcb.js';
import { type Certificate, isCertificateAuthority } from '../../abi/x509.js';
import { DIGITAL_SIGNATURE } from '../../abi/x509-extensions.js';
import type { CheckSubject } from '../../base/errors.js';
import type { CheckList } from '../check-codes.js';
import type { TrustAnchors } from '../roots.js';
import { checkValidity } from '../validity.js';
import { type ChainCertificate, isAuthorityKey } from './certificate.js';
import type { EndorsementChain } from './chain.js';

// VCEK Certificate and KDS Interface Specification: RSASSA-PSS with SHA-384 and a salt as long as the hash.
const SALT_LENGTH = 48;

/** Chain to the root that is trusted for `product`: who signed whom, with which algorithm, and whether they may. */
export function checkChain(
  list: CheckList,
  chain: EndorsementChain,
  product: Product | undefined,
  anchors: TrustAnchors,
): void {
  const { leaf, ask, ark } = chain;
  const code = 'ERR_CERTIFICATE_MISSING';
  if (ark === undefined) {
    list.absent('root', 'root certificate (ARK)', code, ask?.issuer ?? 'an ARK');
    list.notChecked('root', 'root is trusted', 'no root certificate');
  } else {
    checkRoot(list, ark, product, anchors);
    checkIssued(list, 'root', 'root signed itself', ark, ark, chain.arkSelfSigned);
  }
  const name = 'root signed the signing key certificate';
  if (ask === undefined) {
    list.absent('intermediate', 'signing key certificate (ASK or ASVK)', code, leaf.issuer);
    list.notChecked('leaf', 'signing key signed the leaf', 'no signing key certificate');
    return;
  }
  if (ark === undefined) list.notChecked('intermediate', name, 'no root certificate');
  else checkIssued(list, 'intermediate', name, ask, ark, chain.askSigned);
  checkIssued(list, 'leaf', 'signing key signed the leaf', leaf, ask, chain.leafSigned);
}

function checkRoot(list: CheckList, ark: ChainCertificate, product: Product | undefined, anchors: TrustAnchors): void {
  if (product === undefined) {
    list.notChecked('root', 'root is trusted', 'the product is not known');
    return;
  }
  list.oneOf('root', 'root is trusted', 'ERR_ARK_NOT_TRUSTED', anchors.keysOf(product), ark.publicKeyDigest);
}

function checkIssued(
  list: CheckList,
  subject: CheckSubject,
  name: string,
  holder: ChainCertificate,
  issuer: ChainCertificate,
  signed: boolean,
): void {
  const { certificate } = holder;
  const { scheme } = certificate.signatureAlgorithm;
  const isPss = scheme?.scheme === 'rsa-pss' && scheme.hash === 'SHA-384' && scheme.saltLength === SALT_LENGTH;
  const faults: string[] = [];
  if (!signed) faults.push('the signature is not valid');
  if (!isPss) faults.push('not signed with RSASSA-PSS and SHA-384');
  if (!isCertificateAuthority(issuer.certificate)) faults.push('the issuer is not a CA');
  if (!isAuthorityKey(issuer.key)) faults.push('the issuer has no usable RSA key');
  const { unknownCritical, hasNameConstraints } = certificate;
  // Nothing evaluates name constraints here: AMD's certificates have none.
  if (unknownCritical.length > 0 || hasNameConstraints) faults.push('a critical extension that is not understood');
  if (subject === 'intermediate' && issuer.certificate.basicConstraints?.pathLength === 0) {
    faults.push('the issuer allows no authorities below it');
  }
  if (subject === 'leaf') faults.push(...leafFaults(certificate));
  const expected = (): string => `${holder.subject} signed by ${holder.issuer}`;
  list.faultless(subject, name, 'ERR_CERTIFICATE_CHAIN', faults, expected);
}

/** What a key that signs reports may not be. AMD's VCEKs and VLEKs have neither extension. */
function leafFaults({ basicConstraints, keyUsage = DIGITAL_SIGNATURE }: Certificate): string[] {
  const faults: string[] = [];
  if (basicConstraints?.ca === true) faults.push('a leaf that is a CA');
  if ((keyUsage & DIGITAL_SIGNATURE) === 0) faults.push('a leaf whose key usage has no digitalSignature');
  return faults;
}

/** Validity dates of every certificate of the chain. */
export function checkDates(list: CheckList, { ark, ask, leaf }: EndorsementChain, now: Date): void {
  const holders = { root: ark, intermediate: ask, leaf };
  for (const subject of ['root', 'intermediate', 'leaf'] as const) {
    const name = `${subject} certificate is valid now`;
    const holder = holders[subject];
    if (holder === undefined) list.notChecked(subject, name, 'the certificate is missing');
    else checkValidity(list, subject, name, holder.certificate, now);
  }
}
