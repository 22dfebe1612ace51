import type { TdQuote } from '../../abi/td-quote.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import type { Certificate } from '../../abi/x509.js';
import type { CheckSubject } from '../../base/errors.js';
import type { SignatureEngine } from '../../engine/engine.js';
import type { CheckList } from '../check-list.js';
import { openPckChain, type PckChain } from './pck-chain.js';

const PCK_CHAIN = 5;
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

/** Rows 3 and 4: the chain of the quote, or of the collateral for a quote that has none, down from a trusted root. */
export async function checkPckChain(
  list: CheckList,
  engine: SignatureEngine,
  quote: TdQuote,
  collateral: TdxCollateral | undefined,
  { trustedKeys, now }: { trustedKeys: readonly string[]; now: Date },
): Promise<PckChain | undefined> {
  const chain = await findChain(list, engine, quote, collateral);
  if (chain === undefined) {
    for (const [subject, name] of DEPENDENT) list.notChecked(subject, name, 'no certificate chain');
    return undefined;
  }
  const { leaf, ca, root, rootKey } = chain;
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
  checkValidity(list, 'root', 'root certificate is valid now', [root], now);
  checkValidity(list, 'intermediate', 'PCK CA certificate is valid now', [ca], now);
  checkValidity(list, 'leaf', 'PCK certificate is valid now', [leaf], now);
  return chain;
}

async function findChain(
  list: CheckList,
  engine: SignatureEngine,
  { pckCertification }: TdQuote,
  collateral: TdxCollateral | undefined,
): Promise<PckChain | undefined> {
  const name = 'PCK certificate chain';
  const pem = pckCertification.type === PCK_CHAIN ? pckCertification.data : collateral?.pckCertificateChain;
  if (pem === undefined || pem.length === 0) {
    const actual = `certification data of type ${pckCertification.type} and no chain in the collateral`;
    list.add('leaf', name, 'ERR_CERTIFICATE_MISSING', false, { expected: 'a chain', actual });
    return undefined;
  }
  try {
    const chain = await openPckChain(engine, pem);
    list.add('leaf', name, 'ERR_CERTIFICATE_CHAIN', chain !== undefined, {
      expected: 'PCK certificate, PCK CA, root',
      actual: chain === undefined ? 'other certificates, or in another order' : 'PCK certificate, PCK CA, root',
    });
    return chain;
  } catch (error) {
    const actual = error instanceof Error ? error.message : String(error);
    list.add('leaf', name, 'ERR_CERTIFICATE_FORMAT', false, { expected: 'a chain', actual });
    return undefined;
  }
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

/** Whether all of the certificates are valid now; the dates of the first that is not are shown. */
export function checkValidity(
  list: CheckList,
  subject: CheckSubject,
  name: string,
  certificates: readonly [Certificate, ...Certificate[]],
  now: Date,
): void {
  const isEarly = ({ notBefore }: Certificate): boolean => now < notBefore;
  const isLate = ({ notAfter }: Certificate): boolean => now > notAfter;
  const wrong = certificates.find((each) => isEarly(each) || isLate(each));
  const { notBefore, notAfter } = wrong ?? certificates[0];
  const code = wrong !== undefined && isEarly(wrong) ? 'ERR_CERTIFICATE_NOT_YET_VALID' : 'ERR_CERTIFICATE_EXPIRED';
  list.add(subject, name, code, wrong === undefined, {
    expected: () => `${notBefore.toISOString()} to ${notAfter.toISOString()}`,
    actual: now,
  });
}
