import { type ChildProcess, spawn } from 'node:child_process';
import { constants, createPublicKey, publicEncrypt } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { HandleRange, listHandles } from '../../lib/simulator/tpm/capability.js';
import { execute, marshalCommand, type TpmTransport } from '../../lib/simulator/tpm/command.js';
import { Algorithm, CommandCode, ObjectAttribute, PermanentHandle } from '../../lib/simulator/tpm/constants.js';
import { TpmWriter } from '../../lib/simulator/tpm/encoding.js';
import { createPrimary, flushContext } from '../../lib/simulator/tpm/keys.js';
import { marshalPcrSelection } from '../../lib/simulator/tpm/pcr.js';
import { socketTransport } from '../../lib/simulator/tpm/socket-transport.js';

const { userWithAuth, sensitiveDataOrigin, noDictionaryAttack, decrypt } = ObjectAttribute;

/** An RSA-2048 decryption key; `unique` makes one differ from another. */
function decryptionKeyTemplate(unique: number): Buffer {
  return new TpmWriter()
    .u16(Algorithm.rsa)
    .u16(Algorithm.sha256)
    .u32(userWithAuth | sensitiveDataOrigin | noDictionaryAttack | decrypt)
    .u16(0)
    .u16(Algorithm.null)
    .u16(Algorithm.null)
    .u16(2048)
    .u32(0)
    .sized(Buffer.alloc(256, unique))
    .toBuffer();
}

const createKey = (tpm: TpmTransport, unique = 0) =>
  createPrimary(tpm, PermanentHandle.null, decryptionKeyTemplate(unique));

/** HMAC (0), policy (1) or trial (3) session without salt, bind and parameter encryption. */
const startSessionCommand = (type: 0 | 1) => ({
  code: CommandCode.StartAuthSession,
  handles: [PermanentHandle.null, PermanentHandle.null],
  parameters: new TpmWriter()
    .sized(Buffer.alloc(16, 7))
    .u16(0)
    .u8(type)
    .u16(Algorithm.null)
    .u16(Algorithm.sha256)
    .toBuffer(),
});

const startSession = async (tpm: TpmTransport): Promise<number> =>
  (await execute(tpm, startSessionCommand(1), 1)).handles[0] as number;

/** A connection that stays, as one to /dev/tpmrm0 does. */
class Connection {
  readonly #socket: Socket;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#socket = connect({ path });
  }

  readonly transport: TpmTransport = (command) => {
    const answer = this.#queue.then(async () => {
      this.#socket.write(command);
      const [response] = (await once(this.#socket, 'data')) as [Buffer];
      return response;
    });
    this.#queue = answer.catch(() => {});
    return answer;
  };

  end(): void {
    this.#socket.destroy();
  }
}

let cvm: SimulatedCvm;
let path: string;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  path = cvm.tpm.socketPath;
});
afterAll(() => cvm?.stop());

/** Whatever the TPM itself holds is still somebody's. */
async function nothingHeld(): Promise<void> {
  await expect.poll(() => cvm.loadedHandles(), { timeout: 10_000 }).toEqual({ transient: [], sessions: [] });
  const { transport } = cvm.softwareTpm;
  for (const range of [HandleRange.transient, HandleRange.loadedSession, HandleRange.savedSession]) {
    expect(await listHandles(transport, range)).toEqual([]);
  }
}

describe('a connection to the simulated TPM', () => {
  const open: Connection[] = [];
  const connection = (): Connection => {
    const made = new Connection(path);
    open.push(made);
    return made;
  };
  afterEach(async () => {
    for (const one of open.splice(0)) one.end();
    await nothingHeld();
  });

  it('has handles of its own and does not see those of another', async () => {
    const [a, b] = [connection().transport, connection().transport];
    const [first, second] = [await createKey(a), await createKey(b)];
    const other = await createKey(a, 1);
    expect(await listHandles(a, HandleRange.transient)).toEqual([first.handle, other.handle].sort());
    expect(await listHandles(b, HandleRange.transient)).toEqual([second.handle]);
    const readOther = execute(b, { code: CommandCode.ReadPublic, handles: [first.handle] });
    await expect(readOther).rejects.toMatchObject({ responseCode: 0x910 });
    await expect(flushContext(b, first.handle)).rejects.toMatchObject({ responseCode: 0x1cb });
  });

  it('cannot use a session of another', async () => {
    const [a, b] = [connection().transport, connection().transport];
    const session = await startSession(a);
    await listHandles(b, HandleRange.transient);
    const digest = (tpm: TpmTransport) => execute(tpm, { code: CommandCode.PolicyGetDigest, handles: [session] });
    await expect(digest(b)).rejects.toMatchObject({ responseCode: 0x910 });
    await expect(flushContext(b, session)).rejects.toMatchObject({ responseCode: 0x1cb });
    expect((await digest(a)).parameters.sized()).toEqual(Buffer.alloc(32));
    expect(await listHandles(a, HandleRange.loadedSession)).toEqual([session]);
  });

  it('holds at most three objects, as the kernel lets it', async () => {
    const { transport } = connection();
    for (let i = 0; i < 3; i++) await createKey(transport, i);
    await expect(createKey(transport, 3)).rejects.toMatchObject({ responseCode: 0x902 });
    await flushContext(transport, 0x80fffffe);
    expect((await createKey(transport, 3)).handle).toBe(0x80fffffe);
  });

  it('decrypts beside three others, each with a key in a TPM that has room for three', async () => {
    const clients = await Promise.all(
      [0, 1, 2, 3].map(async (unique) => {
        const { transport } = connection();
        const { handle, publicArea } = await createKey(transport, unique);
        const n = publicArea.subarray(-256).toString('base64url');
        const publicKey = createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
        return { transport, handle, publicKey, text: `for client ${unique}` };
      }),
    );
    const rounds = Array.from({ length: 5 }, () =>
      clients.map(async ({ transport, handle, publicKey, text }) => {
        const padding = constants.RSA_PKCS1_OAEP_PADDING;
        const ciphertext = publicEncrypt({ key: publicKey, padding, oaepHash: 'sha256' }, Buffer.from(text));
        const { parameters } = await execute(transport, {
          code: CommandCode.RSA_Decrypt,
          handles: [handle],
          authorized: 1,
          parameters: new TpmWriter().sized(ciphertext).u16(0x0017).u16(Algorithm.sha256).u16(0).toBuffer(),
        });
        expect(parameters.sized().toString()).toBe(text);
      }),
    );
    await Promise.all(rounds.flat());
  });

  it('keeps its policy session while others take its place in the TPM', async () => {
    const clients = Array.from({ length: 6 }, () => connection().transport);
    const policies = await Promise.all(
      clients.map(async (tpm, pcr) => {
        const session = await startSession(tpm);
        const selection = new TpmWriter()
          .u32(1)
          .bytes(marshalPcrSelection('sha256', [pcr]))
          .toBuffer();
        const parameters = new TpmWriter().u16(0).bytes(selection).toBuffer();
        await execute(tpm, { code: CommandCode.PolicyPCR, handles: [session], parameters });
        const digest = await execute(tpm, { code: CommandCode.PolicyGetDigest, handles: [session] });
        return digest.parameters.sized().toString('hex');
      }),
    );
    expect(new Set(policies).size).toBe(clients.length);
  });

  it('can save and load contexts itself', async () => {
    const { transport } = connection();
    const { handle } = await createKey(transport);
    const { parameters } = await execute(transport, { code: CommandCode.ContextSave, handles: [handle] });
    const context = Buffer.from(parameters.bytes(parameters.remaining));
    await flushContext(transport, handle);
    const loaded = await execute(transport, { code: CommandCode.ContextLoad, parameters: context }, 1);
    await execute(transport, { code: CommandCode.ReadPublic, handles: loaded.handles });
  });

  it('gets the answer of the TPM to malformed and unknown commands', async () => {
    const { transport } = connection();
    const code = async (hex: string) => (await transport(Buffer.from(hex, 'hex'))).readUInt32BE(6);
    expect(await code('80010000000a00000999')).toBe(0x143);
    expect(await code('80020000000c000001590000')).toBeGreaterThan(0);
    expect(await code('80010000000a00000165')).toBeGreaterThan(0);
  });
});

describe('a client that connects for every command', () => {
  const hogs: ChildProcess[] = [];
  async function startHog(target: string, count: number): Promise<number[]> {
    const program = fileURLToPath(new URL('programs/tpm-hog.mjs', import.meta.url));
    const parameters = new TpmWriter().sized(Buffer.alloc(4)).sized(decryptionKeyTemplate(9)).u16(0).u32(0).toBuffer();
    const create = { code: CommandCode.CreatePrimary, handles: [PermanentHandle.null], authorized: 1, parameters };
    const commands = [marshalCommand(create), marshalCommand(startSessionCommand(0))].map((c) => c.toString('hex'));
    const child = spawn(process.execPath, [program, target, ...commands, String(count)]);
    hogs.push(child);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return JSON.parse(line.toString()) as number[];
  }
  afterEach(() => {
    for (const hog of hogs.splice(0)) hog.kill('SIGKILL');
  });

  it('costs nobody anything when it is killed with the TPM full of its keys', async () => {
    expect(await startHog(path, 4)).toEqual(Array(8).fill(0));
    expect(await startHog(path, 4)).toEqual(Array(8).fill(0));
    const { transient, sessions } = await cvm.loadedHandles();
    expect([transient.length, sessions.length]).toEqual([8, 8]);
    for (const hog of hogs) hog.kill('SIGKILL');
    const client = cvm.client();
    await client.attest({ attestationUrl: cvm.attestationUrl });
    await client.close();
    await nothingHeld();
  });

  it('is told from another by its process', async () => {
    await startHog(path, 2);
    const own = socketTransport(path);
    expect(await listHandles(own, HandleRange.transient)).toEqual([]);
    const { handle } = await createKey(own);
    expect(handle).toBe(0x80ffffff);
    await flushContext(own, handle);
    hogs[0]?.kill('SIGKILL');
    await nothingHeld();
  });
});

describe('a simulated TPM without a resource manager', () => {
  it('has three slots for all clients together, and their handles', async () => {
    await using raw = await SimulatedCvm.start({ tpm: { resourceManager: false } });
    const clients = Array.from({ length: 4 }, () => socketTransport(raw.tpm.socketPath));
    for (const tpm of clients.slice(0, 3)) await createKey(tpm);
    await expect(createKey(clients[3] as TpmTransport)).rejects.toMatchObject({ responseCode: 0x902 });
    const handles = await listHandles(clients[3] as TpmTransport, HandleRange.transient);
    expect(handles).toEqual([0x80000000, 0x80000001, 0x80000002]);
  });
});
