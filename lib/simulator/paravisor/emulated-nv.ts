import { createHash } from 'node:crypto';
import { HandleRange, handlesCapability } from '../tpm/capability.js';
import { errorResponse, headerSize, type TpmTransport } from '../tpm/command.js';
import { Algorithm, CommandCode, NvAttribute, ResponseCode, StructureTag } from '../tpm/constants.js';
import { TpmReader, TpmWriter } from '../tpm/encoding.js';
import { marshalNvPublic, nvBufferMax } from '../tpm/nv.js';
import { type CommandView, viewCommand } from './command-view.js';
import { Sessions } from './sessions.js';

/** An NV index that the paravisor keeps itself: of any size, and with contents that it makes when they are read. */
export interface EmulatedIndex {
  index: number;
  size: number;
  /** Whether it has ever been written. */
  readonly written: boolean;
  /** Called for each TPM2_NV_Read while it is not written. */
  awaited?(): void;
  /** The whole contents; called for each TPM2_NV_Read with its offset. */
  read(offset: number): Promise<Buffer> | Buffer;
}

/** Platform-created, readable with owner or index authorization, not writable by the guest (as OpenHCL makes them). */
const attributes =
  NvAttribute.platformCreated |
  NvAttribute.platformWrite |
  NvAttribute.platformRead |
  NvAttribute.ownerRead |
  NvAttribute.authRead |
  NvAttribute.noDictionaryAttack;

/** Handles before the authorization area, and which of them is the NV index. */
const nvCommands = new Map([
  [CommandCode.NV_ReadPublic as number, { handleCount: 1, indexAt: 0 }],
  [CommandCode.NV_Read as number, { handleCount: 2, indexAt: 1 }],
  [CommandCode.NV_Write as number, { handleCount: 2, indexAt: 1 }],
  [CommandCode.NV_UndefineSpace as number, { handleCount: 2, indexAt: 1 }],
]);

/** Answers the commands that touch emulated indices; everything else is the TPM's. */
export class EmulatedNv {
  readonly #indices = new Map<number, EmulatedIndex>();
  readonly #sessions: Sessions;

  /** @param tpm where sessions end that were used here for the last time */
  constructor(tpm: TpmTransport) {
    this.#sessions = new Sessions(tpm);
  }

  define(index: EmulatedIndex): void {
    this.#indices.set(index.index, index);
  }

  /** The response, or undefined when the command does not concern an emulated index. */
  async answer(command: Buffer, code: number): Promise<Buffer | undefined> {
    try {
      if (code === CommandCode.NV_DefineSpace) return this.#answerDefine(command);
      const layout = nvCommands.get(code);
      if (!layout) return undefined;
      const view = viewCommand(command, layout.handleCount);
      const index = this.#indices.get(view.handles[layout.indexAt] ?? 0);
      if (!index) return undefined;
      if (code === CommandCode.NV_ReadPublic) return readPublic(index);
      if (code === CommandCode.NV_Read) return await this.#read(index, view);
      return errorResponse(ResponseCode.nvAuthorization);
    } catch (error) {
      // A malformed command: the TPM refuses it with the right code.
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  /** Looks at what the TPM answered, and adds the emulated indices to a list of NV handles. */
  amend(command: Buffer, code: number, response: Buffer): Buffer {
    this.#sessions.observe(command, code, response);
    if (code !== CommandCode.GetCapability || response.readUInt32BE(6) !== 0) return response;
    const request = new TpmReader(command.subarray(headerSize));
    const [capability, property, count] = [request.u32(), request.u32(), request.u32()];
    if (capability !== handlesCapability || property >>> 24 !== HandleRange.nvIndex >>> 24) return response;
    const reader = new TpmReader(response.subarray(headerSize));
    const moreData = reader.u8();
    reader.u32();
    const handles = Array.from({ length: reader.u32() }, () => reader.u32());
    const emulated = [...this.#indices.keys()].filter((index) => index >= property);
    const all = [...new Set([...handles, ...emulated])].sort((a, b) => a - b);
    const listed = all.slice(0, count);
    const body = new TpmWriter()
      .u8(moreData || all.length > listed.length ? 1 : 0)
      .u32(handlesCapability)
      .u32(listed.length);
    for (const handle of listed) body.u32(handle);
    return success(body.toBuffer());
  }

  async #read(index: EmulatedIndex, { code, authorizations, parameters }: CommandView): Promise<Buffer> {
    const size = parameters.u16();
    const offset = parameters.u16();
    if (size > nvBufferMax) return errorResponse(ResponseCode.valueOfParameter1);
    if (!index.written) {
      index.awaited?.();
      return errorResponse(ResponseCode.nvUninitialized);
    }
    if (offset + size > index.size) return errorResponse(ResponseCode.nvRange);
    const contents = await index.read(offset);
    const answer = new TpmWriter().sized(contents.subarray(offset, offset + size)).toBuffer();
    const acknowledgement = await this.#sessions.acknowledge(authorizations, code, answer);
    return acknowledgement ? success(answer, acknowledgement) : errorResponse(ResponseCode.authType);
  }

  #answerDefine(command: Buffer): Buffer | undefined {
    const { parameters } = viewCommand(command, 1);
    parameters.sized();
    const index = new TpmReader(parameters.sized()).u32();
    return this.#indices.has(index) ? errorResponse(ResponseCode.nvDefined) : undefined;
  }
}

function readPublic(index: EmulatedIndex): Buffer {
  const written = index.written ? NvAttribute.written : 0;
  const area = marshalNvPublic({ index: index.index, attributes: attributes | written, size: index.size });
  const name = new TpmWriter().u16(Algorithm.sha256).bytes(createHash('sha256').update(area).digest()).toBuffer();
  return success(new TpmWriter().sized(area).sized(name).toBuffer());
}

/** A successful response, with the acknowledgement of its authorizations if there were any. */
function success(parameters: Buffer, acknowledgement?: Buffer): Buffer {
  const body = acknowledgement
    ? new TpmWriter().u32(parameters.length).bytes(parameters).bytes(acknowledgement).toBuffer()
    : parameters;
  return new TpmWriter()
    .u16(acknowledgement ? StructureTag.sessions : StructureTag.noSessions)
    .u32(headerSize + body.length)
    .u32(ResponseCode.success)
    .bytes(body)
    .toBuffer();
}
