import type { Certificate } from '../abi/x509.js';
import type { CheckSubject } from '../base/errors.js';
import type { CheckList } from './check-codes.js';

/** Whether a certificate is valid now. */
export function checkValidity(
  list: CheckList,
  subject: CheckSubject,
  name: string,
  { notBefore, notAfter }: Certificate,
  now: Date,
): void {
  const code = now.getTime() < notBefore.getTime() ? 'ERR_CERTIFICATE_NOT_YET_VALID' : 'ERR_CERTIFICATE_EXPIRED';
  list.add(subject, name, code, isWithin(now, notBefore, notAfter), {
    expected: () => `${notBefore.toISOString()} to ${notAfter.toISOString()}`,
    actual: now,
  });
}

export function isWithin(now: Date, from: Date, to: Date): boolean {
  const time = now.getTime();
  return from.getTime() <= time && time <= to.getTime();
}
