import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { native } from '../../lib/native.js';

const declarations = readFileSync(new URL('../../binding.d.ts', import.meta.url), 'utf8')
  .replace(/\/\*\*.*?\*\//gs, '')
  .replace(/\/\/.*$/gm, '');

/** Members of an interface of binding.d.ts: name and the types of its parameters, undefined for a property. */
function membersOf(name: string): Map<string, string[] | undefined> {
  const body = new RegExp(`export interface ${name}(?: extends [^{]*)? \\{(.*?)\\n\\}`, 's').exec(declarations)?.[1];
  if (body === undefined) throw new Error(`binding.d.ts has no interface ${name}`);
  const members = new Map<string, string[] | undefined>();
  for (const [, , member, parameters] of body.matchAll(/^ {2}(readonly )?(\w+)\??(?:\(([^)]*)\))?(?=:)/gm)) {
    const types = parameters
      ?.split(',')
      .map((parameter) => parameter.split(':')[1]?.trim())
      .filter((type) => type !== undefined);
    members.set(member as string, types);
  }
  return members;
}

/** The classes of the addon and the interfaces that describe their objects. */
const CLASSES = {
  TpmClient: 'NativeTpmClient',
  RsaPublicKey: 'NativeRsaPublicKey',
  ContentKey: 'NativeContentKey',
  SecretBuffer: 'NativeSecretBuffer',
  SessionSealer: 'NativeSessionSealer',
  SessionOpener: 'NativeSessionOpener',
  ChunkSealer: 'NativeChunkSealer',
  ChunkOpener: 'NativeChunkOpener',
  PublicKey: 'NativePublicKey',
} as const;

describe('binding.d.ts', () => {
  it('names what the addon exports, and nothing else', () => {
    const parts = /export interface Binding extends ([^{]+)\{/.exec(declarations)?.[1]?.split(',') ?? [];
    const declared = ['Binding', ...parts.map((part) => part.trim())].flatMap((name) => [...membersOf(name).keys()]);
    expect(Object.keys(native()).sort()).toEqual(declared.sort());
  });

  it.each(Object.entries(CLASSES))('names what an object of %s has, and nothing else', (name, description) => {
    const { prototype } = native()[name as keyof typeof CLASSES] as unknown as { prototype: object };
    const had = Object.getOwnPropertyNames(prototype).filter((member) => member !== 'constructor');
    expect(had.sort()).toEqual([...membersOf(description).keys()].sort());
  });

  const commands = [...membersOf('NativeTpmClient')].filter(([name]) => !['cancel', 'close'].includes(name));
  const dummy = (type: string) => (type === 'number' ? 1 : new Uint8Array(1));

  it.each(commands)('gives the command %s the arguments that the addon reads', async (name, types) => {
    const client = new (native().TpmClient)('no-such-tcti', 1000);
    const call = (values: unknown[]) =>
      (client as unknown as Record<string, (...values: unknown[]) => Promise<unknown>>)[name]?.(...values);
    const values: unknown[] = (types ?? []).map(dummy);
    for (let i = 0; i < values.length; i++) {
      // Everything that is declared is read,
      expect(() => call(values.toSpliced(i, 1, Symbol('wrong'))), `argument ${i}`).toThrow(
        expect.objectContaining({ kind: 'invalid-argument' }),
      );
      expect(() => call(values.slice(0, i))).toThrow(expect.objectContaining({ kind: 'invalid-argument' }));
    }
    // and nothing more.
    await expect(call(values)).rejects.toMatchObject({ kind: 'tpm-unavailable' });
    await client.close();
  });

  it('takes no bytes from shared memory, which another thread could change between check and use', async () => {
    const client = new (native().TpmClient)('no-such-tcti', 1000);
    const shared = new Uint8Array(new SharedArrayBuffer(32));
    const refused = expect.objectContaining({ kind: 'invalid-argument' });
    expect(() => client.nvWrite(1, 0x1400001, shared)).toThrow(refused);
    expect(() => client.quote(1, 0x81000003, shared, 0x000b, 0xff)).toThrow(refused);
    expect(() => new (native().SecretBuffer)(shared)).toThrow(refused);
    expect(() => new (native().ContentKey)(shared)).toThrow(refused);
    await client.close();
  });
});
