import type { Certificate } from '../abi/x509.js';
import type { CheckSubject } from '../base/errors.js';
import type { CheckCode, CheckList, Judgement } from './check-codes.js';

/** Whether a certificate is valid now. */
export function checkValidity(
  list: CheckList,
  subject: CheckSubject,
  name: string,
  certificate: Certificate,
  now: Date,
): void {
  list.judged(subject, name, validity(certificate, now));
}

/** The same, to be added. */
export function validity({ notBefore, notAfter }: Certificate, now: Date): Judgement {
  const code = now.getTime() < notBefore.getTime() ? 'ERR_CERTIFICATE_NOT_YET_VALID' : 'ERR_CERTIFICATE_EXPIRED';
  return within(code, now, notBefore, notAfter);
}

/** Whether a time is one of those from `from` to `to`. A list without an end is never valid: it would hide later revocations. */
export function within(code: CheckCode, now: Date, from: Date, to: Date | undefined): Judgement {
  const time = now.getTime();
  return {
    code,
    ok: to !== undefined && from.getTime() <= time && time <= to.getTime(),
    expected: () => `${from.toISOString()} to ${to?.toISOString() ?? 'an end that is missing'}`,
    actual: now,
  };
}
