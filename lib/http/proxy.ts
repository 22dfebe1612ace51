import { BlockList, isIP } from 'node:net';
import { encodeBase64 } from '../base/base64url.js';
import { utf8Bytes } from '../base/bytes.js';
import { invalid } from '../base/options.js';
import { HttpError } from './transport.js';

/**
 * Which proxy a request goes through. The environment is read as curl and most programs read it: `https_proxy`,
 * `http_proxy`, `all_proxy` and `no_proxy`, in lower case or, when that is not set, in upper case.
 */

/** The option `proxy`: a URL, or false for none. @throws AttestationError 8 */
export function proxyAddress(value: unknown, name: string): string | false {
  if (value === false) return false;
  if (typeof value !== 'string' || parsed(value) === undefined) {
    throw invalid(`${name} must be the URL of an HTTP or HTTPS proxy, or false for none`);
  }
  return value;
}

/**
 * The proxy for a request; undefined to connect directly.
 *
 * @param option as the caller gave it; undefined to go by the environment
 * @throws HttpError when the environment names something that is not an HTTP proxy
 */
export function proxyFor(
  target: URL,
  option: string | false | undefined,
  env: NodeJS.ProcessEnv = process.env,
): URL | undefined {
  if (option === false) return undefined;
  if (option !== undefined) return parsed(option);
  const [name, value] = fromEnvironment(target.protocol, env);
  if (value === '' || isExempt(target, variable('no_proxy', env))) return undefined;
  const proxy = parsed(value);
  if (proxy === undefined)
    throw new HttpError('unreachable', `${name} of the environment is not the URL of an HTTP proxy`);
  return proxy;
}

/** `Basic` credentials for a proxy whose URL has a user. */
export function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'Proxy-Authorization': `Basic ${encodeBase64(utf8Bytes(credentials))}` };
}

function fromEnvironment(protocol: string, env: NodeJS.ProcessEnv): [name: string, value: string] {
  const scheme = protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  // A web server sets HTTP_PROXY for its CGI programs from a header that any client sends ("httpoxy").
  const own =
    scheme === 'http_proxy' && env.REQUEST_METHOD !== undefined ? (env.http_proxy ?? '') : variable(scheme, env);
  return own === '' ? ['all_proxy', variable('all_proxy', env)] : [scheme, own];
}

const variable = (name: string, env: NodeJS.ProcessEnv): string => (env[name] || env[name.toUpperCase()] || '').trim();

/** `host:port` without a scheme is an HTTP proxy, as it is for curl. */
function parsed(text: string): URL | undefined {
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (text.trim() === '' || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '' ? url : undefined;
}

/** Whether `no_proxy` names the target: hosts with all that is below them, addresses, networks, `*`; each with a port or not. */
function isExempt(target: URL, list: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = target.port === '' ? (target.protocol === 'https:' ? '443' : '80') : target.port;
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => isNamed(entry.toLowerCase(), host, port));
}

function isNamed(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const [, name = '', entryPort] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? [entry, entry];
  if (entryPort !== undefined && entryPort !== port) return false;
  const bare = name.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return bare.includes('/') ? isInNetwork(bare, host) : bare === host;
  const suffix = bare.replace(/^\*?\.?/, '');
  return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`));
}

function isInNetwork(network: string, host: string): boolean {
  const [address = '', bits] = network.split('/');
  const family = isIP(address);
  if (family === 0 || family !== isIP(host) || !/^\d{1,3}$/.test(bits ?? '')) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  list.addSubnet(address, Number(bits), type);
  return list.check(host, type);
}
