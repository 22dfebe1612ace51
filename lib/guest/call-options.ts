import type { EvidenceCertificates } from '../abi/evidence.js';
import {
  abortSignal,
  bytes,
  bytesOrText,
  custom,
  either,
  flag,
  integer,
  listOf,
  oneOf,
  unchecked,
} from '../base/option-kinds.js';
import { invalid, nested, type OptionKind, type OptionTable, recordOf, required } from '../base/options.js';
import { contextName, isLikeQualifyingData, isReservedContext } from '../base/qualifying-data.js';
import type { StreamOutputOption } from '../content/index.js';
import type { KeyTemplate, PcrBank } from '../tpm/types.js';
import type {
  AttestOptions,
  AttestParameters,
  GuestDecryptOptions,
  GuestDecryptorOptions,
  GuestJweOptions,
  GuestStreamOptions,
} from './call-types.js';
import type { EvidenceOptions } from './evidence.js';
import type { ExtendPcrOptions } from './extend-pcr.js';
import type { OwnTokenVerification } from './token-verification.js';
import { USER_DATA_BYTES } from './user-data.js';

/** Options of every call of a client, as tables. What only its function can judge (with a code of its own) is left to it. */

/** TPM2B_DATA: as long as the longest digest that a TPM implements. */
const MAX_NONCE_BYTES = 64;
const PCR_COUNT = 24;

const KEY_TEMPLATE = oneOf<KeyTemplate>('zeros', 'empty');

export const JWE_OPTIONS: OptionTable<GuestJweOptions> = { keyTemplate: KEY_TEMPLATE, signal: abortSignal };

export const EXTEND_PCR_OPTIONS: OptionTable<ExtendPcrOptions> = {
  bank: oneOf<PcrBank>('sha1', 'sha256', 'sha384', 'sha512'),
  signal: abortSignal,
};
export const PCR_INDEX = integer(0, 23);
export const MEASURED_DATA = bytes(1);

export const PROVE_OPTIONS: OptionTable<{ signal?: AbortSignal }> = { signal: abortSignal };

export const ATTEST_PARAMETERS: OptionTable<AttestParameters> = {
  version: custom((value) => {
    if (value !== 1) throw invalid('the version of the parameters is 1');
    return value;
  }),
  attestationUrl: required(unchecked<string>()),
  clientPayload: unchecked(),
};

export const ATTEST_OPTIONS: OptionTable<AttestOptions> = {
  signal: abortSignal,
  verify: either(flag, recordOf(unchecked()) as OptionKind<OwnTokenVerification>, 'true, false or a plain object'),
};

const BULK = { output: unchecked<Uint8Array>(), threads: unchecked<number>() };

/**
 * `scheme` and `hash` are refused with code 24, the type with words of its own. What `encrypt` returned may be passed whole,
 * so that `encryptedData` is a name, too.
 */
export const DECRYPT_OPTIONS: OptionTable<GuestDecryptOptions & { encryptedData?: Uint8Array }> = {
  encryptedData: unchecked(),
  ...BULK,
  type: unchecked(),
  encryptionMetadata: bytes(),
  scheme: unchecked(),
  hash: unchecked(),
  additionalData: bytes(),
  keyTemplate: KEY_TEMPLATE,
  signal: abortSignal,
};

export const DECRYPTOR_OPTIONS: OptionTable<GuestDecryptorOptions> = {
  additionalData: bytes(),
  ordered: flag,
  replayWindow: integer(0, 65_536),
  keyTemplate: KEY_TEMPLATE,
  signal: abortSignal,
};

export const STREAM_OPTIONS: OptionTable<GuestStreamOptions> = {
  additionalData: bytes(),
  keyTemplate: KEY_TEMPLATE,
  signal: abortSignal,
};

export const CHUNK_OPTIONS: OptionTable<GuestStreamOptions & StreamOutputOption> = {
  ...STREAM_OPTIONS,
  output: unchecked(),
};

const CERTIFICATES: OptionKind<EvidenceCertificates> = nested<EvidenceCertificates>({
  vcek: required(bytesOrText),
  chain: either(listOf(bytes(1)), bytesOrText as OptionKind<string>, 'PEM or a list of certificates in DER'),
});

const PCR_INDICES: OptionKind<readonly number[]> = {
  check: (value, name) => [...new Set(listOf(integer(0, PCR_COUNT - 1), 1).check(value, name))],
};

export const EVIDENCE_OPTIONS: OptionTable<EvidenceOptions> = {
  nonce: bytes(1, MAX_NONCE_BYTES),
  context: contextName,
  userData: bytes(0, USER_DATA_BYTES),
  pcrs: PCR_INDICES,
  quote: flag,
  certificates: either(flag, CERTIFICATES, 'true, false, or an object with vcek and chain'),
  signal: abortSignal,
};

/**
 * What single options of evidence do not tell: the nonce of a context, and whose context it is.
 *
 * @throws AttestationError 8
 */
export function checkChallenge({ nonce, context, quote }: EvidenceOptions, caller: 'anyone' | 'own protocol'): void {
  if (context !== undefined && nonce === undefined) throw invalid('getEvidence: a context needs a nonce');
  if (nonce !== undefined && quote === false) throw invalid('getEvidence: a nonce needs a quote');
  if (context === undefined && nonce !== undefined && isLikeQualifyingData(nonce)) {
    throw invalid('getEvidence: a nonce must not begin with CGA-qdv1, which marks the nonces of a context');
  }
  if (context !== undefined && caller === 'anyone' && isReservedContext(context)) {
    throw invalid(`getEvidence: the context ${context} is reserved`);
  }
}
