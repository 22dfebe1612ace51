import type { CheckSubject } from '../base/errors.js';
import { type ChainCertificate, isoTime } from './certificate.js';
import type { EndorsementChain } from './chain.js';
import type { CheckList } from './check-list.js';
import type { TrustAnchors } from './roots.js';
import type { Product } from './types.js';

const MINIMUM_RSA_BITS = 2048;

/** Chain to the root that is trusted for `product`: who signed whom, with which algorithm, and whether they may. */
export function checkChain(
  list: CheckList,
  chain: EndorsementChain,
  product: Product | undefined,
  anchors: TrustAnchors,
) {
  const { leaf, ask, ark } = chain;
  if (ark === undefined) {
    list.add('root', 'root certificate (ARK)', 'ERR_CERTIFICATE_MISSING', false, {
      expected: ask === undefined ? 'an ARK' : ask.info.issuer,
      actual: 'absent',
    });
    list.notChecked('root', 'root is trusted', 'no root certificate');
  } else {
    checkRoot(list, ark, product, anchors);
    checkIssued(list, 'root', 'root signed itself', ark, ark, chain.arkSelfSigned);
  }
  if (ask === undefined) {
    list.add('intermediate', 'signing key certificate (ASK or ASVK)', 'ERR_CERTIFICATE_MISSING', false, {
      expected: leaf.info.issuer,
      actual: 'absent',
    });
  } else if (ark === undefined) {
    list.notChecked('intermediate', 'root signed the signing key certificate', 'no root certificate');
  } else {
    checkIssued(list, 'intermediate', 'root signed the signing key certificate', ask, ark, chain.askSigned);
  }
  if (ask === undefined) list.notChecked('leaf', 'signing key signed the leaf', 'no signing key certificate');
  else checkIssued(list, 'leaf', 'signing key signed the leaf', leaf, ask, chain.leafSigned);
}

function checkRoot(list: CheckList, ark: ChainCertificate, product: Product | undefined, anchors: TrustAnchors): void {
  if (product === undefined) {
    list.notChecked('root', 'root is trusted', 'the product is not known');
    return;
  }
  const trusted = anchors.keysOf(product);
  list.add('root', 'root is trusted', 'ERR_ARK_NOT_TRUSTED', trusted.includes(ark.info.publicKeyDigest), {
    expected: trusted.join(' or ') || `a root for ${product}`,
    actual: ark.info.publicKeyDigest,
  });
}

function checkIssued(
  list: CheckList,
  subject: CheckSubject,
  name: string,
  certificate: ChainCertificate,
  issuer: ChainCertificate,
  signed: boolean,
): void {
  const faults: string[] = [];
  if (!signed) faults.push('the signature is not valid');
  if (!certificate.info.pssSha384) faults.push('the signature is not RSASSA-PSS with SHA-384');
  if (!issuer.info.isCa) faults.push('the issuer is no CA');
  if (issuer.info.keyType !== 'rsa' || issuer.info.keyBits < MINIMUM_RSA_BITS) faults.push('the issuer has no RSA key');
  list.add(subject, name, 'ERR_CERTIFICATE_CHAIN', faults.length === 0, {
    expected: `${certificate.info.subject} signed by ${certificate.info.issuer}`,
    actual: faults.length === 0 ? `${certificate.info.subject} signed by ${issuer.info.subject}` : faults.join(', '),
  });
}

/** Validity dates of every certificate of the chain. */
export function checkDates(list: CheckList, chain: EndorsementChain, now: Date): void {
  const actual = now.toISOString();
  checkValidity(list, 'root', chain.ark, now, actual);
  checkValidity(list, 'intermediate', chain.ask, now, actual);
  checkValidity(list, 'leaf', chain.leaf, now, actual);
}

function checkValidity(
  list: CheckList,
  subject: 'root' | 'intermediate' | 'leaf',
  certificate: ChainCertificate | undefined,
  now: Date,
  actual: string,
): void {
  const name = `${subject} certificate is valid now`;
  if (certificate === undefined) {
    list.notChecked(subject, name, 'the certificate is missing');
    return;
  }
  const { notBefore, notAfter } = certificate.info;
  const early = now.getTime() < notBefore;
  const late = now.getTime() > notAfter;
  list.add(subject, name, early ? 'ERR_CERTIFICATE_NOT_YET_VALID' : 'ERR_CERTIFICATE_EXPIRED', !early && !late, {
    expected: certificate.validity,
    actual,
  });
}

/** Revocation of the signing key certificate, by the root's own list, when lists were supplied. */
export function checkRevocation(
  list: CheckList,
  chain: EndorsementChain,
  crls: readonly (Uint8Array | string)[] | undefined,
  now: Date,
): void {
  const name = 'signing key certificate is not revoked';
  const { ask, ark } = chain;
  if (crls === undefined) {
    list.skipped('intermediate', name, 'no revocation list supplied');
    return;
  }
  if (ask === undefined || ark === undefined) {
    list.notChecked('intermediate', name, 'the chain is incomplete');
    return;
  }
  const faults: string[] = [];
  for (const crl of crls) {
    try {
      const found = ask.handle.checkRevocation(typeof crl === 'string' ? Buffer.from(crl, 'utf8') : crl, ark.handle);
      if (found.issuer !== ark.info.subject) continue; // another product's list
      if (!found.authentic) {
        faults.push(`not signed by ${ark.info.subject}`);
        continue;
      }
      const current = found.thisUpdate <= now.getTime() && now.getTime() <= found.nextUpdate;
      list.add('intermediate', 'revocation list is valid now', 'ERR_CRL_EXPIRED', current, {
        expected: `${isoTime(found.thisUpdate)} to ${isoTime(found.nextUpdate)}`,
        actual: now.toISOString(),
      });
      list.add('intermediate', name, 'ERR_CERTIFICATE_REVOKED', !found.revoked, {
        expected: `serial ${ask.info.serial} not among ${found.entries} revoked`,
        actual: found.revoked ? 'revoked' : 'not revoked',
      });
      return;
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
    }
  }
  list.add('intermediate', name, 'ERR_CRL', false, {
    expected: `a revocation list signed by ${ark.info.subject}`,
    actual: faults.join(', ') || 'none of this root among those supplied',
  });
}
