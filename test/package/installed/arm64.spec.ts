import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SimulatedCvm } from '../../../lib/simulator/index.js';
import { Consumer, nodeBinary, pack, root } from './consumer.js';

/**
 * The other architecture, under qemu: the whole way of a guest and of a relying party, against a simulated machine of this
 * one. Inlining differs there, and with it what an undefined behaviour does.
 */
const arm64 = { node: nodeBinary('22-arm64'), libraries: join(root, 'build/debian12-arm64') };
describe.skipIf(arm64.node === undefined || !existsSync(join(root, 'prebuilds/linux-arm64')))(
  'on arm64, emulated',
  () => {
    let consumer: Consumer;
    let cvm: SimulatedCvm;
    beforeAll(async () => {
      consumer = new Consumer(process.execPath);
      const tarball = pack(consumer.folder);
      expect(consumer.run('npm', ['install', '--no-audit', '--no-fund', tarball]).status).toBe(0);
      cvm = await SimulatedCvm.start();
    });
    afterAll(async () => {
      await cvm?.stop();
      consumer.remove();
    });

    /** Runs a module of the consumer's; what stands in GUEST is the simulated machine. */
    async function emulated(source: string): Promise<string[]> {
      const { tcti, imdsUrl, eventLogPath, osReleasePath, attestationUrl, verification } = cvm;
      const guest = { client: { tcti, imdsUrl, eventLogPath, osReleasePath }, attestationUrl, verification };
      consumer.write('arm64.mjs', `import * as cvm from 'cvm-guest-attestation';\n${source}`);
      const { stdout, stderr } = await promisify(execFile)(
        'qemu-aarch64-static',
        ['-L', arm64.libraries, arm64.node as string, 'arm64.mjs'],
        { cwd: consumer.folder, env: { ...process.env, GUEST: JSON.stringify(guest) } },
      );
      expect(stderr).toBe('');
      return stdout.trim().split('\n');
    }

    it('refuses what is not a report', async () => {
      const printed = await emulated(`
      console.log(process.arch);
      try { cvm.parseHclReport(Buffer.alloc(2600, 0xff)); } catch ({ code }) { console.log(code); }`);
      expect(printed).toEqual(['arm64', '20']);
    });

    it('attests, verifies, and decrypts what was encrypted in each format', async () => {
      const printed = await emulated(`
      const guest = JSON.parse(process.env.GUEST);
      const client = new cvm.AttestationClient(guest.client);
      const nonce = Buffer.alloc(32, 7);
      const evidence = await client.getEvidence({ nonce });
      const result = await cvm.explainEvidence(evidence, { nonce, ...guest.verification });
      console.log(result.ok, result.checks.filter(({ ok }) => !ok).length);
      evidence.hclReport[40] ^= 1;
      console.log((await cvm.explainEvidence(evidence, { nonce, ...guest.verification })).ok);

      const token = await client.attest({ attestationUrl: guest.attestationUrl, clientPayload: { nonce: 'n' } });
      console.log((await cvm.verifyToken(token, { issuer: guest.attestationUrl, nonce: 'n' }))['x-ms-attestation-type']);

      const plain = Buffer.alloc(1_000_003, 'plain');
      const opened = [await client.decryptJwe(await cvm.encryptJwe(token, plain))];
      const { encryptedData, encryptionMetadata } = await cvm.encrypt(token, plain);
      opened.push(await client.decrypt(encryptedData, { encryptionMetadata }));
      const sealed = [];
      for await (const piece of cvm.encryptChunks(token, [plain])) sealed.push(piece);
      const pieces = [];
      for await (const piece of client.decryptChunks(sealed)) pieces.push(piece);
      opened.push(Buffer.concat(pieces));
      const sender = await cvm.createEncryptor(token);
      const receiver = await client.createDecryptor(sender.metadata);
      opened.push(await receiver.decrypt(await sender.encrypt(plain)));
      console.log(opened.map((bytes) => bytes.equals(plain)).join());
      const block = await cvm.encrypt(token, plain.subarray(0, 190), { type: 'None' });
      console.log((await client.decrypt(block.encryptedData, { type: 'None' })).length);
      await client.decrypt(encryptedData.subarray(1), { encryptionMetadata }).catch(({ code }) => console.log(code));
      await client.close();`);
      expect(printed).toEqual(['true 0', 'false', 'azurevm', 'true,true,true,true', '190', '26']);
    });
  },
);
