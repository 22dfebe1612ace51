import type { Certificate } from '../abi/x509.js';
import type { CheckedValues } from '../base/checks.js';
import type { CheckSubject } from '../base/errors.js';
import type { CheckCode, CheckList } from './check-codes.js';

/** What a check found: whether the value is good, its code should it not be, and what was compared. */
export interface Judgement extends CheckedValues {
  readonly code: CheckCode;
  readonly ok: boolean;
}

/** Whether a certificate is valid now. */
export function checkValidity(
  list: CheckList,
  subject: CheckSubject,
  name: string,
  certificate: Certificate,
  now: Date,
): void {
  const found = validity(certificate, now);
  list.add(subject, name, found.code, found.ok, found);
}

/** The same, to be added. */
export function validity({ notBefore, notAfter }: Certificate, now: Date): Judgement {
  const code = now.getTime() < notBefore.getTime() ? 'ERR_CERTIFICATE_NOT_YET_VALID' : 'ERR_CERTIFICATE_EXPIRED';
  return within(code, now, notBefore, notAfter);
}

/** Whether a time is one of those from `from` to `to`. What has no end is never valid. */
export function within(code: CheckCode, now: Date, from: Date, to: Date | undefined): Judgement {
  const time = now.getTime();
  return {
    code,
    ok: to !== undefined && from.getTime() <= time && time <= to.getTime(),
    expected: () => `${from.toISOString()} to ${to?.toISOString() ?? 'an end that it does not state'}`,
    actual: now,
  };
}
