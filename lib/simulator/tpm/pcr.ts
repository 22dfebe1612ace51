import { execute, type TpmTransport } from './command.js';
import { Algorithm, CommandCode } from './constants.js';
import { TpmWriter } from './encoding.js';

export type PcrBankName = 'sha1' | 'sha256';

/** One digest per bank that is to be extended. */
export type PcrDigests = Partial<Record<PcrBankName, Uint8Array>>;

export const digestSizes: Record<PcrBankName, number> = { sha1: 20, sha256: 32 };

/** TPMS_PCR_SELECTION with sizeofSelect 3. */
export function marshalPcrSelection(bank: PcrBankName, indices: readonly number[]): Buffer {
  const bitmap = Buffer.alloc(3);
  for (const index of indices) bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7));
  return new TpmWriter().u16(Algorithm[bank]).u8(bitmap.length).bytes(bitmap).toBuffer();
}

export async function pcrExtend(transport: TpmTransport, index: number, digests: PcrDigests): Promise<void> {
  const banks = Object.entries(digests) as [PcrBankName, Uint8Array][];
  const parameters = new TpmWriter().u32(banks.length);
  for (const [bank, digest] of banks) {
    if (digest.length !== digestSizes[bank]) {
      throw new RangeError(`a ${bank} digest has ${digestSizes[bank]} bytes, not ${digest.length}`);
    }
    parameters.u16(Algorithm[bank]).bytes(digest);
  }
  await execute(transport, {
    code: CommandCode.PCR_Extend,
    handles: [index],
    authorized: 1,
    parameters: parameters.toBuffer(),
  });
}

/** Values of PCRs of one bank, in ascending order of index; a TPM answers at most eight at once. */
export async function pcrRead(
  transport: TpmTransport,
  bank: PcrBankName,
  indices: readonly number[],
): Promise<Map<number, Buffer>> {
  const sorted = [...new Set(indices)].sort((a, b) => a - b);
  const values = new Map<number, Buffer>();
  for (let start = 0; start < sorted.length; start += 8) {
    const group = sorted.slice(start, start + 8);
    const { parameters } = await execute(transport, {
      code: CommandCode.PCR_Read,
      parameters: new TpmWriter().u32(1).bytes(marshalPcrSelection(bank, group)).toBuffer(),
    });
    parameters.u32();
    parameters.bytes(parameters.u32() * marshalPcrSelection(bank, []).length);
    const count = parameters.u32();
    if (count !== group.length) throw new RangeError(`the ${bank} bank answered ${count} of ${group.length} PCRs`);
    for (const index of group) values.set(index, Buffer.from(parameters.sized()));
  }
  return values;
}
