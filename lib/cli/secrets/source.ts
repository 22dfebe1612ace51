import { type AttestationClient, AttestationError, KeyBrokerClient, type ReleaseKeyParameters } from '../../index.js';
import { UsageError } from '../exit.js';
import { readText } from '../input/files.js';
import { bytesOfKey, KEY_FORMATS, type KeyFormat } from './key-format.js';

/** One secret that a program is started with: its name, and where it comes from. */
export interface SecretSource {
  /** Name of the variable, or of the file. */
  readonly name: string;
  /** As it was given, for messages. */
  readonly text: string;
  /** Gets it: bytes for the caller to zero. */
  fetch(client: AttestationClient, signal: AbortSignal): Promise<Buffer>;
}

export interface SourceSettings {
  readonly attestationUrl: string | undefined;
  readonly vaultUrl: string | undefined;
  readonly identity: Pick<ReleaseKeyParameters, 'managedIdentity'>;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MAX_TOKEN_BYTES = 1 << 20;

/**
 * `NAME=SOURCE`. Sources: `https://VAULT/keys/KEY[/VERSION][#FORMAT]` and, of the vault in the environment,
 * `key:KEY[#FORMAT]`; `kbs+https://BROKER/REPOSITORY/TYPE/TAG`; `provisioned:FILE`.
 *
 * @throws UsageError
 */
export function parseSource(argument: string, settings: SourceSettings): SecretSource {
  const at = argument.indexOf('=');
  const [name, source] = [argument.slice(0, at), argument.slice(at + 1)];
  if (at < 1 || !NAME.test(name)) throw new UsageError(`--secret ${argument.slice(0, 40)}: it must be NAME=SOURCE`);
  if (source.startsWith('provisioned:')) return provisioned(name, source.slice('provisioned:'.length));
  if (/^kbs\+https?:\/\//.test(source)) return brokerResource(name, source.slice('kbs+'.length));
  if (source.startsWith('key:') || /^https:\/\/[^/]+\/keys\//.test(source)) return vaultKey(name, source, settings);
  throw new UsageError(
    `--secret ${name}: the source must be https://VAULT/keys/KEY, key:KEY, kbs+https://BROKER/… or provisioned:FILE`,
  );
}

function vaultKey(name: string, source: string, { attestationUrl, vaultUrl, identity }: SourceSettings): SecretSource {
  const [address = '', format = 'pem', more] = source.split('#');
  const known = KEY_FORMATS.find((one) => one === format);
  if (known === undefined || more !== undefined) {
    throw new UsageError(`--secret ${name}: the format after # must be ${KEY_FORMATS.join(', ')}`);
  }
  if (!attestationUrl) throw new UsageError(`--secret ${name}: a key of a vault needs --attestation-url`);
  const location = locationOf(name, address, vaultUrl);
  return {
    name,
    text: address,
    async fetch(client, signal) {
      using key = await client.releaseKey({ ...location, attestationUrl, ...identity }, { signal });
      return bytesOfKey(key, known satisfies KeyFormat);
    },
  };
}

function locationOf(name: string, address: string, vaultUrl: string | undefined) {
  if (!address.startsWith('key:')) return { keyId: address };
  const [keyName = '', keyVersion] = address.slice('key:'.length).split('/');
  if (!vaultUrl) throw new UsageError(`--secret ${name}: key: needs --vault-url`);
  return { vaultUrl, keyName, ...(keyVersion !== undefined && { keyVersion }) };
}

/** One client of each broker: it attests once for all its resources. */
const brokers = new WeakMap<AttestationClient, Map<string, KeyBrokerClient>>();

function brokerResource(name: string, address: string): SecretSource {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^\/[^/]+\/[^/]+\/[^/]+$/.test(url.pathname)) {
    throw new UsageError(`--secret ${name}: a key broker's resource is kbs+https://BROKER/REPOSITORY/TYPE/TAG`);
  }
  return {
    name,
    text: address,
    async fetch(client, signal) {
      const known = brokers.get(client) ?? new Map<string, KeyBrokerClient>();
      brokers.set(client, known);
      const broker = known.get(url.origin) ?? new KeyBrokerClient({ url: url.origin, client });
      known.set(url.origin, broker);
      const resource = await broker.getResource(url.pathname.slice(1), { signal });
      return Buffer.from(resource.buffer, resource.byteOffset, resource.byteLength);
    },
  };
}

function provisioned(name: string, path: string): SecretSource {
  if (path === '') throw new UsageError(`--secret ${name}: provisioned: needs a file`);
  return {
    name,
    text: `provisioned:${path}`,
    fetch: async (client, signal) => client.unprotectSecret((await readText(path, MAX_TOKEN_BYTES)).trim(), { signal }),
  };
}

/** A secret as the value of a variable. @throws AttestationError 8 for what a variable cannot hold */
export function textOf(bytes: Uint8Array, name: string): string {
  const refuse = (why: string): AttestationError =>
    new AttestationError(8, `${name} cannot be a variable: ${why}; use --deliver file`);
  if (bytes.includes(0)) throw refuse('it has a zero byte');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refuse('it is not UTF-8 text');
  }
}
