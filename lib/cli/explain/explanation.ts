import { adviceFor } from '../../base/advice.js';
import { describeErrorCode, ErrorCode } from '../../base/error-codes.js';
import { RELEASE_REFUSALS } from '../../release/errors.js';
import { SECRET_REFUSALS } from '../../release/secret-token.js';
import { REQUEST_REFUSALS } from '../../relying-party/guards/refused-request.js';
import { CHALLENGE_REFUSALS } from '../../relying-party/refusals.js';
import { TOKEN_REFUSALS } from '../../token/errors.js';
import { CHECK_CODES } from '../../verify/check-codes.js';
import { causeOf, familyMeaning } from './causes.js';

/** A code in words. */
export interface Explanation {
  /** Number of an AttestationError, or `ERR_…`. */
  code: number | string;
  /** Name of the number. */
  name?: string;
  meaning: string;
  causes?: string;
  action?: string;
}

const REFUSALS: Readonly<Record<string, string>> = {
  ...CHALLENGE_REFUSALS,
  ...REQUEST_REFUSALS,
  ...SECRET_REFUSALS,
  ...RELEASE_REFUSALS,
  ...TOKEN_REFUSALS,
  ...CHECK_CODES,
};

/** Every code that has a sentence of its own. */
export const EXPLAINED_CODES: readonly (number | string)[] = [...Object.values(ErrorCode), ...Object.keys(REFUSALS)];

/**
 * Explains a code in any of the spellings that people copy: `26`, `-26` as the reference library has it,
 * `DATA_DECRYPTION_TPM_ERROR`, `ERR_TOKEN_EXPIRED`, in any case. Undefined for what is not a code.
 */
export function explanationOf(given: string): Explanation | undefined {
  const text = given.trim().toUpperCase();
  const number = numberOf(text);
  if (number !== undefined) {
    const { codeName, description } = describeErrorCode(number);
    return { code: number, name: codeName, ...told(number, description) };
  }
  const meaning = Object.hasOwn(REFUSALS, text) ? REFUSALS[text] : familyMeaning(text);
  return meaning === undefined ? undefined : { code: text, ...told(text, meaning) };
}

function told(code: number | string, meaning: string): Omit<Explanation, 'code' | 'name'> {
  const [causes, action] = [causeOf(code), adviceFor(code)];
  return { meaning, ...(causes !== undefined && { causes }), ...(action !== undefined && { action }) };
}

function numberOf(text: string): ErrorCode | undefined {
  const byName = Object.entries(ErrorCode).find(([name]) => name === text || `ERROR_${name}` === text)?.[1];
  if (byName !== undefined) return byName;
  const digits = /^-?(\d{1,2})$/.exec(text)?.[1];
  return Object.values(ErrorCode).find((code) => code === Number(digits));
}
