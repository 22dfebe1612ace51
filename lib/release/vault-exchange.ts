import { AttestationError, ErrorCode, type VerificationError } from '../base/errors.js';
import { isJsonObject, parseStrictJson, StrictJsonError } from '../base/strict-json.js';
import { type HttpSettings, sendWithRetry } from '../http/retry.js';
import { type HttpAnswer, HttpError, type HttpRequest } from '../http/transport.js';
import type { TokenCredential } from '../maa/maa-client.js';
import { type ReleaseErrorCode, refuseRelease } from './errors.js';
import { vaultFailure } from './vault-error.js';
import type { VaultKey } from './vault-host.js';

/** Longest answer that is read; genuine ones have 9 to 15 KB. */
export const MAX_VAULT_ANSWER_BYTES = 1024 * 1024;
const MAX_ACCESS_TOKEN = 64 * 1024;

/** How a vault is talked to. */
export interface VaultConnection {
  readonly settings: HttpSettings;
  readonly credential: TokenCredential;
  readonly apiVersion: string;
}

/** One request to the vault of a key, with a bearer token of its audience, down to the JSON of its 200. */
export async function askVault(
  { settings, apiVersion }: VaultConnection,
  key: Pick<VaultKey, 'origin' | 'host'>,
  accessToken: string,
  request: { method: 'GET' | 'POST'; path: string; body?: object },
  signal?: AbortSignal,
): Promise<Record<string, unknown>> {
  const { method, path, body } = request;
  const answer = await send(
    settings,
    {
      method,
      url: new URL(`${path}?api-version=${encodeURIComponent(apiVersion)}`, key.origin),
      headers: {
        Accept: 'application/json',
        Authorization: `Bearer ${accessToken}`,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      repeatable: true,
    },
    signal,
  );
  if (answer.status !== 200) throw vaultFailure(key.host, answer, settings.retryOn);
  return jsonAnswer(answer);
}

async function send(
  settings: HttpSettings,
  request: HttpRequest,
  signal: AbortSignal | undefined,
): Promise<HttpAnswer> {
  try {
    return await sendWithRetry(settings, request, signal);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    if (error.reason === 'unreadable') throw malformed(error.message, error);
    throw new AttestationError(
      ErrorCode.SENDING_CURL_REQUEST_FAILED,
      `the key vault at ${request.url.host}: ${error.message}`,
      { cause: error },
    );
  }
}

function jsonAnswer({ body }: HttpAnswer): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseStrictJson(body);
  } catch (error) {
    if (error instanceof StrictJsonError) throw malformed(`the answer is ${error.message}`);
    throw error;
  }
  if (!isJsonObject(value)) throw malformed('the answer is not a JSON object');
  return value;
}

function malformed(why: string, cause?: unknown): VerificationError {
  const code: ReleaseErrorCode = 'ERR_RELEASE_JWS';
  const check = { name: 'answer of the vault', ok: false, code, subject: 'released-key', actual: why } as const;
  return refuseRelease(code, [check], why, cause);
}

/**
 * An access token for the vault of a key, and for nothing else.
 *
 * @throws AttestationError 3 when the credential gives none; an `AbortError` when the signal aborts
 */
export async function accessTokenFor(
  { credential }: VaultConnection,
  { audience }: VaultKey,
  signal?: AbortSignal,
): Promise<string> {
  let answer: { token: string } | null;
  try {
    answer = await credential.getToken(audience.scope, signal === undefined ? {} : { abortSignal: signal });
  } catch (cause) {
    const passed = cause instanceof AttestationError || (cause instanceof Error && cause.name === 'AbortError');
    throw passed
      ? cause
      : noToken(`the credential failed: ${cause instanceof Error ? cause.message : 'unknown'}`, cause);
  }
  const token: unknown = answer?.token;
  if (typeof token !== 'string' || token.length > MAX_ACCESS_TOKEN || !/^[\x21-\x7e]+$/.test(token)) {
    throw noToken(`the credential gave no token for ${audience.scope}`);
  }
  return token;
}

const noToken = (message: string, cause?: unknown): AttestationError =>
  new AttestationError(ErrorCode.MSI_TOKEN_NOT_FOUND, message, cause === undefined ? {} : { cause });
