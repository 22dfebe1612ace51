import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Consumer, nodeBinary, pack, root } from './consumer.js';

const workspace = mkdtempSync(join(tmpdir(), 'cvm-package-'));
const tarball = pack(workspace);
afterAll(() => rmSync(workspace, { recursive: true, force: true }));

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  peerDependencies: { '@opentelemetry/api': string };
};
const builtWith = JSON.parse(readFileSync(join(root, `prebuilds/linux-${process.arch}/built-with.json`), 'utf8')) as {
  file: string;
  openssl: { version: string };
};

/** Uses the addon: a session's key is wrapped, and a message sealed, in there. */
const usesAddon = `
  const encryptor = cvm.createEncryptor({ kty: 'RSA', e: 'AQAB', n: Buffer.alloc(256, 0xff).toString('base64url') });
  console.log('sealed', encryptor.encrypt(Buffer.from('x')).length);
  encryptor.close();`;

for (const major of ['20', '22', '24', '26']) {
  const node = nodeBinary(major);
  describe.skipIf(node === undefined)(`installed from the tarball under Node ${major}`, () => {
    let consumer: Consumer;
    beforeAll(() => {
      consumer = new Consumer(node as string);
      const start = performance.now();
      const { status, stderr } = consumer.run('npm', ['install', '--no-audit', '--no-fund', tarball]);
      expect(status, stderr).toBe(0);
      console.log(`Node ${major}: installed in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    });
    afterAll(() => consumer.remove());

    it('has no compiler in reach', () => {
      for (const tool of ['cc', 'g++', 'cmake', 'make', 'python3', 'apt-get']) {
        expect(consumer.run(tool, ['--version']).error).toMatchObject({ code: 'ENOENT' });
      }
    });

    it('is imported by an ES module', () => {
      const printed = consumer
        .output(
          'import.mjs',
          `const start = performance.now();
         const cvm = await import('cvm-guest-attestation');
         console.log((performance.now() - start).toFixed(0));${usesAddon}`,
        )
        .split('\n');
      expect(printed.slice(1)).toEqual(['sealed 25']);
      console.log(`Node ${major}: first import in ${printed[0]} ms`);
    });

    it('is required by a CommonJS module, which gets the same instance', () => {
      const printed = consumer.output(
        'require.cjs',
        `const cvm = require('cvm-guest-attestation');${usesAddon}
         import('cvm-guest-attestation').then((m) => console.log(m.AttestationError === cvm.AttestationError));`,
      );
      expect(printed.split('\n')).toEqual(['sealed 25', 'true']);
    });

    it('exports the simulator apart', () => {
      expect(
        consumer.output(
          'simulator.mjs',
          `import { SimulatedCvm } from 'cvm-guest-attestation/simulator'; console.log(typeof SimulatedCvm.start);`,
        ),
      ).toBe('function');
    });

    it('works in four worker threads at once, and only there', () => {
      const printed = consumer.output(
        'workers.mjs',
        `import { once } from 'node:events';
         import { isMainThread, parentPort, Worker } from 'node:worker_threads';
         if (isMainThread) {
           const workers = Array.from({ length: 4 }, () => new Worker(new URL(import.meta.url)));
           const answers = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
           await Promise.all(workers.map((worker) => worker.terminate()));
           console.log(answers.join(' '));
         } else {
           const cvm = await import('cvm-guest-attestation');
           const encryptor = cvm.createEncryptor({ kty: 'RSA', e: 'AQAB', n: Buffer.alloc(256, 0xff).toString('base64url') });
           parentPort.postMessage(encryptor.encrypt(Buffer.from('x')).length);
           encryptor.close();
         }`,
      );
      expect(printed).toBe('25 25 25 25');
    });

    it('runs npx cvm-attest --version', () => {
      const { status, stdout } = consumer.run('npx', ['--no-install', 'cvm-attest', '--version']);
      expect(status).toBe(0);
      expect(stdout.trim()).toBe(manifest.version);
    });

    it('carries its own OpenSSL: no symbol of it is bound to Node, and none of Node to it', () => {
      const log = join(consumer.folder, 'bindings');
      consumer.output('bindings.cjs', `const cvm = require('cvm-guest-attestation');${usesAddon}`, {
        LD_DEBUG: 'bindings',
        LD_DEBUG_OUTPUT: log,
        LD_BIND_NOW: '1',
      });
      const lines = readdirSync(consumer.folder)
        .filter((name) => name.startsWith('bindings.') && !name.endsWith('.cjs'))
        .flatMap((name) => readFileSync(join(consumer.folder, name), 'utf8').split('\n'));
      const ours = lines.filter((line) => line.includes(builtWith.file));
      expect(ours.length).toBeGreaterThan(50); // the log is there: libc's and Node-API's symbols
      const crypto = /symbol `(EVP|RSA|EC|ECDSA|BN|OPENSSL|OpenSSL|CRYPTO|OSSL|X509|ASN1|BIO|PEM|d2i|i2d|RAND|ERR)_/;
      expect(ours.filter((line) => crypto.test(line))).toEqual([]);
      expect(lines.some((line) => line.includes('libcrypto.so'))).toBe(false);
    });

    it('names the missing package when the TPM libraries are not there', () => {
      const empty = join(consumer.folder, 'no-tss');
      spawnSync('mkdir', ['-p', empty]);
      for (const name of ['tctildr.so.0', 'esys.so.0', 'sys.so.1', 'mu.so.0', 'rc.so.0']) {
        writeFileSync(join(empty, `libtss2-${name}`), '');
      }
      const printed = consumer.output(
        'no-tss.mjs',
        `import { AttestationClient } from 'cvm-guest-attestation';
         const client = new AttestationClient({ tcti: 'swtpm:path=/nowhere' });
         try { await client.getEvidence(); } catch (error) { console.log(error.name, error.code, error.message, error.cause?.message); }
         await client.close();`,
        { LD_LIBRARY_PATH: empty },
      );
      expect(printed).toMatch(/^AttestationError 13 .*install the package tpm2-tools/);
    });
  });
}

describe('a program of a user', () => {
  let consumer: Consumer;
  beforeAll(() => {
    consumer = new Consumer(process.execPath);
    expect(consumer.run('npm', ['install', '--no-audit', '--no-fund', tarball, '@types/node@20']).status).toBe(0);
  });
  afterAll(() => consumer.remove());

  it.each([
    { module: 'nodenext', moduleResolution: 'nodenext', type: 'module' },
    { module: 'nodenext', moduleResolution: 'nodenext', type: 'commonjs' },
    { module: 'esnext', moduleResolution: 'bundler', type: 'module' },
  ])('compiles against its types: $moduleResolution, $type', ({ module, moduleResolution, type }) => {
    consumer.write('package.json', JSON.stringify({ name: 'consumer', private: true, type }));
    consumer.write(
      'program.ts',
      `import { AttestationClient, type AttestationError, encrypt, ErrorCode, verifyToken } from 'cvm-guest-attestation';
       import { SimulatedCvm } from 'cvm-guest-attestation/simulator';
       export async function program(): Promise<string> {
         const cvm: SimulatedCvm = await SimulatedCvm.start();
         await using client: AttestationClient = cvm.client();
         const token: string = await client.attest({ attestationUrl: cvm.attestationUrl });
         const { encryptedData } = await encrypt(token, new Uint8Array(3));
         const claims = await verifyToken(token, { issuer: cvm.attestationUrl });
         // @ts-expect-error a number is not a token
         await encrypt(1, encryptedData).catch((error: AttestationError) => error.code === ErrorCode.INVALID_INPUT_PARAMETER);
         return JSON.stringify(claims);
       }`,
    );
    // Declarations are checked too: nothing in them may come from a package that a user does not have.
    const options = [
      '--noEmit',
      '--strict',
      '--target',
      'es2022',
      '--lib',
      'es2023,esnext.disposable',
      '--types',
      'node',
    ];
    const { status, stdout } = spawnSync(
      join(root, 'node_modules/.bin/tsc'),
      [...options, '--module', module, '--moduleResolution', moduleResolution, 'program.ts'],
      { cwd: consumer.folder, encoding: 'utf8' },
    );
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  it('gets spans from the oldest OpenTelemetry API that is promised, and compiles against its types', () => {
    consumer.write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
    const oldest = `@opentelemetry/api@${manifest.peerDependencies['@opentelemetry/api'].replace('^', '')}`;
    const install = consumer.run('npm', ['install', '--no-audit', '--no-fund', tarball, oldest, '@types/node@20']);
    expect(install.status, install.stderr).toBe(0);
    consumer.write(
      'spans.ts',
      `import { trace, type TracerProvider } from '@opentelemetry/api';
       import { verifyToken } from 'cvm-guest-attestation';
       import { traceOperations } from 'cvm-guest-attestation/opentelemetry';
       const provider: TracerProvider = trace.getTracerProvider();
       const stop: () => void = traceOperations({ tracerProvider: provider });
       await verifyToken('x', { issuer: 'https://issuer.example' }).catch(({ code }) => console.log(code));
       stop();`,
    );
    const compiler = spawnSync(
      join(root, 'node_modules/.bin/tsc'),
      ['--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node', 'spans.ts'],
      {
        cwd: consumer.folder,
        encoding: 'utf8',
      },
    );
    expect(compiler.stdout).toBe('');
    expect(consumer.run('node', ['spans.js']).stdout.trim()).toBe('ERR_TOKEN_FORMAT');
  });

  it('is bundled by esbuild with the package left external', () => {
    consumer.write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
    const install = consumer.run('npm', ['install', '--no-audit', '--no-fund', tarball, 'esbuild']);
    expect(install.status, install.stderr).toBe(0);
    consumer.write('bundled.ts', `import * as cvm from 'cvm-guest-attestation';${usesAddon}`);
    const options = ['--bundle', '--platform=node', '--format=esm', '--external:cvm-guest-attestation'];
    const { status, stderr } = consumer.run('node_modules/.bin/esbuild', [
      'bundled.ts',
      ...options,
      '--outfile=out.js',
    ]);
    expect(status, stderr).toBe(0);
    expect(consumer.run('node', ['out.js']).stdout.trim()).toBe('sealed 25');
  });
});
