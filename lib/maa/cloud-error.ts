import { isJsonObject, parseStrictJson } from '../base/strict-json.js';

const MAX_CODE = 200;
const MAX_MESSAGE = 4096;

/**
 * A refusal by the attestation service, in its own words.
 *
 * Source: Attestation - Attest Sev Snp Vm, REST API 2022-08-01, `CloudError`.
 */
export class CloudError extends Error {
  override readonly name = 'CloudError';
  /** The service's identifier: invariant, to be handled by programs. */
  readonly code: string;
  /** HTTP status of the answer. */
  readonly status: number;

  constructor(code: string, message: string, status: number) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** The CloudError in the body of an answer, or undefined when it holds none. */
export function cloudErrorIn(body: Uint8Array, status: number): CloudError | undefined {
  let value: unknown;
  try {
    value = parseStrictJson(body);
  } catch {
    return undefined;
  }
  const error = isJsonObject(value) ? value.error : undefined;
  if (!isJsonObject(error) || typeof error.code !== 'string') return undefined;
  const message = typeof error.message === 'string' ? error.message : `the service answered with status ${status}`;
  return new CloudError(error.code.slice(0, MAX_CODE), message.slice(0, MAX_MESSAGE), status);
}
