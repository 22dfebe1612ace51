import { invalid } from '../base/options.js';
import type { GuestTpm } from '../tpm/native-tpm.js';
import type { PcrBank } from '../tpm/types.js';
import { tpmCall } from './tpm-failure.js';

export interface ExtendPcrOptions {
  /**
   * The data is a digest of this bank and extends it as it is (TPM2_PCR_Extend). Default: the data, at most 1,024 bytes, is
   * hashed for every bank that the TPM has (TPM2_PCR_Event).
   */
  bank?: PcrBank;
  signal?: AbortSignal;
}

/** TPM2B_EVENT. */
const MAX_EVENT_BYTES = 1024;
const DIGEST_BYTES: Readonly<Record<PcrBank, number>> = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 };

/**
 * Measures data into a PCR.
 *
 * @throws AttestationError 8 for data of a wrong length; 13 when the TPM refuses: PCRs 17 to 22 are the platform's, which
 * the message says (`tpmErrorCode` 0x907).
 */
export async function extendPcr(
  tpm: GuestTpm,
  index: number,
  data: Uint8Array,
  { bank, signal }: ExtendPcrOptions,
): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  const what = `PCR ${index} cannot be extended`;
  if (bank === undefined) {
    if (data.length > MAX_EVENT_BYTES)
      throw invalid(`extendPcr: at most ${MAX_EVENT_BYTES} bytes: hash more, and name the bank`);
    await tpmCall(what, tpm.eventPcr({ index, data }, options), { signal });
    return;
  }
  if (data.length !== DIGEST_BYTES[bank])
    throw invalid(`extendPcr: a digest of ${bank} has ${DIGEST_BYTES[bank]} bytes`);
  await tpmCall(what, tpm.extendPcr({ index, bank, digest: data }, options), { signal });
}
