import { execute, type TpmTransport } from '../tpm/command.js';
import { CommandCode } from '../tpm/constants.js';
import { TpmWriter } from '../tpm/encoding.js';

/** What TPMA_CC says of a command (Part 2, 8.9). */
export interface CommandAttributes {
  /** Handles in its handle area. */
  handles: number;
  /** Whether its response begins with a handle. */
  returnsHandle: boolean;
  /** Whether it flushes the object of its last handle, as the end of a sequence does. */
  flushes: boolean;
}

/** TPM_CAP_COMMANDS */
const commandsCapability = 2;

/** Asks a TPM for the attributes of all commands that it implements, by command code. */
export async function readCommandAttributes(tpm: TpmTransport): Promise<Map<number, CommandAttributes>> {
  const attributes = new Map<number, CommandAttributes>();
  let first = 0;
  for (;;) {
    const { parameters } = await execute(tpm, {
      code: CommandCode.GetCapability,
      parameters: new TpmWriter().u32(commandsCapability).u32(first).u32(254).toBuffer(),
    });
    const moreData = parameters.u8();
    parameters.u32();
    for (let left = parameters.u32(); left > 0; left--) {
      const value = parameters.u32();
      const code = value & 0x2000ffff;
      attributes.set(code, {
        handles: (value >>> 25) & 7,
        returnsHandle: ((value >>> 28) & 1) === 1,
        flushes: ((value >>> 24) & 1) === 1,
      });
      first = code + 1;
    }
    if (!moreData) return attributes;
  }
}
