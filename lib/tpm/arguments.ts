// How the requests of lib/tpm are written for the binding: numbers as in the TPM specification.
import type { EphemeralKeyChoice, KeyTemplate, PcrBank, RsaDecryptScheme, TpmHandleKind } from './types.js';

/** TPM_ALG_ID of the PCR banks. */
export const BANKS = { sha1: 0x0004, sha256: 0x000b, sha384: 0x000c, sha512: 0x000d } as const satisfies Record<
  PcrBank,
  number
>;
const HASHES = { 'SHA-1': 0x0004, 'SHA-256': 0x000b, 'SHA-384': 0x000c, 'SHA-512': 0x000d } as const;
const KEY_TEMPLATES = { zeros: 0, empty: 1 } as const satisfies Record<KeyTemplate, number>;
const TPM_ALG_NULL = 0x0010;
const TPM_ALG_RSAES = 0x0015;
const TPM_ALG_OAEP = 0x0017;
/** First handle of each kind's range (TPM 2.0 part 2, section 7.4). */
export const HANDLE_RANGES: Record<TpmHandleKind, number> = {
  'nv-index': 0x0100_0000,
  'loaded-session': 0x0200_0000,
  'active-session': 0x0300_0000,
  transient: 0x8000_0000,
  persistent: 0x8100_0000,
};
const PCR_COUNT = 24;

type SchemeArguments = [scheme: number, hash: number, label: Uint8Array];

export function schemeArguments(scheme: RsaDecryptScheme): SchemeArguments {
  if (scheme.scheme === 'RSAES') return [TPM_ALG_RSAES, TPM_ALG_NULL, new Uint8Array()];
  return [TPM_ALG_OAEP, HASHES[scheme.hash], scheme.label ?? new Uint8Array()];
}

/** Mask and template, as the binding takes them. */
export function keyArguments({ pcrs, keyTemplate = 'zeros' }: EphemeralKeyChoice): [mask: number, keyTemplate: number] {
  if (!Object.hasOwn(KEY_TEMPLATES, keyTemplate)) throw new RangeError(`there is no key template ${keyTemplate}`);
  return [pcrMask(pcrs), KEY_TEMPLATES[keyTemplate]];
}

/** Bit n for PCR n. */
export function pcrMask(pcrs: readonly number[]): number {
  let mask = 0;
  for (const pcr of pcrs) {
    if (!Number.isInteger(pcr) || pcr < 0 || pcr >= PCR_COUNT) throw new RangeError(`there is no PCR ${pcr}`);
    mask |= 1 << pcr;
  }
  return mask;
}

export function pcrsOf(mask: number): number[] {
  return Array.from({ length: 32 }, (_, pcr) => pcr).filter((pcr) => ((mask >>> pcr) & 1) === 1);
}

export function bankName(algorithm: number): PcrBank | number {
  const known = Object.entries(BANKS).find(([, id]) => id === algorithm);
  return known === undefined ? algorithm : (known[0] as PcrBank);
}
