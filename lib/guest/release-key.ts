import { parseTpm2bPublic } from '../abi/tpm.js';
import { untilAborted } from '../base/abort.js';
import { encodeBase64url } from '../base/base64url.js';
import { equalBytes } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { vmIdentifier } from '../imds/ak-renewal.js';
import { nodeContext } from '../node/context.js';
import { NotUnwrapped, ReleaseRefusedError, refuseRelease } from '../release/errors.js';
import { evaluateReleasePolicy } from '../release/policy/evaluate.js';
import { explainReleasePolicy } from '../release/policy/explain.js';
import { parseReleasePolicy } from '../release/policy/parse.js';
import type { ReleasePolicy } from '../release/policy/policy.js';
import { verifyAndUnwrap } from '../release/release-response.js';
import type { ReleasedKey } from '../release/released-key.js';
import type { DecryptTransportKey } from '../release/unwrap.js';
import { fetchReleasePolicy, release } from '../release/vault-client.js';
import { accessTokenFor } from '../release/vault-exchange.js';
import { wrappingKeyOfToken } from '../release/wrapping-key.js';
import type { AttestationClaims } from '../token/claims.js';
import { verifyTokenIn } from '../token/verify-token.js';
import type { NativeTpm } from '../tpm/native-tpm.js';
import { attest, untilAnswered } from './attest.js';
import { ATTESTED_PCRS, AzureTpm } from './azure-tpm.js';
import type { Guest } from './guest.js';
import type { ReleaseKeyRequest } from './release-request.js';
import { together } from './together.js';
import { tpmCall } from './tpm-failure.js';

/** A guest whose TPM can decrypt into memory that JavaScript does not see. */
type ReleasingGuest = Guest & { tpm: Pick<NativeTpm, 'rsaDecryptSecret'> };

/** The token that is shown to the vault, verified, and the key of this TPM that the vault will wrap to. */
interface OwnToken {
  token: string;
  claims: AttestationClaims;
  wrappingKey: { kid: string; n: Uint8Array };
}

/** PCRs changed since the token was made: the TPM has another key than the one in it. */
class StaleToken extends Error {
  constructor(readonly failure: unknown) {
    super('the key in the token is no longer that of the TPM');
  }
}

/**
 * Has one key released: token and access token at the same time, the request, every check of the answer, and the unwrapping
 * by the TPM. A token whose key is stale, because PCRs changed meanwhile, is replaced once; a second time is error 26.
 */
export async function releaseKey(
  guest: ReleasingGuest,
  request: ReleaseKeyRequest,
  signal: AbortSignal,
): Promise<ReleasedKey> {
  const [first, accessToken] = await together(
    signal,
    (s) => ownToken(guest, request, request.token, s),
    (s) => accessTokenFor(request.connection, request.key, s),
  );
  try {
    return await releaseWith(guest, request, first, accessToken, signal);
  } catch (error) {
    if (!(error instanceof StaleToken)) throw error;
    guest.logger.warn(`${error.message}: retrying with a new token`);
  }
  const second = await ownToken(guest, request, undefined, signal);
  try {
    return await releaseWith(guest, request, second, accessToken, signal);
  } catch (error) {
    throw error instanceof StaleToken ? error.failure : error;
  }
}

/**
 * A verified token of this machine, a new one or the caller's, whose first suitable key is the TPM's: else the vault would
 * wrap to somebody else's.
 */
async function ownToken(
  guest: ReleasingGuest,
  request: ReleaseKeyRequest,
  given: string | undefined,
  signal: AbortSignal,
): Promise<OwnToken> {
  const { service, clientPayload, verification } = request;
  const { token, ephemeralKey } =
    given === undefined
      ? await attest(guest, service, clientPayload, signal)
      : { token: given, ephemeralKey: await currentKey(guest, signal) };
  const claims = await untilAborted(verifyTokenIn(nodeContext, token, verification), signal);
  const wrappingKey = wrappingKeyOfToken(claims);
  if (wrappingKey !== undefined && equalBytes(wrappingKey.n, parseTpm2bPublic(ephemeralKey).modulus)) {
    return { token, claims, wrappingKey };
  }
  if (given !== undefined && (await isOfThisMachine(guest, claims, signal))) {
    guest.logger.warn('the key in the token is no longer that of the TPM: asking for a new token');
    return ownToken(guest, request, undefined, signal);
  }
  const code = 'ERR_RELEASE_TOKEN_KEY';
  const actual = wrappingKey === undefined ? 'there is no RSA key for encryption in it' : 'its key is another one';
  throw refuseRelease(
    code,
    [{ name: "first encryption key of the token is this TPM's", ok: false, code, subject: 'released-key', actual }],
    actual,
  );
}

/** Tells a token that went stale from one of another machine; which of two refusals it is, and nothing else, hangs on it. */
async function isOfThisMachine(
  { imds }: ReleasingGuest,
  claims: AttestationClaims,
  signal: AbortSignal,
): Promise<boolean> {
  const id = claims['x-ms-azurevm-vmid'];
  return typeof id === 'string' && id.toLowerCase() === (await vmIdentifier(imds, signal)).toLowerCase();
}

/** TPM2B_PUBLIC of the ephemeral key as it is now. */
async function currentKey({ tpm }: ReleasingGuest, signal: AbortSignal): Promise<Uint8Array> {
  const { publicArea } = await tpmCall(
    'the ephemeral key cannot be certified',
    tpm.certifyEphemeralKey({ keyHandle: AzureTpm.ATTESTATION_KEY, pcrs: ATTESTED_PCRS }, { signal }),
    { signal },
  );
  return publicArea;
}

async function releaseWith(
  guest: ReleasingGuest,
  request: ReleaseKeyRequest,
  own: OwnToken,
  accessToken: string,
  signal: AbortSignal,
): Promise<ReleasedKey> {
  const { key, connection, algorithm, nonce, trustedRoots, now } = request;
  const target = own.token;
  let value: string;
  try {
    value = await untilAnswered(guest, release(connection, key, accessToken, { target, algorithm, nonce }, signal));
  } catch (error) {
    if (!(error instanceof ReleaseRefusedError)) throw error;
    throw await explained(error, request, own, accessToken, signal);
  }
  const { kid, n } = own.wrappingKey;
  return verifyAndUnwrap(
    value,
    {
      vaultHost: key.host,
      keyName: key.keyName,
      ...(key.keyVersion !== undefined && { keyVersion: key.keyVersion }),
      algorithm,
      nonce,
      requireNonceEcho: request.requireNonceEcho,
      wrappingKey: { kty: 'RSA', kid, n: encodeBase64url(n), e: 'AQAB' },
      ...(trustedRoots !== undefined && { trustedRoots }),
      ...(now !== undefined && { now }),
    },
    tpmDecrypt(guest, own, signal),
  );
}

/** RSA_Decrypt in the TPM; a block that it refuses is bad, or the token's key is not the TPM's any more. */
function tpmDecrypt(guest: ReleasingGuest, { wrappingKey }: OwnToken, signal: AbortSignal): DecryptTransportKey {
  return async (ciphertext, { hash }) => {
    try {
      return await tpmCall(
        'the TPM cannot unwrap the released key',
        guest.tpm.rsaDecryptSecret(
          { ciphertext, pcrs: ATTESTED_PCRS, scheme: { scheme: 'RSA-OAEP', hash } },
          { signal },
        ),
        { code: ErrorCode.DATA_DECRYPTION_TPM_ERROR, signal },
      );
    } catch (error) {
      if (!(error instanceof AttestationError) || error.tpmErrorCode === 0) throw error;
      const { modulus } = parseTpm2bPublic(await currentKey(guest, signal));
      if (!equalBytes(modulus, wrappingKey.n)) throw new StaleToken(error);
      if (!isRefusal(error.tpmErrorCode)) throw error;
      throw new NotUnwrapped('the block of the transport key does not decrypt');
    }
  };
}

/** An answer of the TPM itself, through a resource manager or not, about its parameter: not a failure or a warning. */
const isRefusal = (code: number): boolean => {
  const layer = code >>> 16;
  return (layer === 0 || layer === 11) && (code & 0x980) !== 0x900;
};

/** A refusal by the policy, with the conditions that fail; the policy is the caller's, or is read where that is allowed. */
async function explained(
  error: ReleaseRefusedError,
  { connection, key, releasePolicy }: ReleaseKeyRequest,
  { claims }: OwnToken,
  accessToken: string,
  signal: AbortSignal,
): Promise<ReleaseRefusedError> {
  if (error.reason !== 'policy') return error;
  const policy = releasePolicy ?? (await readPolicy(() => fetchReleasePolicy(connection, key, accessToken, signal)));
  if (policy === undefined) return error;
  const explanation = explainReleasePolicy(evaluateReleasePolicy(policy, claims));
  return new ReleaseRefusedError(error.message, { ...error, explanation }, error);
}

/** Whatever keeps the policy from being read must not hide the refusal. */
async function readPolicy(fetchPolicy: () => Promise<unknown>): Promise<ReleasePolicy | undefined> {
  try {
    return parseReleasePolicy((await fetchPolicy()) as { data: string });
  } catch {
    return undefined;
  }
}
