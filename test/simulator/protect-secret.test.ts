import {
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  verify,
  X509Certificate,
} from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { execute } from '../../lib/simulator/tpm/command.js';
import { Algorithm, AzureHandle, CommandCode } from '../../lib/simulator/tpm/constants.js';
import { TpmWriter } from '../../lib/simulator/tpm/encoding.js';
import { socketTransport } from '../../lib/simulator/tpm/socket-transport.js';
import { fixture, withFixtures } from '../fixtures.js';

const part = (token: string, index: number): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[index] as string, 'base64url').toString());

async function decryptWithGuestKey(cvm: SimulatedCvm, block: Buffer, scheme: Buffer): Promise<Buffer> {
  const { parameters } = await execute(socketTransport(cvm.tpm.socketPath), {
    code: CommandCode.RSA_Decrypt,
    handles: [AzureHandle.guestKey],
    authorized: 1,
    parameters: new TpmWriter().sized(block).bytes(scheme).u16(0).toBuffer(),
  });
  return Buffer.from(parameters.sized());
}

const schemes = {
  rsaes: new TpmWriter().u16(0x0015).toBuffer(),
  'rsaes-oaep': new TpmWriter().u16(0x0017).u16(Algorithm.sha256).toBuffer(),
};

function open(key: Buffer, iv: Buffer, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, iv).setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

describe('cvm.protectSecret', () => {
  it.each(['rsaes', 'rsaes-oaep'] as const)('makes a token that the guest key opens with %s', async (padding) => {
    await using cvm = await SimulatedCvm.start();
    const token = cvm.protectSecret(Buffer.from('a password\0'), { padding });
    const [header, claims] = [part(token, 0), part(token, 1)];
    const bytes = (name: string): Buffer => Buffer.from(claims[name] as string, 'base64');
    const transportKey = await decryptWithGuestKey(cvm, bytes('wrappedAesTransportKey'), schemes[padding]);
    const privateKey = createPrivateKey({
      key: open(transportKey, bytes('keyNonce'), bytes('encryptedGuestEcdhPrivateKey')),
      format: 'der',
      type: 'pkcs8',
    });
    const publicKey = createPublicKey({ key: bytes('ephemeralEcdhPublicKey'), format: 'der', type: 'spki' });
    const input = createHash('sha256').update(diffieHellman({ privateKey, publicKey })).digest();
    const uuid = (await readFile(cvm.productUuidPath, 'utf8')).trim();
    const key = Buffer.from(hkdfSync('sha256', input, bytes('salt'), uuid, 32));
    expect(open(key, bytes('dataNonce'), bytes('encryptedSecret')).toString()).toBe('a password\0');
    expect(header).toMatchObject({ 'x-az-cvm-purpose': 'secrets-provisioning', 'x-az-rsa-padding': padding });
  });

  it('signs with a chain that ends in cvm.secretRoots', async () => {
    await using cvm = await SimulatedCvm.start();
    const token = cvm.protectSecret(Buffer.from('x'));
    const [leaf, intermediate] = (part(token, 0).x5c as string[]).map(
      (der) => new X509Certificate(Buffer.from(der, 'base64')),
    ) as [X509Certificate, X509Certificate];
    const root = new X509Certificate(cvm.secretRoots[0] as string);
    expect(leaf.verify(intermediate.publicKey) && intermediate.verify(root.publicKey)).toBe(true);
    expect(leaf.subject).toMatch(/\.SecureCPSProvisioning\.cloudapp\.net$/);
    const [signed, signature] = [token.slice(0, token.lastIndexOf('.')), token.split('.')[2] as string];
    expect(verify('sha256', Buffer.from(signed), leaf.publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
  });

  it('makes unsigned and unencrypted tokens where a test asks for them', async () => {
    await using cvm = await SimulatedCvm.start();
    const unsigned = cvm.protectSecret(Buffer.from('x'), { signed: false });
    expect(part(unsigned, 0)).toMatchObject({ alg: 'none' });
    expect(unsigned.endsWith('.')).toBe(true);
    const plain = cvm.protectSecret(Buffer.from('for all to read'), { encrypted: false });
    expect(part(plain, 1)).toMatchObject({ signedData: 'for all to read' });
    expect(part(plain, 0)).toMatchObject({ protectionSettings: { mode: 'SigningOnly' } });
  });

  it('says so on a machine without the key', async () => {
    await using cvm = await SimulatedCvm.start({ faults: ['guest-key-missing'] });
    expect(() => cvm.protectSecret(Buffer.from('x'))).toThrow(/no key that secrets are provisioned to/);
    const read = execute(cvm.tpm.transport, { code: CommandCode.ReadPublic, handles: [AzureHandle.guestKey] });
    await expect(read).rejects.toThrow(/0x18b/);
  });

  it.skipIf(!withFixtures)("imports the blob of OpenVMM's own test", async () => {
    const text = fixture('key-release/genuine/guest-secret-key-import.json').toString();
    const { blobHex } = JSON.parse(text) as { blobHex: string };
    await using cvm = await SimulatedCvm.start({ tpm: { guestKey: Buffer.from(blobHex, 'hex') } });
    const { parameters } = await execute(cvm.tpm.transport, {
      code: CommandCode.ReadPublic,
      handles: [AzureHandle.guestKey],
    });
    expect(parameters.sized().toString('hex')).toBe(blobHex.slice(4, 4 + 2 * 0x116));
  });
});
