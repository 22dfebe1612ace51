import { setTimeout as sleep } from 'node:timers/promises';
import { HandleRange, handlesCapability } from '../tpm/capability.js';
import { errorResponse, headerSize, type TpmTransport } from '../tpm/command.js';
import { CommandCode, ResponseCode, StructureTag } from '../tpm/constants.js';
import { TpmReader, TpmWriter } from '../tpm/encoding.js';
import { flushContext } from '../tpm/keys.js';
import { type CommandAttributes, readCommandAttributes } from './command-attributes.js';
import { type CommandView, commandCodeOf, viewCommand } from './command-view.js';
import { type Held, TpmSpace } from './tpm-space.js';

const kindOf = (handle: number): Held['kind'] | undefined => {
  const type = handle >>> 24;
  if (type === 0x80) return 'object';
  return type === 0x02 || type === 0x03 ? 'session' : undefined;
};

const continueSession = 0x01;
/** The kernel repeats TPM_RC_RETRY, too: the first use of a key with dictionary attack protection is answered so. */
const firstRetryDelayMs = 1;
const lastRetryDelayMs = 2000;
/** Where the TPM has no room, and for what. */
const outOf: Record<number, Held['kind']> = {
  [ResponseCode.objectMemory]: 'object',
  [ResponseCode.sessionMemory]: 'session',
};

/**
 * Shares a TPM of few slots among many clients, as the kernel's /dev/tpmrm0 does: a client has a space, its transient
 * handles are virtual, nobody reaches another's objects and sessions, and what a client leaves is flushed.
 *
 * The kernel swaps out a whole space after each command. Here something is swapped out only when the TPM has no room
 * left, which nobody can tell apart but by its speed. Callers run one command at a time.
 */
export class ResourceManager {
  readonly #tpm: TpmTransport;
  readonly #spaces = new Set<TpmSpace>();
  /** In order of their last use, the least recently used first. */
  readonly #loaded = new Set<Held>();
  #attributes: Map<number, CommandAttributes> | undefined;

  constructor(tpm: TpmTransport) {
    this.#tpm = tpm;
  }

  /** A new space; `limit` as in {@link TpmSpace}. */
  open(limit?: number): TpmSpace {
    const space = new TpmSpace(limit);
    this.#spaces.add(space);
    return space;
  }

  /** Flushes all that a client left. */
  async close(space: TpmSpace): Promise<void> {
    for (const held of space.held) await this.#flush(held);
    this.#spaces.delete(space);
  }

  /** What all clients hold, by the handles that they know. */
  held(): { transient: number[]; sessions: number[] } {
    const handles = (kind: Held['kind']): number[] =>
      [...this.#spaces].flatMap((space) => space.ofKind(kind).map(({ handle }) => handle));
    return { transient: handles('object'), sessions: handles('session') };
  }

  /** Forgets everything: the TPM was reset. */
  forget(): void {
    this.#loaded.clear();
    for (const space of this.#spaces) for (const held of space.held) space.remove(held);
  }

  /** Runs a command of a client. */
  async execute(command: Buffer, space: TpmSpace): Promise<Buffer> {
    const code = commandCodeOf(command);
    this.#attributes ??= await readCommandAttributes(this.#tpm);
    const attributes = this.#attributes.get(code);
    if (!attributes) return this.#tpm(command);
    if (code === CommandCode.FlushContext) return this.#flushContext(command, space);
    let view: CommandView;
    try {
      view = viewCommand(command, attributes.handles);
    } catch (error) {
      // Malformed: the TPM says why.
      if (error instanceof RangeError) return this.#tpm(command);
      throw error;
    }
    const used = new Set<Held>();
    for (const [position, handle] of view.handles.entries()) {
      if (!this.#take(handle, space, used)) return errorResponse(ResponseCode.referenceHandle0 + position);
    }
    for (const [position, { session }] of view.authorizations.entries()) {
      if (!this.#take(session, space, used)) return errorResponse(ResponseCode.referenceSession0 + position);
    }
    for (const held of used) {
      if (await this.#load(held, used)) continue;
      return errorResponse(ResponseCode.referenceHandle0);
    }
    const response = await this.#withRoom(withPhysicalHandles(command, view, space), used);
    return this.#account(view, attributes, response, space);
  }

  /** Removes the sessions that ended with a command that the TPM itself did not see. */
  ended(command: Buffer, space: TpmSpace): void {
    const handles = this.#attributes?.get(commandCodeOf(command))?.handles;
    if (handles !== undefined) this.#endSessions(viewCommand(command, handles), space);
  }

  /** Whether a client may use a handle; if it is one that is managed, it counts as used. */
  #take(handle: number, space: TpmSpace, used: Set<Held>): boolean {
    const kind = kindOf(handle);
    if (!kind) return true;
    const held = space.find(handle);
    if (held) {
      used.add(held);
      return !held.savedByClient;
    }
    if (kind === 'object') return false;
    // A session of somebody else is out of reach; one that nobody has, the TPM refuses itself.
    return ![...this.#spaces].some((other) => other.find(handle));
  }

  async #load(held: Held, pinned: ReadonlySet<Held>): Promise<boolean> {
    if (held.loaded === undefined && held.context) {
      const command = contextLoad(held.context);
      const response = await this.#withRoom(command, pinned);
      if (response.readUInt32BE(6) !== ResponseCode.success) {
        held.space.remove(held);
        return false;
      }
      held.loaded = response.readUInt32BE(headerSize);
      held.context = undefined;
    }
    this.#loaded.delete(held);
    this.#loaded.add(held);
    return true;
  }

  /** Sends a command, and swaps out what has not been used for longest until there is room for it. */
  async #withRoom(command: Buffer, pinned: ReadonlySet<Held>): Promise<Buffer> {
    for (let delayMs = firstRetryDelayMs; ; ) {
      const response = await this.#tpm(command);
      const responseCode = response.length >= headerSize ? response.readUInt32BE(6) : 0;
      if (responseCode === ResponseCode.retry && delayMs < lastRetryDelayMs) {
        await sleep(delayMs);
        delayMs *= 2;
        continue;
      }
      if (responseCode === ResponseCode.contextGap && (await this.#renewOldestSession())) continue;
      const kind = outOf[responseCode];
      const victim = kind && [...this.#loaded].find((held) => held.kind === kind && !pinned.has(held));
      if (!victim || !(await this.#swapOut(victim))) return response;
    }
  }

  async #swapOut(held: Held): Promise<boolean> {
    const loaded = held.loaded;
    this.#loaded.delete(held);
    if (loaded === undefined) return false;
    const response = await this.#tpm(handleCommand(CommandCode.ContextSave, loaded));
    held.loaded = undefined;
    if (response.readUInt32BE(6) !== ResponseCode.success) {
      held.space.remove(held);
      return true;
    }
    held.context = Buffer.from(response.subarray(headerSize));
    // Saving a session takes it out of the TPM, saving an object leaves it there.
    if (held.kind === 'object') await flushContext(this.#tpm, loaded);
    return true;
  }

  /** The TPM counts saved contexts; one that was saved too long ago has to be saved again (Part 1, 30.5). */
  async #renewOldestSession(): Promise<boolean> {
    const saved = [...this.#spaces].flatMap((space) => space.ofKind('session')).filter(({ context }) => context);
    for (const held of saved) {
      const response = await this.#tpm(contextLoad(held.context as Buffer));
      if (response.readUInt32BE(6) !== ResponseCode.success) continue;
      held.loaded = response.readUInt32BE(headerSize);
      return this.#swapOut(held);
    }
    return false;
  }

  async #flush(held: Held): Promise<void> {
    const handle = held.kind === 'session' ? held.handle : held.loaded;
    if (handle !== undefined) await flushContext(this.#tpm, handle).catch(() => {});
    held.space.remove(held);
    this.#loaded.delete(held);
  }

  async #flushContext(command: Buffer, space: TpmSpace): Promise<Buffer> {
    if (command.length !== headerSize + 4) return this.#tpm(command);
    const handle = command.readUInt32BE(headerSize);
    const held = space.find(handle);
    if (!held) {
      // TPM_RC_HANDLE of parameter 1, as for a handle that nobody has.
      return this.#take(handle, space, new Set()) ? this.#tpm(command) : errorResponse(ResponseCode.handleOfParameter1);
    }
    await this.#flush(held);
    return errorResponse(ResponseCode.success);
  }

  /** Puts down what a command made and what it ended, and gives the client its handles. */
  async #account(
    view: CommandView,
    { returnsHandle, flushes }: CommandAttributes,
    response: Buffer,
    space: TpmSpace,
  ): Promise<Buffer> {
    if (response.length < headerSize || response.readUInt32BE(6) !== ResponseCode.success) return response;
    this.#endSessions(view, space);
    const subject = space.find(view.handles.at(-1) ?? 0);
    if (flushes && subject) {
      space.remove(subject);
      this.#loaded.delete(subject);
    }
    if (view.code === CommandCode.ContextSave && subject?.kind === 'session') {
      subject.savedByClient = true;
      subject.loaded = undefined;
      this.#loaded.delete(subject);
    }
    if (view.code === CommandCode.GetCapability) return listOwnHandles(view, response, space);
    return returnsHandle ? this.#adopt(response, space) : response;
  }

  async #adopt(response: Buffer, space: TpmSpace): Promise<Buffer> {
    const loaded = response.readUInt32BE(headerSize);
    const kind = kindOf(loaded);
    if (!kind) return response;
    if (kind === 'session') for (const other of this.#spaces) removeHandle(other, loaded);
    if (space.isFull(kind)) {
      await flushContext(this.#tpm, loaded);
      return errorResponse(kind === 'object' ? ResponseCode.objectMemory : ResponseCode.sessionMemory);
    }
    const handle = kind === 'session' ? loaded : space.freeHandle();
    const held: Held = { kind, handle, space, loaded, context: undefined };
    space.add(held);
    this.#loaded.add(held);
    const virtual = Buffer.from(response);
    virtual.writeUInt32BE(handle, headerSize);
    return virtual;
  }

  #endSessions({ authorizations }: CommandView, space: TpmSpace): void {
    for (const { session, attributes } of authorizations) {
      const held = space.find(session);
      if (!held || attributes & continueSession) continue;
      space.remove(held);
      this.#loaded.delete(held);
    }
  }
}

function removeHandle(space: TpmSpace, handle: number): void {
  const held = space.find(handle);
  if (held) space.remove(held);
}

function handleCommand(code: number, handle: number): Buffer {
  return new TpmWriter()
    .u16(StructureTag.noSessions)
    .u32(headerSize + 4)
    .u32(code)
    .u32(handle)
    .toBuffer();
}

function contextLoad(context: Buffer): Buffer {
  const head = new TpmWriter().u16(StructureTag.noSessions).u32(headerSize + context.length);
  return head.u32(CommandCode.ContextLoad).bytes(context).toBuffer();
}

/** The command with the handles of the TPM in place of the client's. */
function withPhysicalHandles(command: Buffer, { handles }: CommandView, space: TpmSpace): Buffer {
  const physical = Buffer.from(command);
  for (const [position, handle] of handles.entries()) {
    const held = space.find(handle);
    if (held?.loaded !== undefined) physical.writeUInt32BE(held.loaded, headerSize + 4 * position);
  }
  return physical;
}

/** TPM_CAP_HANDLES shows a client its own objects and sessions; all others' sessions count as saved. */
function listOwnHandles({ parameters }: CommandView, response: Buffer, space: TpmSpace): Buffer {
  const [capability, property, count] = [parameters.u32(), parameters.u32(), parameters.u32()];
  if (capability !== handlesCapability) return response;
  const range = ((property >>> 24) << 24) >>> 0;
  const reader = new TpmReader(response.subarray(headerSize));
  const moreData = reader.u8();
  reader.u32();
  const listed = Array.from({ length: reader.u32() }, () => reader.u32());
  let own: number[];
  if (range === HandleRange.transient) own = space.ofKind('object').map(({ handle }) => handle);
  else if (range === HandleRange.loadedSession) own = space.ofKind('session').map(({ handle }) => handle);
  else if (range === HandleRange.savedSession) own = listed.filter((handle) => !isOf(space, handle));
  else return response;
  const all = own.filter((handle) => handle >= property || range !== HandleRange.transient).sort((a, b) => a - b);
  const shown = all.slice(0, count);
  const body = new TpmWriter()
    .u8(all.length > shown.length || (range === HandleRange.savedSession && moreData) ? 1 : 0)
    .u32(handlesCapability)
    .u32(shown.length);
  for (const handle of shown) body.u32(handle);
  const bytes = body.toBuffer();
  return new TpmWriter()
    .u16(StructureTag.noSessions)
    .u32(headerSize + bytes.length)
    .u32(ResponseCode.success)
    .bytes(bytes)
    .toBuffer();
}

/** Saved sessions are listed as HMAC sessions whatever they are: their low bytes tell them apart. */
const isOf = (space: TpmSpace, handle: number): boolean =>
  space.ofKind('session').some((held) => (held.handle & 0xffffff) === (handle & 0xffffff));
