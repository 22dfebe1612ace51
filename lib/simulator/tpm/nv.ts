import { execute, type TpmTransport } from './command.js';
import { Algorithm, CommandCode, PermanentHandle } from './constants.js';
import { TpmReader, TpmWriter } from './encoding.js';

/** TPM_PT_NV_BUFFER_MAX of the software TPM and of Azure's vTPM. */
export const nvBufferMax = 1024;

/** What TPM2_NV_ReadPublic tells about an index. */
export interface NvPublic {
  index: number;
  attributes: number;
  size: number;
}

/** TPMS_NV_PUBLIC of an ordinary index without a policy. */
export function marshalNvPublic({ index, attributes, size }: NvPublic): Buffer {
  return new TpmWriter().u32(index).u16(Algorithm.sha256).u32(attributes).u16(0).u16(size).toBuffer();
}

/** Defines an index with an empty authorization value. The software TPM allows at most 2048 bytes. */
export async function nvDefineSpace(transport: TpmTransport, hierarchy: number, nvPublic: NvPublic): Promise<void> {
  await execute(transport, {
    code: CommandCode.NV_DefineSpace,
    handles: [hierarchy],
    authorized: 1,
    parameters: new TpmWriter().u16(0).sized(marshalNvPublic(nvPublic)).toBuffer(),
  });
}

export async function nvUndefineSpace(transport: TpmTransport, hierarchy: number, index: number): Promise<void> {
  await execute(transport, {
    code: CommandCode.NV_UndefineSpace,
    handles: [hierarchy, index],
    authorized: 1,
  });
}

/** Writes `data` from offset 0, in pieces of at most {@link nvBufferMax} bytes. */
export async function nvWrite(
  transport: TpmTransport,
  hierarchy: number,
  index: number,
  data: Uint8Array,
): Promise<void> {
  for (let offset = 0; offset < data.length; offset += nvBufferMax) {
    await execute(transport, {
      code: CommandCode.NV_Write,
      handles: [hierarchy, index],
      authorized: 1,
      parameters: new TpmWriter()
        .sized(data.subarray(offset, offset + nvBufferMax))
        .u16(offset)
        .toBuffer(),
    });
  }
}

export async function nvReadPublic(transport: TpmTransport, index: number): Promise<NvPublic> {
  const { parameters } = await execute(transport, { code: CommandCode.NV_ReadPublic, handles: [index] });
  const area = new TpmReader(parameters.sized());
  area.bytes(6);
  const attributes = area.u32();
  area.sized();
  return { index, attributes, size: area.u16() };
}

/** Reads a whole index with owner authorization. */
export async function nvRead(transport: TpmTransport, index: number): Promise<Buffer> {
  const { size } = await nvReadPublic(transport, index);
  const pieces: Buffer[] = [];
  for (let offset = 0; offset < size; offset += nvBufferMax) {
    const { parameters } = await execute(transport, {
      code: CommandCode.NV_Read,
      handles: [PermanentHandle.owner, index],
      authorized: 1,
      parameters: new TpmWriter()
        .u16(Math.min(nvBufferMax, size - offset))
        .u16(offset)
        .toBuffer(),
    });
    pieces.push(Buffer.from(parameters.sized()));
  }
  return Buffer.concat(pieces);
}
