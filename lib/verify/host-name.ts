import type { AlternativeNames } from '../abi/x509-extensions.js';
import { equalBytes } from '../base/bytes.js';

/**
 * Whether a certificate is for a host (RFC 6125, RFC 9525): by its alternative names alone, never by the common name. A
 * wildcard is the whole first label, stands for exactly one label, and has at least two labels behind it.
 *
 * @param hostname as a URL has it: a name in ASCII, an IPv4 address, or an IPv6 address in brackets; no port
 */
export function isForHost(names: AlternativeNames | undefined, hostname: string): boolean {
  if (names === undefined) return false;
  const address = addressBytes(hostname);
  if (address !== undefined) return names.ip.some((ip) => equalBytes(ip, address));
  const host = hostname.toLowerCase();
  return isHostName(host) && names.dns.some((name) => matches(name.toLowerCase(), host));
}

function matches(name: string, host: string): boolean {
  if (!name.startsWith('*.')) return name === host;
  const parent = name.slice(2);
  const dot = host.indexOf('.');
  return isHostName(parent) && parent.includes('.') && dot > 0 && host.slice(dot + 1) === parent;
}

const isHostName = (name: string): boolean =>
  name.length <= 253 && name.split('.').every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));

/** Bytes of an IP address as URLs write it, which is always the canonical form. */
export function addressBytes(hostname: string): Uint8Array | undefined {
  if (hostname.startsWith('[') && hostname.endsWith(']')) return ipv6Bytes(hostname.slice(1, -1));
  const parts = hostname.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return undefined;
  return Uint8Array.from(parts, Number);
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const [head = '', tail, more] = text.split('::');
  if (more !== undefined) return undefined;
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), tail === undefined ? [] : groups(tail)];
  const missing = 8 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const all = [...before, ...Array<string>(missing).fill('0'), ...after];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]));
}
