import { readableText } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { isJsonObject, parseStrictJson } from '../base/strict-json.js';
import type { HttpAnswer } from '../http/transport.js';
import { type ReleaseRefusalReason, ReleaseRefusedError, VaultUnavailableError } from './errors.js';

const MAX_QUOTED = 500;

/** What each reason asks of the reader; appended to the vault's own words. */
const ADVICE: Readonly<Record<ReleaseRefusalReason, string>> = {
  credential: 'the access token is missing, expired, of another tenant or for another service',
  permission: 'the identity lacks the right keys/release (role Key Vault Crypto Service Release User)',
  network: 'the network rules of the vault keep this machine out',
  token: 'the vault did not accept the attestation token: signature, issuer or time, or it could not reach the issuer',
  policy: 'the attestation token does not meet the release policy of the key',
  'not-found': 'there is no such key, version or vault',
  throttled: 'the vault is too busy',
  request: 'the vault did not accept the request',
};

/** The error of an answer other than 200. */
export function vaultFailure(host: string, answer: HttpAnswer, isRepeated: (status: number) => boolean): Error {
  const { status, headers } = answer;
  const { code, innerCode, message } = errorOf(answer.body);
  const requestId = identifier(headers['x-ms-request-id']);
  const said = `the key vault at ${host} answered ${status}${code === undefined ? '' : ` ${code}`}`;
  const quoted = message === undefined ? said : `${said}: ${message}`;
  if (isRepeated(status)) {
    return new VaultUnavailableError(quoted, requestId, { status, responseBody: readableText(answer.body) });
  }
  if (status < 400 || status >= 500 || status === 405 || status === 415) {
    return new AttestationError(ErrorCode.HTTP_REQUEST_FAILED, quoted, {
      status,
      responseBody: readableText(answer.body),
    });
  }
  const reason = reasonOf(status, innerCode, message ?? '');
  const region = identifier(headers['x-ms-keyvault-region']);
  const wanted = reason === 'credential' ? wantedResource(headers['www-authenticate']) : '';
  return new ReleaseRefusedError(`${quoted} (${ADVICE[reason]}${wanted})`, {
    status,
    reason,
    ...((innerCode ?? code) !== undefined && { vaultCode: innerCode ?? code }),
    ...(requestId !== undefined && { requestId }),
    ...(region !== undefined && { region }),
  });
}

/** Texts and inner codes of the service (spec/key-release.md, 1.9): a 403 means three different things. */
function reasonOf(status: number, innerCode: string | undefined, message: string): ReleaseRefusalReason {
  if (status === 401) return 'credential';
  if (status === 404) return 'not-found';
  if (status !== 403) return 'request';
  if (/does not meet key release policy/i.test(message)) return 'policy';
  if (/attestation statement cannot be verified/i.test(message)) return 'token';
  if (/^ForbiddenBy(?:Firewall|Connection|Policy)$/.test(innerCode ?? '')) return 'network';
  return 'permission';
}

/** `{"error":{"code","message","innererror":{"code"}}}`, in which nothing is to be relied on. */
function errorOf(body: Uint8Array): { code?: string; innerCode?: string; message?: string } {
  let error: unknown;
  try {
    const answer = parseStrictJson(body);
    error = isJsonObject(answer) ? answer.error : undefined;
  } catch {
    // Not JSON: a gateway's page, of which nothing is quoted.
  }
  if (!isJsonObject(error)) return {};
  const { code, message, innererror } = error;
  const innermost = innermostCode(innererror);
  return {
    ...(identifier(code) !== undefined && { code: identifier(code) as string }),
    ...(innermost !== undefined && { innerCode: innermost }),
    ...(typeof message === 'string' && { message: oneLine(message) }),
  };
}

const MAX_LEVELS = 4;

function innermostCode(value: unknown): string | undefined {
  let code: string | undefined;
  for (let level = 0; level < MAX_LEVELS && isJsonObject(value); level++) {
    code = identifier(value.code) ?? code;
    value = value.innererror;
  }
  return code;
}

const identifier = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\w.:-]{1,100}$/.test(value) ? value : undefined;

/** A challenge never chooses the audience of an access token: it is told, and that is all. */
function wantedResource(challenge: string | undefined): string {
  const resource = /\bresource="([\x21\x23-\x7e]{1,200})"/.exec(challenge ?? '')?.[1];
  return resource === undefined ? '' : `; it wants one for ${resource}`;
}

function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return line.length > MAX_QUOTED ? `${line.slice(0, MAX_QUOTED)}…` : line;
}
