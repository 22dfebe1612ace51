import { createHash } from 'node:crypto';
import { utf8Text } from '../../base/bytes.js';
import { canonicalJson } from '../../base/canonical-json.js';
import { isJsonObject, parseStrictJson } from '../../base/strict-json.js';
import { bodyOf } from '../server/exchange.js';

/** The wire format of trustee's key broker protocol (RCAR), version 0.4, with the profiles of this hardware. */

export const KBS_PREFIX = '/kbs/v0';
export const KBS_VERSION = '0.4.0';
export const SESSION_COOKIE = 'kbs-session-id';

const VERSION = /^0\.4(\.\d{1,4})?$/;
const TEES = { 'az-snp-vtpm': 'snp', 'az-tdx-vtpm': 'tdx' } as const;
const ERROR_TYPE = 'https://github.com/confidential-containers/kbs/errors/';
const MAXIMUM_BODY = 1024 * 1024;
const MAXIMUM_DEPTH = 32;

/** Names of the hardware's profiles. */
export type BrokerTee = keyof typeof TEES;
export const brokerTeeOf = (tee: 'snp' | 'tdx'): BrokerTee => (tee === 'snp' ? 'az-snp-vtpm' : 'az-tdx-vtpm');

/** Why a broker answers no; `code` is ours, `type` the protocol's. */
export class BrokerRefusal extends Error {
  override readonly name = 'BrokerRefusal';
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 500 | 503;
  readonly type: string;
  readonly code: string;

  constructor(status: BrokerRefusal['status'], type: string, detail: string, code = `ERR_KBS_${snakeCase(type)}`) {
    super(detail);
    this.status = status;
    this.type = type;
    this.code = code;
  }

  toResponse(): Response {
    const body = JSON.stringify({ type: ERROR_TYPE + this.type, detail: this.message });
    const retry: Record<string, string> = this.status === 503 ? { 'Retry-After': '5' } : {};
    return new Response(body, { status: this.status, headers: { ...JSON_HEADERS, ...retry } });
  }
}

export const JSON_HEADERS = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' } as const;

/** `POST auth`. */
export function parseAuth(body: unknown): BrokerTee {
  const { version, tee } = membersOf(body);
  if (typeof version !== 'string' || !VERSION.test(version)) {
    throw new BrokerRefusal(401, 'ProtocolVersion', `the protocol must be version ${KBS_VERSION}`);
  }
  if (typeof tee !== 'string' || !Object.hasOwn(TEES, tee)) {
    throw new BrokerRefusal(401, 'UnsupportedTee', `the TEE must be ${Object.keys(TEES).join(' or ')}`);
  }
  const extra = membersOf(body)['extra-params'];
  const hashes = isJsonObject(extra) ? extra['supported-hash-algorithms'] : undefined;
  const isSpoken = hashes === undefined || (Array.isArray(hashes) && hashes.some(isSha384));
  if (!isSpoken) throw new BrokerRefusal(401, 'HashAlgorithm', 'report data is made with SHA-384');
  return tee as BrokerTee;
}

const isSha384 = (name: unknown): boolean => typeof name === 'string' && /^sha-?384$/i.test(name);

export interface AttestRequest {
  nonce: string;
  teePubkey: unknown;
  primaryEvidence: Record<string, unknown>;
  additionalEvidence: string;
}

/** `POST attest`. */
export function parseAttest(body: unknown): AttestRequest {
  const members = membersOf(body);
  const runtime = membersOf(members['runtime-data']);
  const evidence = membersOf(members['tee-evidence']);
  const { primary_evidence: primary, additional_evidence: additional = '' } = evidence;
  if (typeof runtime.nonce !== 'string' || !isJsonObject(primary)) throw malformed();
  // Evidence of further devices would have to be verified, and nothing here can.
  if (additional !== '' && additional !== '{}') {
    throw new BrokerRefusal(401, 'AdditionalEvidence', 'there must be no additional evidence');
  }
  return {
    nonce: runtime.nonce,
    teePubkey: runtime['tee-pubkey'],
    primaryEvidence: primary,
    additionalEvidence: additional,
  };
}

/** SHA-384 over what a guest binds its evidence to: 48 bytes, in the quote's qualifying data and the report's user data. */
export function reportData(nonce: string, teePubkey: unknown, additionalEvidence: string): Uint8Array {
  const bound = { 'additional-evidence': additionalEvidence, nonce, 'tee-pubkey': teePubkey };
  return Uint8Array.from(createHash('sha384').update(canonicalJson(bound)).digest());
}

/** A resource's place: three names. */
export interface ResourcePath {
  repository: string;
  type: string;
  tag: string;
}

const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** `repository/type/tag`, or undefined for anything else, `..` and encoded slashes included. */
export function parseResourcePath(text: string): ResourcePath | undefined {
  const segments = text.split('/');
  if (segments.length !== 3 || !segments.every((segment) => SEGMENT.test(segment))) return undefined;
  const [repository = '', type = '', tag = ''] = segments;
  return { repository, type, tag };
}

/** The JSON of a request, at most 1 MiB. */
export async function readJson(request: Request): Promise<unknown> {
  let body: Uint8Array | undefined;
  try {
    body = await bodyOf(request, MAXIMUM_BODY);
  } catch {
    // Who sent it has gone: no fault of the broker.
    throw malformed();
  }
  if (body === undefined) throw new BrokerRefusal(413, 'RequestTooLarge', 'the request is larger than 1 MiB');
  const text = utf8Text(body);
  try {
    return parseStrictJson(text ?? '', MAXIMUM_DEPTH);
  } catch {
    throw malformed();
  }
}

export function malformed(): BrokerRefusal {
  return new BrokerRefusal(400, 'InvalidRequest', 'the request is not what the protocol says');
}

function membersOf(value: unknown): Record<string, unknown> {
  if (!isJsonObject(value)) throw malformed();
  return value;
}

const snakeCase = (name: string): string => name.replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
