import type { JsonWebKey } from 'node:crypto';
import {
  checkedPolicy,
  encodedPolicy,
  publicMembers,
  type SimulatedKeyOptions,
  type StoredKey,
  type VaultCurve,
  type VaultKeyType,
} from './stored-keys.js';
import { badParameter } from './vault-refusal.js';

type JsonObject = Record<string, unknown>;

/** Body of `PUT /keys/NAME`. */
export interface ImportRequest extends JsonObject {
  key?: JsonWebKey & { key_ops?: string[] };
  hsm?: boolean;
}

const dateOf = (value: unknown): Date | undefined => (typeof value === 'number' ? new Date(value * 1000) : undefined);

/** What `POST /keys/NAME/create` asks for. @throws VaultRefusal */
export function createdKey(body: JsonObject): SimulatedKeyOptions {
  const { kty, key_size: keySize, crv, key_ops: operations } = body;
  if (typeof kty !== 'string') throw badParameter('The kty property is required.');
  return {
    kty: kty as VaultKeyType,
    ...(typeof keySize === 'number' && { keySize }),
    ...(typeof crv === 'string' && { crv: crv as VaultCurve }),
    ...(Array.isArray(operations) && { operations: operations as string[] }),
    ...commonOptions(body),
  };
}

/** What `PUT /keys/NAME` brings. @throws VaultRefusal */
export function importedKeyOptions(body: ImportRequest): SimulatedKeyOptions {
  const { key, hsm } = body;
  if (typeof key?.kty !== 'string') throw badParameter('The key property is required.');
  const type = key.kty.replace('-HSM', '');
  return {
    kty: (hsm || key.kty.endsWith('-HSM') ? `${type}-HSM` : type) as VaultKeyType,
    key: { ...key, kty: type },
    ...(key.key_ops && { operations: key.key_ops }),
    ...commonOptions(body),
  };
}

function commonOptions(body: JsonObject): SimulatedKeyOptions {
  const {
    attributes = {},
    release_policy: encoded,
    tags,
  } = body as {
    attributes?: JsonObject;
    release_policy?: { data?: unknown; immutable?: unknown };
    tags?: Record<string, string>;
  };
  const [notBefore, expires] = [dateOf(attributes.nbf), dateOf(attributes.exp)];
  return {
    exportable: attributes.exportable === true,
    enabled: attributes.enabled !== false,
    ...(notBefore && { notBefore }),
    ...(expires && { expires }),
    ...(tags && { tags }),
    ...(encoded !== undefined && {
      policy: checkedPolicy({ data: encoded.data }),
      immutable: encoded.immutable === true,
    }),
  };
}

/** `PATCH /keys/NAME`: the policy, and the tags. @throws VaultRefusal */
export function changeKey(key: StoredKey, body: JsonObject, version: string | undefined): StoredKey {
  const {
    release_policy: encoded,
    tags,
    attributes,
  } = body as {
    release_policy?: { data?: unknown; immutable?: unknown };
    tags?: Record<string, string>;
    attributes?: { exportable?: unknown; enabled?: unknown };
  };
  if (attributes?.exportable !== undefined && attributes.exportable !== key.attributes.exportable) {
    throw badParameter('AKV.SKR.1003: The exportable attribute of an existing key cannot be changed.');
  }
  if (encoded !== undefined) {
    if (version !== undefined)
      throw badParameter('AKV.SKR.1016: The release policy is changed on the versionless key.');
    if (key.immutable) throw badParameter('AKV.SKR.1020: An immutable release policy cannot be modified.');
    key.policy = checkedPolicy({ data: encoded.data });
    key.immutable = encoded.immutable === true;
  }
  if (typeof attributes?.enabled === 'boolean') key.attributes.enabled = attributes.enabled;
  if (tags !== undefined) key.tags = tags;
  key.attributes.updated = Math.floor(Date.now() / 1000);
  return key;
}

/** A key as the REST API shows it. */
export function bundleOf(key: StoredKey, kid: string, flavour: 'vault' | 'managed-hsm'): JsonObject {
  const policy = encodedPolicy(key, flavour);
  return {
    key: { kid, kty: key.kty, key_ops: key.operations, ...publicMembers(key) },
    attributes: { ...key.attributes, recoveryLevel: 'Recoverable+Purgeable', recoverableDays: 90 },
    ...(key.tags && { tags: key.tags }),
    ...(policy && { release_policy: policy }),
  };
}
