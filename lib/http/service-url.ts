import { AttestationError, ErrorCode } from '../base/errors.js';

/**
 * The address of a service as `https://host[:port]/`.
 *
 * Takes what the reference library takes, a bare host name or an address with a scheme, blanks around it, and drops path,
 * query and fragment as it does. Unlike it, keeps the port, takes the scheme in any case and IPv6 literals, and never
 * turns `http` into `https` silently: plain `http` is refused unless the host is this machine or the caller allows it.
 *
 * @throws AttestationError 8 when the value is not a string or empty, or the scheme or user information is not allowed;
 * 27 when nothing is left after trimming; 7 when it is not a URL.
 */
export function parseServiceUrl(value: unknown, options: { allowInsecureHttp?: boolean } = {}): URL {
  if (typeof value !== 'string' || value === '') {
    const waiting = typeof (value as { then?: unknown } | null)?.then === 'function';
    throw invalid(
      `the URL of the service must be a non-empty string${waiting ? ', not a promise: is an await missing?' : ''}`,
    );
  }
  const text = value.trim();
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  const rest = scheme === undefined ? text : text.slice(scheme.length + 3);
  if (rest === '') {
    throw new AttestationError(ErrorCode.PARSING_DNS_INFO, 'the URL of the service names no host');
  }
  if (scheme !== undefined && scheme !== 'https' && scheme !== 'http') {
    throw invalid('the URL of the service must start with https://');
  }
  const address = `${scheme ?? 'https'}://${bracketed(rest)}`;
  if (!URL.canParse(address) || /[\s\\]/.test(rest)) {
    throw new AttestationError(ErrorCode.SENDING_CURL_REQUEST_FAILED, 'the URL of the service is malformed');
  }
  const url = new URL(address);
  if (url.username !== '' || url.password !== '') {
    throw invalid('the URL of the service must not carry user information');
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && options.allowInsecureHttp !== true) {
    throw invalid(`${url.host} is not this machine: https is required unless allowInsecureHttp is set`);
  }
  return new URL('/', url);
}

/** Whether a URL's host name is this machine: `localhost`, 127.0.0.0/8 or ::1. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** An IPv6 address on its own gets the brackets that a URL needs. */
const bracketed = (host: string): string => (URL.canParse(`http://[${host}]`) ? `[${host}]` : host);

const invalid = (message: string): AttestationError => new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, message);
