import { decodeBase64url, encodeBase64url } from '../base/base64url.js';
import { custom, text, textLike } from '../base/option-kinds.js';
import { checkOptions, invalid, type OptionTable, required } from '../base/options.js';
import { isLoopback } from '../http/service-url.js';
import { POSSESSION_LABEL, possessionProof } from '../token/possession-proof.js';
import type { GuestTpm } from '../tpm/native-tpm.js';
import { ATTESTED_PCRS } from './azure-tpm.js';

/** What a guard answered to a request with a token, and where the proof goes. */
export interface ProofRequest {
  /** The token, as `attest` returned it. */
  token: string;
  /**
   * Where the request goes, over the TLS connection whose certificate the caller (or `fetch`) verifies. Never take it from
   * the answer: the proof is good for this scheme, host and port, method, path and query only.
   */
  url: string | URL;
  /** Default `GET`. */
  method?: string;
  /** Member `challenge` of the answer. */
  challenge: string;
  /** Member `sealed` of the answer. */
  sealed: string;
}

/** Headers of a request that passes a guard with `proofOfPossession`. */
export interface ProofHeaders {
  Authorization: string;
  'Attestation-Proof': string;
}

const SEALED_BYTES = 256;
const CHALLENGE = /^[A-Za-z0-9_-]{76}$/;

const PROOF_REQUEST: OptionTable<ProofRequest> = {
  token: required(text),
  url: required(custom((value) => destination(value))),
  method: textLike(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/, 'a method'),
  challenge: required(textLike(CHALLENGE, 'the challenge of the answer')),
  sealed: required(text),
};

/** @throws {AttestationError} 8 for an address that is neither https nor this machine. */
export function destination(value: unknown): URL {
  const given = value instanceof URL ? value.href : value;
  if (typeof given !== 'string' || !URL.canParse(given)) throw invalid('url must be a URL');
  const url = new URL(given);
  const isSecure = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  if (!isSecure) throw invalid('url must be https, because the proof is bound to the server’s certificate');
  return url;
}

/**
 * Opens the sealed secret with the TPM's key and answers the challenge under it. The secret stays in here.
 *
 * @throws {AttestationError} 8 for wrong arguments; as the TPM for a secret that is not sealed to this machine's key.
 */
export async function proveRequest(
  tpm: GuestTpm,
  request: ProofRequest,
  options: { signal?: AbortSignal },
): Promise<ProofHeaders> {
  const { token, url, method = 'GET', challenge, sealed } = checkOptions('proveRequest', request, PROOF_REQUEST);
  const { origin, pathname, search } = destination(url);
  const ciphertext = decodeBase64url(sealed);
  if (ciphertext?.length !== SEALED_BYTES) throw invalid(`sealed must be ${SEALED_BYTES} bytes in base64url`);
  const secret = await tpm.rsaDecrypt(
    {
      ciphertext,
      pcrs: ATTESTED_PCRS,
      scheme: { scheme: 'RSA-OAEP', hash: 'SHA-256', label: POSSESSION_LABEL },
    },
    options,
  );
  try {
    const proof = possessionProof(secret, { origin, method, target: pathname + search });
    return { Authorization: `Bearer ${token}`, 'Attestation-Proof': `${challenge}.${encodeBase64url(proof)}` };
  } finally {
    secret.fill(0);
  }
}
