import { checkOptions, invalid } from '../base/options.js';
import { parseServiceUrl } from '../http/service-url.js';
import { encodeClientPayload } from '../maa/client-payload.js';
import { ATTEST_PARAMETERS } from './call-options.js';
import type { AttestParameters } from './call-types.js';

/**
 * What attest() was asked for, checked: where, and the payload as the request has it.
 *
 * @throws AttestationError 8, 27 for an address of blanks
 */
export function attestRequest(params: AttestParameters, rules: Parameters<typeof parseServiceUrl>[1]) {
  if (params === undefined) throw invalid('attest takes an object with the attestationUrl');
  const { attestationUrl, clientPayload } = checkOptions('attest', params, ATTEST_PARAMETERS);
  return { url: parseServiceUrl(attestationUrl, rules), clientPayload: encodeClientPayload(clientPayload) };
}
