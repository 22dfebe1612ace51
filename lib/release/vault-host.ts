import { invalid } from '../base/options.js';

/** What an access token is asked for, in the words of both ways to get one. */
export interface Audience {
  /** For instance metadata: `https://vault.azure.net`. */
  resource: string;
  /** For a TokenCredential: `https://vault.azure.net/.default`. */
  scope: string;
}

/** A key of a vault, and who may be shown the access token that is needed for it. */
export interface VaultKey {
  /** `https://host[:port]`. */
  origin: string;
  /** With the port, where it is not 443. */
  host: string;
  keyName: string;
  /** Absent: the newest version. */
  keyVersion?: string;
  audience: Audience;
}

/** Where a key is: its id, or vault, name and version apart. */
export interface VaultKeyLocation {
  /** `https://contoso.vault.azure.net/keys/NAME[/VERSION]`. */
  keyId?: string;
  /** `https://contoso.vault.azure.net`. */
  vaultUrl?: string;
  keyName?: string;
  keyVersion?: string;
  /** Hosts (`host` or `host:port`) besides Azure's that are a vault: a simulated one, or one's own. */
  allowedHosts?: readonly string[];
  /** Scope of the access token, in place of the host's own: needed for hosts that are neither Azure's nor allowed. */
  scope?: string;
}

/** Services whose audience is known, by the last labels of their hosts: all clouds of Azure. */
const SERVICES: readonly (readonly string[])[] = [
  ['vault', 'azure', 'net'],
  ['managedhsm', 'azure', 'net'],
  ['vault', 'azure', 'cn'],
  ['managedhsm', 'azure', 'cn'],
  ['vault', 'usgovcloudapi', 'net'],
  ['managedhsm', 'usgovcloudapi', 'net'],
];

const KEY_NAME = /^[0-9A-Za-z-]{1,127}$/;
const KEY_VERSION = /^[0-9A-Za-z]{1,64}$/;

/**
 * The audience of an Azure vault by its host name, label by label: `vault.azure.net.evil.example` and
 * `evilvault.azure.net` are nobody's. Undefined for every other host.
 */
export function audienceOfHost(hostname: string): Audience | undefined {
  const labels = hostname.toLowerCase().split('.');
  const service = SERVICES.find((suffix) => {
    const own = labels.slice(0, -suffix.length);
    return own.length > 0 && !own.includes('') && suffix.every((label, at) => label === labels[own.length + at]);
  });
  return service && audienceOfResource(`https://${service.join('.')}`);
}

/**
 * Says which key is meant and which access token its vault may be shown.
 *
 * @throws AttestationError 8 for a malformed location, for plain http, and for a host that is neither a vault of Azure
 * nor allowed: an access token must not be sent to an unknown host.
 */
export function locateKey(location: VaultKeyLocation): VaultKey {
  const { url, keyName, keyVersion } = location.keyId === undefined ? apart(location) : inOne(location);
  if (!KEY_NAME.test(keyName)) throw invalid('the name of a key is 1 to 127 letters, digits and hyphens');
  if (keyVersion !== undefined && !KEY_VERSION.test(keyVersion)) throw invalid('the version of a key is 32 hex digits');
  return {
    origin: url.origin,
    host: url.host,
    keyName,
    ...(keyVersion !== undefined && { keyVersion }),
    audience: audienceFor(url, location),
  };
}

function inOne({ keyId, vaultUrl, keyName, keyVersion }: VaultKeyLocation) {
  if (vaultUrl !== undefined || keyName !== undefined || keyVersion !== undefined) {
    throw invalid('keyId has the vault, the name and the version in it: give it alone');
  }
  const url = httpsUrl(keyId, 'keyId');
  const [root, keys, name = '', version, ...more] = url.pathname.split('/');
  if (root !== '' || keys !== 'keys' || name === '' || more.length > 0 || version === '') {
    throw invalid('keyId must be https://VAULT/keys/NAME or https://VAULT/keys/NAME/VERSION');
  }
  return { url, keyName: name, keyVersion: version };
}

function apart({ vaultUrl, keyName, keyVersion }: VaultKeyLocation) {
  const url = httpsUrl(vaultUrl, 'vaultUrl');
  if (url.pathname !== '/') throw invalid('vaultUrl must be the address of the vault alone, without a path');
  if (typeof keyName !== 'string') throw invalid('keyName is needed with vaultUrl');
  return { url, keyName, keyVersion };
}

function httpsUrl(value: unknown, name: string): URL {
  if (typeof value !== 'string' || value === '') throw invalid('keyId, or vaultUrl with keyName, must be given');
  if (!URL.canParse(value) || /[\s\\]/.test(value)) throw invalid(`${name} is not a URL`);
  const url = new URL(value);
  if (url.protocol !== 'https:') throw invalid(`${name} must start with https://`);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw invalid(`${name} must have neither user information nor query nor fragment`);
  }
  return url;
}

function audienceFor({ host, hostname, port, origin }: URL, { scope, allowedHosts = [] }: VaultKeyLocation): Audience {
  if (scope !== undefined) return audienceOfScope(scope);
  const azure = port === '' ? audienceOfHost(hostname) : undefined;
  if (azure !== undefined) return azure;
  if (allowedHosts.some((allowed) => allowed.toLowerCase() === host)) return audienceOfResource(origin);
  throw invalid(`${host} is not a vault of Azure: allowedHosts or scope must say that it may be shown an access token`);
}

function audienceOfScope(scope: unknown): Audience {
  if (typeof scope !== 'string' || scope.length > 1024 || !/^[\x21-\x7e]+$/.test(scope)) {
    throw invalid('scope must be the scope of an access token, for instance https://vault.azure.net/.default');
  }
  return { scope, resource: scope.replace(/\/\.default$/, '') };
}

const audienceOfResource = (resource: string): Audience => ({ resource, scope: `${resource}/.default` });
