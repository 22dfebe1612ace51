import { AttestationError, ErrorCode } from '../base/errors.js';
import { invalid } from '../base/options.js';
import { isJsonObject, parseStrictJson } from '../base/strict-json.js';
import { askImds, type Imds } from './imds.js';

/** Which of the identities of a VM, at most one member. Needed where it has several. */
export interface ManagedIdentity {
  clientId?: string;
  objectId?: string;
  /** Azure resource id of a user-assigned identity. */
  resourceId?: string;
}

/** An access token, in the shape of `@azure/identity`. */
export interface AccessToken {
  token: string;
  /** Milliseconds since 1970. */
  expiresOnTimestamp: number;
}

/** Names of the members in the query (IMDS, "Get a token using HTTP"). */
const PARAMETERS = { clientId: 'client_id', objectId: 'object_id', resourceId: 'msi_res_id' } as const;

/** A token that ends sooner than this is requested again. */
const RENEWAL_MS = 5 * 60_000;
const MAX_TOKEN_LENGTH = 64 * 1024;

/**
 * The managed identity of this VM, by instance metadata; has the shape of a TokenCredential. Tokens are kept until five
 * minutes before they end.
 */
export class ManagedIdentityCredential {
  readonly #imds: Imds;
  readonly #identity: ManagedIdentity;
  readonly #tokens = new Map<string, AccessToken>();

  /** @throws AttestationError 8 for more than one member, or one that is not a string */
  constructor(imds: Imds, identity: ManagedIdentity = {}) {
    const members = Object.entries(identity);
    const known = members.every(([name, value]) => Object.hasOwn(PARAMETERS, name) && isIdentifier(value));
    if (members.length > 1 || !known) {
      throw invalid('managedIdentity must have one of clientId, objectId and resourceId, as a string');
    }
    this.#imds = imds;
    this.#identity = { ...identity };
  }

  /**
   * @param scope `RESOURCE/.default`, or the resource itself
   * @throws AttestationError 3 when the VM has no identity, or several and none was chosen; 16 for an answer that is
   * none; 4, 5 and 7 as for every exchange with instance metadata; an `AbortError` when the signal aborts
   */
  async getToken(scope: string | string[], options: { abortSignal?: AbortSignal } = {}): Promise<AccessToken> {
    const resource = resourceOf(scope);
    const kept = this.#tokens.get(resource);
    if (kept !== undefined && kept.expiresOnTimestamp - RENEWAL_MS > Date.now()) return kept;
    const token = readToken(await this.#ask(resource, options.abortSignal), resource);
    this.#tokens.set(resource, token);
    return token;
  }

  async #ask(resource: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const query = new URLSearchParams({ 'api-version': '2018-02-01', resource });
    for (const [name, value] of Object.entries(this.#identity)) {
      query.set(PARAMETERS[name as keyof typeof PARAMETERS], value);
    }
    const path = `/metadata/identity/oauth2/token?${query}`;
    try {
      // 404: the endpoint is not up yet.
      return await askImds(this.#imds, { method: 'GET', path, required: true }, signal);
    } catch (error) {
      throw error instanceof AttestationError && error.status === 400 ? refusal(error) : error;
    }
  }
}

function resourceOf(scope: unknown): string {
  const one: unknown = Array.isArray(scope) && scope.length === 1 ? scope[0] : scope;
  if (!isIdentifier(one)) throw invalid('getToken takes one scope');
  return one.replace(/\/\.default$/, '');
}

const isIdentifier = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= 2048 && /^[\x20-\x7e]+$/.test(value);

/** What the documented refusals mean for whoever set the VM up. */
function refusal(cause: AttestationError): AttestationError {
  const body = cause.responseBody ?? '';
  const advice = /multiple user assigned identities/i.test(body)
    ? 'it has several: name one by managedIdentity.clientId, objectId or resourceId'
    : /identity not found/i.test(body)
      ? 'assign one to the VM, or give a credential'
      : cause.message;
  return new AttestationError(ErrorCode.MSI_TOKEN_NOT_FOUND, `no token for a managed identity of this VM: ${advice}`, {
    cause,
    status: 400,
    responseBody: body,
  });
}

/** Nothing of the answer is quoted: it may be half a token. */
function readToken(body: Uint8Array, resource: string): AccessToken {
  const answer = parsed(body);
  const { access_token: token, token_type: type, resource: audience } = answer;
  if (typeof token !== 'string' || token.length > MAX_TOKEN_LENGTH || !/^[\x21-\x7e]+$/.test(token)) {
    throw malformed('without an access_token');
  }
  if (type !== undefined && String(type).toLowerCase() !== 'bearer')
    throw malformed('of another token type than Bearer');
  if (audience !== undefined && withoutSlash(String(audience)) !== withoutSlash(resource)) {
    throw malformed('for another resource than the one asked for');
  }
  return { token, expiresOnTimestamp: expiryOf(answer) };
}

function expiryOf({ expires_on: on, expires_in: lifetime }: Record<string, unknown>): number {
  const end = on === undefined ? Date.now() + seconds(lifetime) * 1000 : seconds(on) * 1000;
  if (!Number.isSafeInteger(Math.floor(end))) throw malformed('without the time at which the token ends');
  return Math.floor(end);
}

/** All numbers of the answer are texts. */
const seconds = (value: unknown): number => (/^\d{1,12}$/.test(String(value)) ? Number(value) : Number.NaN);

function parsed(body: Uint8Array): Record<string, unknown> {
  let answer: unknown;
  try {
    answer = parseStrictJson(body);
  } catch {
    throw malformed('that is not JSON');
  }
  if (!isJsonObject(answer)) throw malformed('that is not a JSON object');
  return answer;
}

const withoutSlash = (text: string): string => (text.endsWith('/') ? text.slice(0, -1) : text);

const malformed = (how: string): AttestationError =>
  new AttestationError(
    ErrorCode.INVALID_JSON_RESPONSE,
    `instance metadata gave an answer ${how} for a managed identity`,
  );
