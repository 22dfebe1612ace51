import { AttestationError, ErrorCode } from '../errors.js';

/**
 * Base URL of a service, without a trailing slash: `https:` only, except on the loopback interface or when the caller
 * insists. Throws AttestationError 8 on anything else, on credentials, on a query and on a fragment.
 */
export function serviceBaseUrl(text: string, allowInsecureHttp = false): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, 'the service’s address is not an https URL');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new AttestationError(
      ErrorCode.INVALID_INPUT_PARAMETER,
      'the service’s address must have neither credentials nor query nor fragment',
    );
  }
  requireSecureTransport(url, allowInsecureHttp);
  return url.href.replace(/\/+$/, '');
}

/** Plain http lets anyone on the way answer in the service’s name: allowed on this machine only, or when insisted on. */
export function requireSecureTransport(url: URL, allowInsecureHttp: boolean): void {
  if (url.protocol === 'https:' || allowInsecureHttp) return;
  if (url.protocol === 'http:' && isLoopback(url.hostname)) return;
  throw new AttestationError(
    ErrorCode.INVALID_INPUT_PARAMETER,
    'plain http is allowed on the loopback interface only (allowInsecureHttp overrides this)',
  );
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
