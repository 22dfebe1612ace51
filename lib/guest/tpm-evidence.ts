import { createHash } from 'node:crypto';
import { AttestationError, ErrorCode } from '../errors.js';
import type { CertifiedEphemeralKey, GuestTpm, QuoteResult } from '../tpm/tpm.js';
import {
  parseTpm2bPublic,
  parseTpmsAttest,
  TPM_GENERATED_VALUE,
  TpmAttestType,
  TpmHash,
  type TpmsAttest,
} from '../verify/tpm-structures.js';
import { ATTESTED_PCRS, AzureTpm } from './azure-tpm.js';
import { tpmCall } from './tpm-failure.js';

/** How often evidence is taken anew when a PCR changes while it is taken. */
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
  /** Whether the ephemeral key is certified too, bound to the very PCR values that are quoted. */
  certifyKey: boolean;
}

/**
 * Quotes PCRs with the attestation key, and certifies the ephemeral key with it, over one and the same PCR state: when a
 * PCR changes in between all of it is taken again, a few times.
 *
 * @throws AttestationError 13 when the TPM fails, has no SHA-256 bank or its PCRs keep changing; 9 when what it returns
 * is not what was asked for.
 */
export async function collectQuote(
  tpm: GuestTpm,
  request: QuoteRequest,
  signal?: AbortSignal,
): Promise<QuotedPcrs & { ephemeralKey?: CertifiedEphemeralKey }> {
  const options = { ...(signal && { signal }) };
  const keyHandle = AzureTpm.ATTESTATION_KEY;
  const { qualifyingData } = request;
  const indices = [...request.pcrs].sort((a, b) => a - b);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const pcrs = await tpmCall('the PCRs cannot be read', tpm.readPcrs('sha256', indices, options), { signal });
    const quote = await tpmCall(
      'the quote failed',
      tpm.quote({ keyHandle, qualifyingData, bank: 'sha256', pcrs: indices }, options),
      { signal },
    );
    if (!isQuoteOf(quote, pcrs, indices, qualifyingData)) continue;
    if (!request.certifyKey) return { quote, pcrs };
    const ephemeralKey = await tpmCall(
      'the ephemeral key cannot be certified',
      tpm.certifyEphemeralKey({ keyHandle, pcrs: ATTESTED_PCRS }, options),
      { signal },
    );
    if (isBoundTo(ephemeralKey, pcrs)) return { quote, pcrs, ephemeralKey };
  }
  throw new AttestationError(ErrorCode.TPM_OPERATION_FAILURE, 'the PCRs changed each time while they were quoted');
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

const invalid = (message: string): AttestationError =>
  new AttestationError(ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED, message);
