import { headerSize } from '../tpm/command.js';
import { StructureTag } from '../tpm/constants.js';
import { TpmReader } from '../tpm/encoding.js';

/** One entry of a command's authorization area. */
export interface Authorization {
  /** 0x40000009 is a password. */
  session: number;
  nonceCaller: Buffer;
  /** TPMA_SESSION */
  attributes: number;
}

/** One command on its way from a guest to the TPM, with what the paravisor needs to know of it. */
export interface CommandView {
  bytes: Buffer;
  code: number;
  /** Handles of the handle area. */
  handles: number[];
  authorizations: Authorization[];
  parameters: TpmReader;
}

/** Takes a command apart. @throws RangeError when it is malformed: the TPM itself then says why. */
export function viewCommand(bytes: Buffer, handleCount: number): CommandView {
  const reader = new TpmReader(bytes);
  const tag = reader.u16();
  reader.u32();
  const code = reader.u32();
  const handles = Array.from({ length: handleCount }, () => reader.u32());
  const authorizations: Authorization[] = [];
  if (tag === StructureTag.sessions) {
    const area = new TpmReader(reader.bytes(reader.u32()));
    while (area.remaining > 0) {
      authorizations.push({ session: area.u32(), nonceCaller: area.sized(), attributes: area.u8() });
      area.sized(); // password or HMAC
    }
  }
  return { bytes, code, handles, authorizations, parameters: reader };
}

/** Code of a command; 0 when it is too short to have one. */
export function commandCodeOf(bytes: Buffer): number {
  return bytes.length >= headerSize ? bytes.readUInt32BE(6) : 0;
}
