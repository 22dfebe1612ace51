import { randomUUID } from 'node:crypto';
import type { Answer } from '../http/behaviour.js';
import { jsonAnswer } from '../http/behaviour.js';

/** A refusal in the service's own words (key-release.md 1.9). */
export class VaultRefusal extends Error {
  override readonly name = 'VaultRefusal';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly innerCode?: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }

  /** As the service sends it. */
  answer(): Answer {
    const { status, code, message, innerCode } = this;
    const innererror = innerCode === undefined ? {} : { innererror: { code: innerCode } };
    const answer = jsonAnswer(status, { error: { code, message, ...innererror } });
    return { ...answer, headers: { ...answer.headers, ...SERVICE_HEADERS(), ...this.headers } };
  }
}

/** Headers of every answer of the service. */
export const SERVICE_HEADERS = (): Record<string, string> => ({
  'x-ms-request-id': randomUUID(),
  'x-ms-keyvault-region': 'simulated',
  'x-ms-keyvault-service-version': '1.9.0.0',
});

export const badParameter = (message: string): VaultRefusal => new VaultRefusal(400, 'BadParameter', message);
