import type { PckExtension } from '../../abi/pck-extension.js';
import type { TdQuote } from '../../abi/td-quote.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import { whenAll } from '../../base/when-all.js';
import type { SignatureEngine } from '../../engine/engine.js';
import type { CheckCode, CheckList, Judgement } from '../check-codes.js';
import { messageOf } from '../refusal.js';
import { validity } from '../validity.js';
import { checkPart, type Part } from './part.js';
import { type IssuedCertificate, openPckChain, type PckChain } from './pck-chain.js';

const PCK_CHAIN = 5;
/** What each certificate is to the chain, and what its checks are called. */
const CERTIFICATES = [
  ['root', 'root', 'root', 'root signed itself'],
  ['ca', 'intermediate', 'PCK CA', 'root signed the PCK CA'],
  ['leaf', 'leaf', 'PCK', 'PCK CA signed the PCK certificate'],
] as const;

/** Whose root must be trusted, and when everything must be valid. */
export interface Trust {
  /** SHA-256 of their public keys. */
  readonly trustedKeys: readonly string[];
  readonly now: Date;
}

/** The chain of the quote, or of the collateral for a quote that has none; at once when it is remembered. */
export function findPckChain(
  engine: SignatureEngine,
  { pckCertification: { type, data } }: TdQuote,
  collateral: TdxCollateral | undefined,
): Part<PckChain> | Promise<Part<PckChain>> {
  const pem = type === PCK_CHAIN ? data : collateral?.pckCertificateChain;
  if (pem === undefined || pem.length === 0) {
    return { fault: 'neither in the quote nor in the collateral', code: 'ERR_CERTIFICATE_MISSING' };
  }
  try {
    return whenAll([openPckChain(engine, pem)], found);
  } catch (error) {
    return { fault: messageOf(error), code: 'ERR_CERTIFICATE_FORMAT' };
  }
}

function found(value: PckChain | undefined): Part<PckChain> {
  return value ? { value } : { fault: 'not PCK certificate, PCK CA, root', code: 'ERR_CERTIFICATE_CHAIN' };
}

/** Rows 3 and 4: the chain down from a trusted root. */
export function checkPckChain(
  list: CheckList,
  found: Part<PckChain>,
  { trustedKeys, now }: Trust,
): { chain: Part<PckChain>; extension: Part<PckExtension> } {
  const chain = checkPart(list, 'leaf', 'PCK certificate chain', found);
  checkPart(list, 'root', 'root is trusted', chain, ({ rootKey }) => trusted(trustedKeys, rootKey));
  for (const [member, subject, , name] of CERTIFICATES) {
    checkPart(list, subject, name, chain, (chain) => issued('ERR_CERTIFICATE_CHAIN', chain[member]));
  }
  const content = chain.fault === undefined ? chain.value.extension : chain;
  const extension = checkPart(list, 'leaf', 'PCK certificate extension', content);
  for (const [member, subject, name] of CERTIFICATES) {
    checkPart(list, subject, `${name} certificate is valid now`, chain, (chain) =>
      validity(chain[member].certificate, now),
    );
  }
  return { chain, extension };
}

/** By the key's digest, hex. */
export function trusted(trustedKeys: readonly string[], rootKey: string): Judgement {
  const expected = trustedKeys.length === 0 ? 'a root of Intel' : trustedKeys;
  return { code: 'ERR_ROOT_NOT_TRUSTED', ok: trustedKeys.includes(rootKey), expected, actual: rootKey };
}

/** By its issuer. */
export function issued(code: CheckCode, { certificate: { subject, issuer }, faults }: IssuedCertificate): Judgement {
  const expected = () => `${subject.commonName} signed by ${issuer.commonName}`;
  return { code, ok: faults.length === 0, expected, actual: faults.join(', ') || 'signed' };
}
