import { execute, type TpmTransport } from './command.js';
import { CommandCode } from './constants.js';
import { TpmWriter } from './encoding.js';

/** TPM_CAP_HANDLES */
export const handlesCapability = 1;

/** First handle of each range that TPM_CAP_HANDLES can list (TPM_HT << 24). */
export const HandleRange = {
  nvIndex: 0x01000000,
  loadedSession: 0x02000000,
  savedSession: 0x03000000,
  transient: 0x80000000,
  persistent: 0x81000000,
} as const;

/** All handles of one range. */
export async function listHandles(transport: TpmTransport, range: number): Promise<number[]> {
  const { parameters } = await execute(transport, {
    code: CommandCode.GetCapability,
    parameters: new TpmWriter().u32(handlesCapability).u32(range).u32(254).toBuffer(),
  });
  parameters.u8();
  parameters.u32();
  return Array.from({ length: parameters.u32() }, () => parameters.u32());
}
