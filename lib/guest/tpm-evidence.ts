import { createHash } from 'node:crypto';
import {
  parseTpm2bPublic,
  parseTpmsAttest,
  TPM_GENERATED_VALUE,
  TpmAttestType,
  TpmHash,
  type TpmsAttest,
} from '../abi/tpm.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { GuestTpm } from '../tpm/native-tpm.js';
import type { CertifiedEphemeralKey, QuoteResult } from '../tpm/types.js';
import { ATTESTED_PCRS, AzureTpm } from './azure-tpm.js';
import { tpmCall } from './tpm-failure.js';

/** How often evidence is taken again when a PCR changes while it is taken. */
const MAX_ATTEMPTS = 5;
/** TPM_CC_PolicyPCR. */
const POLICY_PCR = Buffer.from('0000017f', 'hex');
/** TPML_PCR_SELECTION: one selection, SHA-256, 3 octets, PCRs 0–7. */
const ATTESTED_SELECTION = Buffer.from('00000001000b03ff0000', 'hex');

export interface QuotedPcrs {
  quote: QuoteResult;
  /** SHA-256 values whose digest is the quote's. */
  pcrs: Map<number, Buffer>;
}

export interface QuoteRequest {
  qualifyingData: Uint8Array;
  pcrs: readonly number[];
}

/**
 * Quotes PCRs with the attestation key; taken again, a few times, when a PCR changes in between.
 *
 * @throws AttestationError 13 when the TPM fails, has no SHA-256 bank or its PCRs keep changing; 9 when what it returns
 * is not what was asked for.
 */
export async function collectQuote(tpm: GuestTpm, request: QuoteRequest, signal?: AbortSignal): Promise<QuotedPcrs> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const quoted = await quoteOnce(tpm, request, signal);
    if (quoted !== undefined) return quoted;
  }
  throw unsteady();
}

/**
 * The same, and certifies the ephemeral key over the very PCR values that are quoted, which must include 0–7. When it
 * rejects, commands may still be queued, which `signal` takes out.
 *
 * @throws AttestationError as {@link collectQuote}
 */
export async function collectQuoteAndKey(
  tpm: GuestTpm,
  request: QuoteRequest,
  signal?: AbortSignal,
): Promise<QuotedPcrs & { ephemeralKey: CertifiedEphemeralKey }> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    // Both are in the TPM's queue at once: it certifies while the quote is looked at here.
    const [quoted, ephemeralKey] = await Promise.all([
      quoteOnce(tpm, request, signal),
      certifyEphemeralKey(tpm, signal),
    ]);
    if (quoted !== undefined && isBoundTo(ephemeralKey, quoted.pcrs)) return { ...quoted, ephemeralKey };
  }
  throw unsteady();
}

function certifyEphemeralKey(tpm: GuestTpm, signal: AbortSignal | undefined): Promise<CertifiedEphemeralKey> {
  return tpmCall(
    'the ephemeral key cannot be certified',
    tpm.certifyEphemeralKey(
      { keyHandle: AzureTpm.ATTESTATION_KEY, pcrs: ATTESTED_PCRS },
      { ...(signal && { signal }) },
    ),
    { signal },
  );
}

/** PCR values and a quote; undefined when they do not belong together. */
async function quoteOnce(
  tpm: GuestTpm,
  { qualifyingData, pcrs: asked }: QuoteRequest,
  signal: AbortSignal | undefined,
): Promise<QuotedPcrs | undefined> {
  const options = { ...(signal && { signal }) };
  const indices = [...asked].sort((a, b) => a - b);
  const [quote, pcrs] = await Promise.all([
    tpmCall(
      'the quote failed',
      tpm.quote({ keyHandle: AzureTpm.ATTESTATION_KEY, qualifyingData, bank: 'sha256', pcrs: indices }, options),
      { signal },
    ),
    tpmCall('the PCRs cannot be read', tpm.readPcrs('sha256', indices, options), { signal }),
  ]);
  return isQuoteOf(quote, pcrs, indices, qualifyingData) ? { quote, pcrs } : undefined;
}

/** Whether a quote is over these values. @throws AttestationError 9 when it is not even the quote asked for. */
function isQuoteOf(
  quote: QuoteResult,
  pcrs: ReadonlyMap<number, Buffer>,
  indices: readonly number[],
  qualifyingData: Uint8Array,
): boolean {
  const { type, extraData, quote: quoted } = attestation(quote.message, 'quote');
  const selection = quoted?.pcrSelections;
  const asked =
    type === TpmAttestType.QUOTE &&
    selection?.length === 1 &&
    selection[0]?.hash === TpmHash.SHA256 &&
    String(selection[0].pcrs) === String(indices) &&
    Buffer.compare(extraData, qualifyingData) === 0;
  if (!asked || quoted === undefined) throw invalid('the quote is not the one asked for');
  return digestOf(indices, pcrs).equals(quoted.pcrDigest);
}

/**
 * Whether the policy of the key is PolicyPCR over these values (TPM 2.0 Library, part 3, section 23.7).
 *
 * @throws AttestationError 9 when the certificate is not the key's.
 */
function isBoundTo(key: CertifiedEphemeralKey, pcrs: ReadonlyMap<number, Buffer>): boolean {
  const { type, certify } = attestation(key.certifyInfo, 'certify info');
  const { name, authPolicy } = parseTpm2bPublic(key.publicArea);
  if (type !== TpmAttestType.CERTIFY || certify === undefined || Buffer.compare(certify.name, name) !== 0) {
    throw invalid('the certify info is not of the ephemeral key');
  }
  const policy = createHash('sha256')
    .update(Buffer.alloc(32))
    .update(POLICY_PCR)
    .update(ATTESTED_SELECTION)
    .update(digestOf(ATTESTED_PCRS, pcrs));
  return policy.digest().equals(authPolicy);
}

function attestation(message: Uint8Array, what: string): TpmsAttest {
  const attest = parseTpmsAttest(message);
  if (attest.magic !== TPM_GENERATED_VALUE) throw invalid(`the ${what} was not made by a TPM`);
  return attest;
}

function digestOf(indices: readonly number[], pcrs: ReadonlyMap<number, Buffer>): Buffer {
  const hash = createHash('sha256');
  for (const index of indices) {
    const value = pcrs.get(index);
    if (value?.length !== 32) throw invalid(`the TPM returned no SHA-256 value of PCR ${index}`);
    hash.update(value);
  }
  return hash.digest();
}

const unsteady = (): AttestationError =>
  new AttestationError(ErrorCode.TPM_OPERATION_FAILURE, 'the PCRs changed each time while they were quoted');

const invalid = (message: string): AttestationError =>
  new AttestationError(ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED, message);
