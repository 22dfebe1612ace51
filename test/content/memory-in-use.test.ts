import { describe, expect, it } from 'vitest';
import { createDecryptor } from '../../lib/content/decryptor.js';
import { createEncryptor } from '../../lib/content/encryptor.js';
import { decryptEnvelope, encryptEnvelope } from '../../lib/content/envelope.js';
import { encryptJwe } from '../../lib/content/jwe.js';
import type { UnwrapKey } from '../../lib/content/unwrap.js';
import { softwareKey } from './software-key.js';

// Other threads work on the caller's memory where it lies. Memory that is shared or can shrink is refused; memory that is
// transferred meanwhile is noticed at the end, as long as who got it keeps it.

const SIZE = 16 << 20;
const key = softwareKey();
const token = key.token;

/** ArrayBuffers of Node 20 know more than the type library says. */
const NewArrayBuffer = ArrayBuffer as new (size: number, options?: { maxByteLength: number }) => ArrayBuffer;
type Memory = (size: number) => Uint8Array;
const ordinary: Memory = (size) => new Uint8Array(new ArrayBuffer(size));
const shared: Memory = (size) => new Uint8Array(new SharedArrayBuffer(size));
const resizable: Memory = (size) => new Uint8Array(new NewArrayBuffer(size, { maxByteLength: size }));
const detached: Memory = (size) => {
  const bytes = ordinary(size);
  transfer(bytes);
  return bytes;
};

/** Gives the memory of a view to somebody else, who keeps it. */
const kept: ArrayBufferLike[] = [];
function transfer(view: Uint8Array): void {
  kept.push(structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] }));
}

interface Call {
  /** Bytes that the input and the output need; the input is of that many bytes, whatever is in them. */
  input: number;
  output: number;
  run(input: Uint8Array, output: Uint8Array | undefined, beforeWork?: () => void): Promise<unknown>;
}

const sealed = await encryptEnvelope(token, ordinary(SIZE));
const encryptor = createEncryptor(token);
const messages = [encryptor.encrypt(ordinary(SIZE)), encryptor.encrypt(ordinary(SIZE))] as const;

/** With genuine ciphertext where the memory can hold any. */
const filled = (memory: Uint8Array, content: Uint8Array): Uint8Array => {
  if (memory.length === content.length) memory.set(content);
  return memory;
};

/**
 * Calls back when the key is unwrapped and the work that comes next has begun. That is a few promises later, so at the next
 * tick; the end of the work comes through the event loop, which on a busy machine may be ahead of an immediate.
 */
const unwrapping =
  (then: () => void = () => {}): UnwrapKey =>
  async (block) => {
    const result = await key.unwrap(block);
    process.nextTick(then);
    return result;
  };

const calls: Record<string, Call> = {
  encrypt: {
    input: SIZE,
    output: SIZE,
    run: (input, output, then) => started(encryptEnvelope(token, input, output && { output }), then),
  },
  encryptJwe: { input: SIZE, output: 0, run: (input, _, then) => started(encryptJwe(token, input), then) },
  decrypt: {
    input: SIZE,
    output: SIZE,
    run: (input, output, then) =>
      decryptEnvelope(
        filled(input, sealed.encryptedData),
        sealed.encryptionMetadata,
        unwrapping(then),
        output && { output },
      ),
  },
  'Encryptor.encryptAsync': {
    input: SIZE,
    output: SIZE + 24,
    run: (input, output, then) => started(createEncryptor(token).encryptAsync(input, output && { output }), then),
  },
  'Encryptor.encryptPacked': {
    input: SIZE,
    output: SIZE + 48,
    run: (input, output, then) =>
      started(createEncryptor(token).encryptPacked(input, [SIZE / 2, SIZE / 2], output && { output }), then),
  },
  'Decryptor.decryptAsync': {
    input: SIZE + 24,
    output: SIZE,
    run: async (input, output, then) => {
      using decryptor = await createDecryptor(encryptor.metadata, key.unwrap);
      return await started(decryptor.decryptAsync(filled(input, messages[0]), output && { output }), then);
    },
  },
  'Decryptor.decryptPacked': {
    input: 2 * (SIZE + 24),
    output: 2 * SIZE,
    run: async (input, output, then) => {
      using decryptor = await createDecryptor(encryptor.metadata, key.unwrap);
      const packed = filled(input, Buffer.concat(messages));
      const lengths = messages.map(({ length }) => length);
      return await started(decryptor.decryptPacked(packed, lengths, output && { output }), then);
    },
  },
};

function started<T>(call: Promise<T>, then: () => void = () => {}): Promise<T> {
  then();
  return call;
}

const refused = (message: RegExp) => ({ name: 'AttestationError', code: 8, message: expect.stringMatching(message) });

describe.each(Object.entries(calls))('%s', (_, { input, output, run: call }) => {
  // Without its result: from one of 16 MiB in a failed assertion vitest makes gigabytes of text, and dies of them.
  const run: Call['run'] = (...args) => call(...args).then(() => 'done');

  it('does its work in ordinary memory', async () => {
    await run(ordinary(input), output > 0 ? ordinary(output) : undefined);
  });

  it.each([
    ['shared', shared, /SharedArrayBuffer/],
    ['resizable', resizable, /resizable/],
    ['detached', detached, /detached/],
  ])('refuses %s memory', async (_name, memory, message) => {
    await expect(run(memory(input), undefined)).rejects.toMatchObject(refused(message));
    if (output === 0) return;
    await expect(run(ordinary(input), memory(output))).rejects.toMatchObject(refused(message));
  });

  it('says so when its input or its output was transferred meanwhile', async () => {
    const data = ordinary(input);
    await expect(run(data, undefined, () => transfer(data))).rejects.toMatchObject(refused(/transferred before/));
    if (output === 0) return;
    const result = ordinary(output);
    await expect(run(ordinary(input), result, () => transfer(result))).rejects.toMatchObject(
      refused(/transferred before/),
    );
  });
});

it('small messages may lie in resizable memory where they are used at once', async () => {
  const decryptor = await createDecryptor(encryptor.metadata, key.unwrap);
  const message = filled(resizable(5), Buffer.from('hello'));
  const sealedMessage = encryptor.encrypt(message);
  expect(decryptor.decrypt(filled(resizable(sealedMessage.length), sealedMessage)).toString()).toBe('hello');
  expect(() => encryptor.encrypt(shared(5))).toThrow(/SharedArrayBuffer/);
  for (const use of [() => encryptor.encrypt(detached(5)), () => decryptor.decrypt(detached(50))]) {
    expect(use).toThrow(expect.objectContaining(refused(/detached/)));
  }
  expect(() => decryptor.decryptMany([detached(50)])).toThrow(expect.objectContaining(refused(/detached/)));
});

it('additional data that was transferred is not taken for none', async () => {
  await expect(encryptEnvelope(token, ordinary(5), { additionalData: detached(5) })).rejects.toMatchObject(
    refused(/detached/),
  );
  expect(() => createEncryptor(token, { additionalData: detached(5) })).toThrow(/detached/);
});

it('a list of messages is read once', () => {
  const list = [Buffer.from('first'), Buffer.from('second')];
  let reads = 0;
  const one = list[1] as Buffer;
  Object.defineProperty(list, 1, { get: () => (++reads === 1 ? one : Buffer.alloc(1 << 20)) });
  const [, second] = createEncryptor(token).encryptMany(list);
  expect(reads).toBe(1);
  expect(second).toHaveLength(one.length + 24);
});
