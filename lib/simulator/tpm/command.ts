import { commandName, PermanentHandle, StructureTag } from './constants.js';
import { TpmReader, TpmWriter } from './encoding.js';

/** A TPM command that answered with a response code other than success. */
export class TpmCommandError extends Error {
  override readonly name = 'TpmCommandError';
  readonly responseCode: number;

  constructor(commandCode: number, responseCode: number) {
    super(`TPM2_${commandName(commandCode)} answered 0x${responseCode.toString(16)}`);
    this.responseCode = responseCode;
  }
}

/** Sends one command to a TPM and resolves with its whole response. */
export type TpmTransport = (command: Buffer) => Promise<Buffer>;

export interface TpmCommand {
  code: number;
  /** Handle area; the first `authorized` of them get an empty password authorization. */
  handles?: readonly number[];
  authorized?: number;
  parameters?: Uint8Array;
}

export const headerSize = 10;

/** Marshals a command whose authorizations are all empty passwords (Part 1, 18.6). */
export function marshalCommand({
  code,
  handles = [],
  authorized = 0,
  parameters = Buffer.alloc(0),
}: TpmCommand): Buffer {
  const body = new TpmWriter();
  for (const handle of handles) body.u32(handle);
  if (authorized > 0) {
    const authorization = new TpmWriter().u32(PermanentHandle.password).u16(0).u8(0).u16(0).toBuffer();
    body.u32(authorization.length * authorized);
    for (let i = 0; i < authorized; i++) body.bytes(authorization);
  }
  body.bytes(parameters);
  const bytes = body.toBuffer();
  return new TpmWriter()
    .u16(authorized > 0 ? StructureTag.sessions : StructureTag.noSessions)
    .u32(headerSize + bytes.length)
    .u32(code)
    .bytes(bytes)
    .toBuffer();
}

/** A response that carries nothing but its code. */
export function errorResponse(responseCode: number): Buffer {
  return new TpmWriter().u16(StructureTag.noSessions).u32(headerSize).u32(responseCode).toBuffer();
}

/**
 * Runs a command and returns its response parameters.
 *
 * @param responseHandles how many handles come before the parameters
 * @throws TpmCommandError when the TPM says no
 */
export async function execute(
  transport: TpmTransport,
  command: TpmCommand,
  responseHandles = 0,
): Promise<{ handles: number[]; parameters: TpmReader }> {
  const response = await transport(marshalCommand(command));
  const reader = new TpmReader(response);
  const tag = reader.u16();
  reader.u32();
  const responseCode = reader.u32();
  if (responseCode !== 0) throw new TpmCommandError(command.code, responseCode);
  const handles = Array.from({ length: responseHandles }, () => reader.u32());
  const parameters = tag === StructureTag.sessions ? reader.bytes(reader.u32()) : reader.bytes(reader.remaining);
  return { handles, parameters: new TpmReader(parameters) };
}
