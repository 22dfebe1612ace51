import type { TdQuote } from '../../abi/td-quote.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import type { Certificate } from '../../abi/x509.js';
import type { CheckSubject } from '../../base/errors.js';
import { whenAll } from '../../base/when-all.js';
import type { SignatureEngine } from '../../engine/engine.js';
import type { CheckList } from '../check-codes.js';
import { messageOf } from '../refusal.js';
import { checkValidity } from '../validity.js';
import { openPckChain, type PckChain } from './pck-chain.js';

const PCK_CHAIN = 5;
const IN_ORDER = 'PCK certificate, PCK CA, root';
/** Checks that need the chain, with what they are about. */
const DEPENDENT: readonly (readonly [CheckSubject, string])[] = [
  ['root', 'root is trusted'],
  ['root', 'root signed itself'],
  ['intermediate', 'root signed the PCK CA'],
  ['leaf', 'PCK CA signed the PCK certificate'],
  ['leaf', 'PCK certificate extension'],
  ['root', 'root certificate is valid now'],
  ['intermediate', 'PCK CA certificate is valid now'],
  ['leaf', 'PCK certificate is valid now'],
];

/** The chain of a quote, or why there is none. */
export type FoundChain =
  | { readonly chain: PckChain; readonly code?: undefined }
  | {
      readonly code: 'ERR_CERTIFICATE_MISSING' | 'ERR_CERTIFICATE_CHAIN' | 'ERR_CERTIFICATE_FORMAT';
      readonly why: string;
    };

/** The chain of the quote, or of the collateral for a quote that has none; at once when it is remembered. */
export function findPckChain(
  engine: SignatureEngine,
  { pckCertification }: TdQuote,
  collateral: TdxCollateral | undefined,
): FoundChain | Promise<FoundChain> {
  const pem = pckCertification.type === PCK_CHAIN ? pckCertification.data : collateral?.pckCertificateChain;
  if (pem === undefined || pem.length === 0) {
    const why = `certification data of type ${pckCertification.type} and no chain in the collateral`;
    return { code: 'ERR_CERTIFICATE_MISSING', why };
  }
  try {
    return whenAll([openPckChain(engine, pem)], found);
  } catch (error) {
    return { code: 'ERR_CERTIFICATE_FORMAT', why: messageOf(error) };
  }
}

function found(chain: PckChain | undefined): FoundChain {
  const why = 'other certificates, or in another order';
  return chain === undefined ? { code: 'ERR_CERTIFICATE_CHAIN', why } : { chain };
}

/** Rows 3 and 4: the chain down from a trusted root. */
export function checkPckChain(
  list: CheckList,
  found: FoundChain,
  { trustedKeys, now }: { trustedKeys: readonly string[]; now: Date },
): PckChain | undefined {
  const name = 'PCK certificate chain';
  if (found.code !== undefined) {
    const expected = found.code === 'ERR_CERTIFICATE_CHAIN' ? IN_ORDER : 'a chain';
    list.add('leaf', name, found.code, false, { expected, actual: found.why });
    for (const [subject, dependent] of DEPENDENT) list.notChecked(subject, dependent, 'no certificate chain');
    return undefined;
  }
  const { chain } = found;
  const { leaf, ca, root, rootKey } = chain;
  list.add('leaf', name, 'ERR_CERTIFICATE_CHAIN', true, { expected: IN_ORDER, actual: IN_ORDER });
  list.add('root', 'root is trusted', 'ERR_ROOT_NOT_TRUSTED', trustedKeys.includes(rootKey), {
    expected: trustedKeys.length === 0 ? 'a root of Intel' : trustedKeys,
    actual: rootKey,
  });
  issued(list, 'root', 'root signed itself', root, chain.rootFaults);
  issued(list, 'intermediate', 'root signed the PCK CA', ca, chain.caFaults);
  issued(list, 'leaf', 'PCK CA signed the PCK certificate', leaf, chain.leafFaults);
  list.add('leaf', 'PCK certificate extension', 'ERR_CERTIFICATE_FORMAT', chain.extension !== undefined, {
    expected: 'FMSPC, PCE id and TCB of the platform',
    actual: chain.extensionError ?? 'present',
  });
  checkValidity(list, 'root', 'root certificate is valid now', root, now);
  checkValidity(list, 'intermediate', 'PCK CA certificate is valid now', ca, now);
  checkValidity(list, 'leaf', 'PCK certificate is valid now', leaf, now);
  return chain;
}

function issued(
  list: CheckList,
  subject: CheckSubject,
  name: string,
  { subject: holder, issuer }: Certificate,
  faults: readonly string[],
): void {
  list.add(subject, name, 'ERR_CERTIFICATE_CHAIN', faults.length === 0, {
    expected: () => `${holder.commonName} signed by ${issuer.commonName}`,
    actual: faults.length === 0 ? 'signed' : faults.join(', '),
  });
}
