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
import { withExpectations } from './expectations.js';
import { PossessionGuard, PROOF_HEADER, PROOF_OF_POSSESSION, type ProofOfPossessionOptions } from './possession.js';
import { REQUEST_REFUSALS, RefusedRequest, type RequestRefusalCode } from './refused-request.js';
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
  /** Accepts whoever holds a token: anyone who saw it, for up to its 8 hours. Not with `proofOfPossession`. Default false. */
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
  /** What is handled is not `target`, but a URL that was made of it and says something else. */
  isTargetChanged?: boolean;
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
    if (bearer && proofOfPossession !== undefined) {
      throw invalid('bearer: true lets pass who proves nothing: proofOfPossession must not be given beside it');
    }
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
    const demands = expect === undefined ? this.#token : withExpectations(this.#token, await expect());
    const claims = await verifyToken(token, demands);
    await this.#checkSender(token, claims, request);
    return claims;
  }

  async #checkSender(token: string, claims: AttestationClaims, request: CheckedRequest): Promise<void> {
    const { channel, method, target, headers } = request;
    if (channel !== undefined && isSameMachine(claims, channel)) return;
    if (this.#bearer) return;
    if (this.#possession !== undefined) {
      if (method === undefined || target === undefined) throw invalid('proof of possession needs method and target');
      if (request.isTargetChanged === true) throw refusal('ERR_REQUEST_TARGET');
      await this.#possession.check(token, headers(PROOF_HEADER), method, target);
      return;
    }
    throw refusal(channel === undefined ? 'ERR_PROOF_REQUIRED' : 'ERR_CHANNEL_MACHINE');
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

function refusal(code: RequestRefusalCode): RefusedRequest {
  return new RefusedRequest(code, REQUEST_REFUSALS[code]);
}

function tokenRefusal(code: TokenErrorCode): RefusedRequest {
  return new RefusedRequest(code, TOKEN_REFUSALS[code]);
}
