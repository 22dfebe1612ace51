import { VerificationError } from '../../base/errors.js';
import { type Logger, silentLogger } from '../../base/logger.js';
import { flag, logger as loggerKind, text, textLike, unchecked } from '../../base/option-kinds.js';
import { checkOptions, invalid, nested, type OptionTable } from '../../base/options.js';
import { verifyToken } from '../../node/token.js';
import type { AttestationClaims } from '../../token/claims.js';
import { TOKEN_REFUSALS, type TokenErrorCode } from '../../token/errors.js';
import { usableTokenOptions, VERIFY_TOKEN, type VerifyTokenOptions } from '../../token/options.js';
import { publishedVerification } from '../diagnostics.js';
import { type ChannelAttestation, isSameMachine } from './channel.js';
import { PossessionGuard, PROOF_HEADER, PROOF_OF_POSSESSION, type ProofOfPossessionOptions } from './possession.js';
import { REQUEST_REFUSALS, RefusedRequest } from './refused-request.js';
import { type HeaderValues, headerValues, type RequestHeaders } from './request-headers.js';

/**
 * Whose requests pass. A token shows that some machine was attested, not who sends it; so a request passes only
 * - on an attested channel to the very machine that its token is about, or
 * - with a proof of possession of the token's key, where `proofOfPossession` is given, or
 * - with the token alone, where the deployment says `bearer: true`.
 */
export interface GuardOptions extends VerifyTokenOptions {
  /** Header that holds the bare token, in place of `Authorization: Bearer …`. */
  header?: string;
  /** Accepts whoever holds a token: anyone who saw it, for up to its 8 hours. Default false. */
  bearer?: boolean;
  proofOfPossession?: ProofOfPossessionOptions;
  /** Where faults of the guard itself are told. */
  logger?: Logger | undefined;
}

/** What else a guard looks at, of one request. */
export interface CheckRequestOptions extends GuardOptions {
  /** As in the request line. With `proofOfPossession`. */
  method?: string;
  /** Path and query as in the request line. With `proofOfPossession`. */
  target?: string;
  /** `socket.attestation` of an attested channel. */
  channel?: ChannelAttestation;
}

/** One request, as every adapter hands it over. */
export interface CheckedRequest {
  headers: HeaderValues;
  method: string | undefined;
  target: string | undefined;
  channel: ChannelAttestation | undefined;
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export const GUARD_OPTIONS: OptionTable<GuardOptions> = {
  ...VERIFY_TOKEN,
  header: textLike(HEADER_NAME, 'the name of a header'),
  bearer: flag,
  proofOfPossession: nested<ProofOfPossessionOptions>(PROOF_OF_POSSESSION),
  logger: loggerKind,
};

/** Options that one request's expectations must not change. */
const NOT_EXPECTATIONS: readonly string[] = ['issuer', 'keys', 'algorithms', 'now', 'clockTolerance', 'keyFetch'];

/** The decision that all guards share. Options are checked once, when it is made. */
export class RequestGuard {
  readonly #token: VerifyTokenOptions;
  readonly #header: string | undefined;
  readonly #bearer: boolean;
  readonly #possession: PossessionGuard | undefined;
  readonly #logger: Logger;

  /** @param options as {@link GUARD_OPTIONS} has checked them */
  constructor(options: GuardOptions) {
    const { header, bearer = false, proofOfPossession, logger = silentLogger, ...token } = options;
    usableTokenOptions(token);
    this.#token = token;
    this.#header = header?.toLowerCase();
    this.#bearer = bearer;
    this.#possession = proofOfPossession && new PossessionGuard(proofOfPossession);
    this.#logger = logger;
  }

  /**
   * Claims of the token of a request that may pass.
   *
   * @param expect yields what this very request's token must say besides: one expectation at least
   * @throws {RefusedRequest}
   */
  async check(request: CheckedRequest, expect?: () => unknown): Promise<AttestationClaims> {
    return publishedVerification('request', async () => {
      try {
        return await this.#check(request, expect);
      } catch (error) {
        throw this.#refusal(error);
      }
    });
  }

  async #check(request: CheckedRequest, expect: (() => unknown) | undefined): Promise<AttestationClaims> {
    const token = this.#tokenOf(request.headers);
    const more = expect === undefined ? undefined : expectations(await expect());
    const claims = await verifyToken(token, Object.assign({}, this.#token, more));
    await this.#checkSender(token, claims, request);
    return claims;
  }

  async #checkSender(token: string, claims: AttestationClaims, request: CheckedRequest): Promise<void> {
    const { channel, method, target, headers } = request;
    if (channel !== undefined && isSameMachine(claims, channel)) return;
    if (this.#bearer) return;
    if (this.#possession !== undefined) {
      if (method === undefined || target === undefined) throw invalid('proof of possession needs method and target');
      await this.#possession.check(token, headers(PROOF_HEADER), method, target);
      return;
    }
    const code = channel === undefined ? 'ERR_PROOF_REQUIRED' : 'ERR_CHANNEL_MACHINE';
    throw new RefusedRequest(code, REQUEST_REFUSALS[code]);
  }

  #tokenOf(headers: HeaderValues): string {
    const [value, ...others] = headers(this.#header ?? 'authorization');
    if (value === undefined) throw tokenRefusal('ERR_TOKEN_MISSING');
    if (others.length > 0) throw tokenRefusal('ERR_TOKEN_FORMAT');
    if (this.#header !== undefined) return value;
    const [scheme = '', token = '', ...rest] = value.split(' ');
    if (scheme.toLowerCase() !== 'bearer' || token === '' || rest.length > 0) throw tokenRefusal('ERR_TOKEN_MISSING');
    return token;
  }

  #refusal(error: unknown): RefusedRequest {
    if (error instanceof RefusedRequest) return error;
    if (error instanceof VerificationError) {
      return new RefusedRequest(error.code, TOKEN_REFUSALS[error.code as TokenErrorCode] ?? error.message, {
        cause: error,
      });
    }
    const reason = error instanceof Error ? error.message : String(error);
    this.#logger.error(`a request could not be checked: ${reason}`);
    return new RefusedRequest('ERR_INTERNAL', REQUEST_REFUSALS.ERR_INTERNAL, { cause: error });
  }
}

/**
 * Checks the headers of a request: the token, and who sends it. For servers that none of the adapters fits.
 *
 * @returns the claims of the token
 * @throws {RefusedRequest} with status, headers and body of the answer.
 * @throws {AttestationError} 8 when the options or headers are wrong.
 */
export async function checkRequest(headers: RequestHeaders, options: CheckRequestOptions): Promise<AttestationClaims> {
  const { method, target, channel, ...guard } = checkOptions<CheckRequestOptions>('checkRequest', options, {
    ...GUARD_OPTIONS,
    method: text,
    target: text,
    channel: unchecked<ChannelAttestation>(),
  });
  return new RequestGuard(guard).check({ headers: headerValues(headers), method, target, channel });
}

/** What `expect` yielded; anything but at least one expectation is a fault of the server that must not let anybody in. */
function expectations(value: unknown): Partial<VerifyTokenOptions> {
  const prototype: unknown = typeof value === 'object' && value !== null ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== null && prototype !== Object.prototype) throw invalid('expect must yield a plain object');
  const properties = Object.getOwnPropertyDescriptors(value as object);
  const names = Object.keys(properties);
  if (names.length === 0) throw invalid('expect must yield at least one expectation');
  for (const name of names) {
    const found: unknown = properties[name]?.value;
    if (found === undefined) throw invalid(`expect yielded ${name}, but no value for it`);
    if (NOT_EXPECTATIONS.includes(name)) throw invalid(`expect must not change ${name}`);
  }
  return { ...(value as Partial<VerifyTokenOptions>) };
}

function tokenRefusal(code: TokenErrorCode): RefusedRequest {
  return new RefusedRequest(code, TOKEN_REFUSALS[code]);
}
