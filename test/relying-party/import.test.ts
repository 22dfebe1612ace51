import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withFixtures } from '../fixtures.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
let folder: string;
/** The compiled package, moved to where there is no addon beside it. */
let entry: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'relying-party-'));
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  if (existsSync(join(root, 'schema'))) cpSync(join(root, 'schema'), join(folder, 'schema'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  entry = pathToFileURL(join(folder, 'dist/index.js')).href;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a module in a process of its own and returns what it reports. */
function run<Report>(source: string, env: Record<string, string> = {}): Report {
  const code = `import { readFileSync } from 'node:fs';\n${source}`.replaceAll('PACKAGE', entry);
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', code], {
      encoding: 'utf8',
      // Nor elsewhere: under a sanitizer this names the folder of an addon.
      env: { ...process.env, CVM_GUEST_ATTESTATION_PREBUILD: undefined, ...env },
    }),
  );
}

describe('the entry point', () => {
  it('is imported without any native code, and without what only some callers need', () => {
    // How long it takes is measured by bench/import.mjs.
    const { native, builtins } = run<{ native: string[]; builtins: string[] }>(`
      const before = new Set(process.moduleLoadList);
      await import('PACKAGE');
      const mapped = readFileSync('/proc/self/maps', 'utf8').split('\\n').map((line) => line.split(/\\s+/)[5] ?? '');
      const native = mapped.filter((path) => /\\.node$|libtss2|cvm_guest/.test(path));
      const loaded = process.moduleLoadList.filter((name) => !before.has(name));
      const builtins = loaded.filter((name) => name.startsWith('NativeModule ')).map((name) => name.slice(13));
      console.log(JSON.stringify({ native, builtins }));`);
    expect(native).toEqual([]);
    expect(
      builtins.filter((name) => /^(zlib|child_process|readline|worker_threads|dgram|inspector)$/.test(name)),
    ).toEqual([]);
  });

  it('can be required as well', () => {
    const names = run<string[]>(`
      import { createRequire } from 'node:module';
      const required = createRequire(import.meta.url)(new URL('PACKAGE').pathname);
      console.log(JSON.stringify(Object.keys(required)));`);
    expect(names).toContain('verifyToken');
  });
});

describe('without the native addon', () => {
  it('tokens, their keys, the service’s client and the guard work', () => {
    const report = run<Record<string, unknown>>(`
      import { generateKeyPairSync, sign } from 'node:crypto';
      import { createServer } from 'node:http';
      import { decodeUnverifiedToken, encrypt, MaaClient, requireAttestation, tokenEncryptionKey, verifyToken } from 'PACKAGE';

      const issuerKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const tpmKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const keys = { keys: [{ ...issuerKeys.publicKey.export({ format: 'jwk' }), kid: 'k' }] };
      const server = createServer((request, response) =>
        response.end(JSON.stringify(request.url === '/certs' ? keys : { token: 'a.b.c' })));
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
      const issuer = 'http://127.0.0.1:' + server.address().port;
      const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const claims = {
        iss: issuer, exp: Date.now() / 1000 + 600, 'x-ms-attestation-type': 'azurevm',
        'x-ms-isolation-tee': {
          'x-ms-attestation-type': 'sevsnpvm', 'x-ms-compliance-status': 'azure-compliant-cvm',
          'x-ms-sevsnpvm-is-debuggable': false, 'x-ms-sevsnpvm-migration-allowed': false, 'x-ms-sevsnpvm-vmpl': 0,
        },
        'x-ms-runtime': {
          keys: [{ ...tpmKeys.publicKey.export({ format: 'jwk' }), kid: 'TpmEphemeralEncryptionKey' }],
        },
      };
      const input = part({ alg: 'RS256', kid: 'k' }) + '.' + part(claims);
      const token = input + '.' + sign('sha256', Buffer.from(input), issuerKeys.privateKey).toString('base64url');
      const verified = await verifyToken(token, { issuer });
      const key = await tokenEncryptionKey(token, { issuer, keys });
      const block = await encrypt(token, Buffer.from('secret'), { type: 'None' });
      const client = new MaaClient(issuer);
      const report = {
        type: verified['x-ms-attestation-type'],
        kid: key.jwk.kid,
        block: block.encryptedData.length,
        decoded: decodeUnverifiedToken(token).claims.iss === issuer,
        token: (await client.attestSevSnpVm({ report: '' })).token,
        keys: (await client.signingKeys()).keys.length,
        guard: typeof requireAttestation({ issuer, keys }),
      };
      server.closeAllConnections();
      server.close();
      console.log(JSON.stringify(report));`);
    expect(report).toEqual({
      type: 'azurevm',
      kid: 'TpmEphemeralEncryptionKey',
      block: 256,
      decoded: true,
      token: 'a.b.c',
      keys: 1,
      guard: 'function',
    });
  });

  it('evidence is verified, and data encrypted in one message', () => {
    const report = run<Record<string, string>>(`
      import { generateKeyPairSync } from 'node:crypto';
      import * as attestation from 'PACKAGE';
      const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
      const evidence = { version: 1, hclReport: new Uint8Array(2048) };
      const explained = await attestation.explainEvidence(evidence);
      const { encryptedData, encryptionMetadata } = await attestation.encrypt(key, new Uint8Array(5));
      console.log(JSON.stringify({
        engine: explained.engine,
        refused: await attestation.verifyEvidence(evidence).then(() => 'accepted', ({ name }) => name),
        parts: (await attestation.encryptJwe(key, new Uint8Array(1))).split('.').length,
        sizes: [encryptedData.length, JSON.parse(Buffer.from(encryptionMetadata.toString(), 'base64')).tag.length],
      }));`);
    expect(report).toEqual({ engine: 'node', refused: 'VerificationError', parts: 5, sizes: [5, 22] });
  });

  it('what needs it says so plainly', () => {
    const messages = run<Record<string, string>>(`
      import { generateKeyPairSync } from 'node:crypto';
      import * as attestation from 'PACKAGE';
      const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
      const attempts = {
        createEncryptor: () => attestation.createEncryptor(key),
        decrypt: () => new attestation.AttestationClient({ tcti: 'swtpm:host=127.0.0.1,port=1' }).decrypt(new Uint8Array(256), { type: 'None' }),
        getEvidence: () => new attestation.AttestationClient({ tcti: 'swtpm:host=127.0.0.1,port=1' }).getEvidence(),
      };
      const messages = {};
      for (const [name, attempt] of Object.entries(attempts)) {
        try { await attempt(); messages[name] = 'it worked'; } catch (error) { messages[name] = error.code + ' ' + error.message; }
      }
      console.log(JSON.stringify(messages));`);
    for (const [name, message] of Object.entries(messages)) {
      expect(`${name}: ${message}`).toMatch(/: 12 .*has no native addon for linux-/);
    }
  });
});

describe.skipIf(!withFixtures)('without the native addon, by Node’s own OpenSSL', () => {
  it('genuine evidence is parsed, verified, and refused when it is changed', () => {
    const fixtures = new URL('../../../shared/fixtures/', import.meta.url).href;
    const answers = run<unknown>(`
      import { explainEvidence, parseHclReport, verifySnpReport } from 'PACKAGE';
      const bytes = (path) => new Uint8Array(readFileSync(new URL(path, '${fixtures}')));
      const vcek = bytes('azure-milan-v3/vcek.der');
      const chain = Buffer.from(bytes('amd-chains/ask_ark_milan.pem')).toString();
      const hclReport = bytes('azure-milan-v3/hcl-report.bin');
      const now = new Date('2026-07-01T00:00:00Z');
      const evidence = { version: 1, hclReport, certificates: { vcek, chain } };
      const { ok, engine, paravisor } = await explainEvidence(evidence, { now });
      hclReport[32 + 0x90] ^= 1;
      const changed = await explainEvidence(evidence, { now });
      const report = await verifySnpReport(bytes('azure-milan-v3/snp-report.bin'), { vcek, ask: chain }, { now });
      const { bound } = parseHclReport(hclReport);
      console.log(JSON.stringify({ ok, engine, paravisor, changed: changed.ok, product: report.product, bound }));`);
    const expected = { ok: true, engine: 'node', paravisor: 'id-key', changed: false, product: 'Milan', bound: true };
    expect(answers).toEqual(expected);
  });
});

describe('where the addon does not fit the machine', () => {
  const prebuilds = (): string => join(folder, `prebuilds/linux-${process.arch}`);
  beforeAll(() => mkdirSync(prebuilds(), { recursive: true }));
  afterAll(() => rmSync(join(folder, 'prebuilds'), { recursive: true }));

  /** How a function that needs the addon and one that does not fare. */
  const fare = (env: Record<string, string> = {}): string[] =>
    run(
      `import { generateKeyPairSync } from 'node:crypto';
      import { createEncryptor, verifyToken } from 'PACKAGE';
      const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
      const answers = [];
      try { createEncryptor(key).close(); answers.push('it works'); } catch ({ code, message }) { answers.push(code + ' ' + message); }
      await verifyToken('x', { issuer: 'https://issuer.example' }).catch(({ code }) => answers.push(code));
      console.log(JSON.stringify(answers));`,
      env,
    );

  it('on musl, the message names the libc, and what needs no addon works', () => {
    const addon = join(prebuilds(), 'cvm-guest-attestation.glibc.node');
    cpSync(join(root, 'build/Release/cvm_guest_attestation.node'), addon);
    expect(fare()).toEqual(['it works', 'ERR_TOKEN_FORMAT']);
    // What node-gyp-build takes from Alpine's release file.
    expect(fare({ LIBC: 'musl' })).toEqual([
      expect.stringMatching(/^12 .* \(No native build was found for .* libc=musl .*\): .*not for musl/),
      'ERR_TOKEN_FORMAT',
    ]);
  });

  it('with a file that the dynamic linker refuses, the linker is quoted', () => {
    writeFileSync(join(prebuilds(), 'cvm-guest-attestation.glibc.node'), 'no shared object '.repeat(100));
    expect(fare()).toEqual([expect.stringMatching(/^12 .* \(.*invalid ELF header\): /), 'ERR_TOKEN_FORMAT']);
  });
});
