import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { whileClockIsBehind } from '../../lib/cli/secrets/clock.js';
import { AttestationError, VerificationError, verifyToken } from '../../lib/index.js';
import { createKeyBroker, memoryReplayStore, nodeListener } from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { cvmAttest, main, scratchFolder, start, variablesOf } from './cli.js';

let cvm: SimulatedCvm;
let env: Record<string, string>;
const scratch = scratchFolder();

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  env = await variablesOf(cvm);
  cvm.keyVault.createKey('ec', { kty: 'EC-HSM' });
  writeFileSync(scratch('secret.jwt'), cvm.protectSecret(Buffer.from('geheim')));
});
afterAll(() => cvm?.stop());

const cli = (args: readonly string[], more: Record<string, string> = {}) =>
  cvmAttest(args, { env: { ...env, ...more } });
const node = (script: string): string[] => ['--', process.execPath, '-e', script];
const SECRET = ['--secret', 'KEY=key:ec', '--secret', `TEXT=provisioned:${scratch('secret.jwt')}`];

describe('cvm-attest key', () => {
  it('key release writes the key to a file of its owner alone, and never over another one', async () => {
    const out = scratch('ec.pem');
    const first = await cli(['key', 'release', '--key-name', 'ec', '--out', out]);
    expect(first).toMatchObject({ status: 0, stdout: expect.stringContaining('EC P-256') });
    expect(first.stdout + first.stderr).not.toContain('PRIVATE KEY');
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(readFileSync(out, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect((await cli(['key', 'release', '--key-name', 'ec', '--out', out])).status).toBe(3);
  });

  it('key release prints the key only when that is said twice', async () => {
    expect((await cli(['key', 'release', '--key-name', 'ec', '--stdout'])).status).toBe(2);
    const { status, stdout } = await cli(['key', 'release', '--key-name', 'ec', '--stdout', '--stdout']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  });

  it('key release --json has the checks and nothing of the key; a refusal is exit code 1', async () => {
    const { status, stdout } = await cli(['key', 'release', '--key-name', 'ec', '--json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, keyType: 'EC', keyName: 'ec' });
    expect(stdout).not.toMatch(/PRIVATE|"d"/);
    expect(await cli(['key', 'release', '--key-name', 'none'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('404'),
    });
  });

  it('key verify verifies a saved answer offline', async () => {
    await cli(['key', 'release', '--key-name', 'ec']);
    const target = JSON.parse(String(cvm.keyVault.requests.at(-1)?.body)).target;
    const credential = cvm.keyVault.credential();
    const token = (await credential.getToken(`${cvm.keyVault.resource}/.default`))?.token;
    const { KeyVaultClient } = await import('../../lib/index.js');
    expect(token).toBeDefined();
    const vault = new KeyVaultClient(cvm.keyVaultUrl, {
      credential,
      allowedHosts: [cvm.keyVault.host],
      trustedRoots: cvm.keyVault.trustedRoots,
    });
    const { value, nonce } = await vault.release({ keyName: 'ec', target });
    writeFileSync(scratch('answer.json'), JSON.stringify({ value }));
    const args = [
      'key',
      'verify',
      '--response',
      scratch('answer.json'),
      '--vault',
      cvm.keyVault.host,
      '--nonce',
      nonce,
    ];
    expect((await cli(args)).status).toBe(0);
    expect((await cli([...args, '--key-name', 'other', '--json'])).status).toBe(1);
    expect((await cli([...args.slice(0, 4), '--vault', 'contoso.vault.azure.net', '--nonce', nonce])).status).toBe(1);
  });
});

describe('cvm-attest secret', () => {
  it('secret unprotect writes the secret to a file of its owner alone', async () => {
    const out = scratch('secret.txt');
    expect((await cli(['secret', 'unprotect', '--in', scratch('secret.jwt'), '--out', out])).status).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe('geheim');
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const unsigned = cvm.protectSecret(Buffer.from('x'), { signed: false });
    const refused = await cvmAttest(['secret', 'unprotect', '--out', out], { env, input: unsigned });
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining('ERR_SECRET_POLICY') });
  });
});

describe('cvm-attest policy', () => {
  it('policy build, encode, decode and explain go together', async () => {
    const { stdout } = await cli(['policy', 'build', '--authority', cvm.attestationUrl, '--secure-boot']);
    writeFileSync(scratch('policy.json'), stdout);
    const encoded = await cli(['policy', 'encode', scratch('policy.json')]);
    writeFileSync(scratch('encoded.json'), encoded.stdout);
    expect(JSON.parse((await cli(['policy', 'decode', scratch('encoded.json')])).stdout)).toEqual(JSON.parse(stdout));
    await using client = cvm.client();
    writeFileSync(scratch('token.jwt'), await client.attest({ attestationUrl: cvm.attestationUrl }));
    const explain = ['policy', 'explain', '--token', scratch('token.jwt'), '--policy'];
    expect(await cli([...explain, scratch('encoded.json')])).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('would be released'),
    });
    const strict = await cli([
      'policy',
      'build',
      '--authority',
      cvm.attestationUrl,
      '--and',
      '{"claim":"x-ms-compliance-status","equals":"azure-compliant-cvm"}',
    ]);
    writeFileSync(scratch('strict.json'), strict.stdout);
    expect(await cli([...explain, scratch('strict.json')])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('guest tokens nest it'),
    });
  });
});

describe('cvm-attest run', () => {
  it('run hands secrets over in variables, and exits as the program does', async () => {
    const script = 'console.log(process.env.KEY.split("\\n")[0], process.env.TEXT); process.exit(7)';
    const { status, stdout } = await cli(['run', ...SECRET, ...node(script)]);
    expect(stdout.trim()).toBe('-----BEGIN PRIVATE KEY----- geheim');
    expect(status).toBe(7);
  });

  it('run hands secrets over in files in memory that nobody else can read, and removes them', async () => {
    const script =
      'const fs=require("fs");const f=process.env.TEXT_FILE;console.log(f,fs.readFileSync(f,"utf8"),(fs.statSync(f).mode&0o777).toString(8),"TEXT" in process.env)';
    const { status, stdout } = await cli(['run', ...SECRET, '--deliver', 'file', ...node(script)]);
    const [path = '', text, mode, inEnvironment] = stdout.trim().split(' ');
    expect([text, mode, inEnvironment]).toEqual(['geheim', '600', 'false']);
    expect(status).toBe(0);
    expect(existsSync(path)).toBe(false);
    if (existsSync('/dev/shm')) expect(path).toMatch(/^\/(dev\/shm|run)/);
  });

  it('run hands secrets over by descriptors that no path leads to', async () => {
    const script = 'console.log(require("fs").readFileSync(Number(process.env.TEXT_FD),"utf8"))';
    expect(await cli(['run', ...SECRET, '--deliver', 'fd', ...node(script)])).toMatchObject({
      status: 0,
      stdout: 'geheim\n',
    });
  });

  it('run gets resources of a key broker', async () => {
    await using client = cvm.client();
    const chain = String((await client.getEvidence()).certificates?.chain);
    const broker = createKeyBroker({
      name: 'https://broker.example',
      secret: Buffer.alloc(32, 8),
      store: memoryReplayStore(),
      ...cvm.verification,
      allowAnyMachine: true,
      chain,
      resources: ({ tag }) => (tag === 'password' ? new TextEncoder().encode('of the broker') : undefined),
    });
    const server = createServer(nodeListener(broker)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const source = (tag: string): string => `P=kbs+http://127.0.0.1:${port}/default/db/${tag}`;
    const script = node('console.log(process.env.P)');
    expect(await cli(['run', '--secret', source('password'), ...script])).toMatchObject({
      status: 0,
      stdout: 'of the broker\n',
    });
    expect(await cli(['run', '--secret', source('none'), ...script])).toMatchObject({ status: 125, stdout: '' });
    server.close();
  });

  const refused: [what: string, args: string[]][] = [
    ['the vault refuses a key', ['--secret', 'KEY=key:none', ...node('console.log("started")')]],
    ['a provisioned secret is refused', ['--secret', `S=provisioned:${main}`, ...node('console.log("started")')]],
    ['the program does not exist', [...SECRET, '--', '/no/such/program']],
    ['a source does not exist', ['--secret', 'KEY=file:/etc/passwd', ...node('console.log("started")')]],
    ['a variable cannot hold the secret', ['--secret', 'KEY=key:ec#der', ...node('console.log("started")')]],
    ['variables were to be renewed', [...SECRET, '--renew', '1h', ...node('console.log("started")')]],
  ];
  it.each(refused)('run starts nothing and exits with 125 when %s', async (_, args) => {
    expect(await cli(['run', ...args])).toMatchObject({ status: 125, stdout: '' });
  });

  it('run passes signals on, leaves no file behind, and reports the signal that ended the program', async () => {
    const script =
      'process.on("SIGTERM",()=>{console.log("terminated");process.exit(3)});console.log(process.env.TEXT_FILE);setInterval(()=>{},1000)';
    const child = start(['run', ...SECRET, '--deliver', 'file', ...node(script)], { env });
    let stdout = '';
    const path = await new Promise<string>((resolve) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        stdout += chunk.toString();
        if (stdout.includes('\n')) resolve(stdout.trim());
      });
    });
    child.kill('SIGTERM');
    const status = await new Promise((resolve) => child.once('close', resolve));
    expect(stdout).toContain('terminated');
    expect(status).toBe(3);
    expect(existsSync(path)).toBe(false);
    const killed = await cli(['run', ...SECRET, ...node('process.kill(process.pid, "SIGKILL")')]);
    expect(killed.status).toBe(137);
  });

  it('run --renew replaces the file whole and sends SIGHUP', async () => {
    const script = `const fs=require("fs");const f=process.env.KEY_FILE;const first=fs.readFileSync(f,"utf8");
      process.on("SIGHUP",()=>{const next=fs.readFileSync(f,"utf8");console.log(next.startsWith("-----BEGIN"),next!==first);process.exit(0)});
      console.log("ready");setTimeout(()=>process.exit(9),30000)`;
    cvm.keyVault.createKey('rotating', { kty: 'EC-HSM' });
    const args = ['run', '--secret', 'KEY=key:rotating', '--deliver', 'file', '--renew', '1s', ...node(script)];
    const child = start(args, { env });
    let stdout = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      if (!stdout.includes('ready')) cvm.keyVault.createKey('rotating', { kty: 'EC-HSM' });
      stdout += chunk.toString();
    });
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    expect(stdout).toContain('true true');
  });

  it('run puts no secret into the arguments of a process, and none into what it prints', async () => {
    const script =
      'const parent="/proc/"+process.ppid+"/cmdline";console.log(require("fs").readFileSync(parent,"utf8").includes(process.env.TEXT))';
    const { stdout, stderr } = await cli(['run', ...SECRET, '--verbose', ...node(script)]);
    expect(stdout).toBe('false\n');
    expect(stderr).not.toContain('geheim');
  });
});

describe('a clock that is behind', () => {
  const token = async (): Promise<string> => {
    await using client = cvm.client();
    return await client.attest({ attestationUrl: cvm.attestationUrl });
  };
  const signal = new AbortController().signal;

  it('is waited for, and then said by how much it is wrong', async () => {
    const jwt = await token();
    const hourAgo = (): Date => new Date(Date.now() - 3_600_000);
    const said: string[] = [];
    const work = () => verifyToken(jwt, { issuer: cvm.attestationUrl, keys: cvm.tokenKeys, now: hourAgo() });
    const waiting = whileClockIsBehind(work, (message) => said.push(message), signal, 1200);
    await expect(waiting).rejects.toMatchObject({
      code: 'ERR_TOKEN_NOT_YET_VALID',
      message: expect.stringMatching(/the clock of this machine is at least 3[56]\d\d s behind/),
    });
    expect(said).toHaveLength(1);
  });

  it('causes no trouble once it is set', async () => {
    let clock = -3_600_000;
    const jwt = await token();
    const work = () => {
      const now = new Date(Date.now() + clock);
      clock = 0;
      return verifyToken(jwt, { issuer: cvm.attestationUrl, keys: cvm.tokenKeys, now });
    };
    expect((await whileClockIsBehind(work, () => {}, signal, 5000)).iss).toBe(cvm.attestationUrl);
  });

  it('shows in a certificate of a service that is not valid yet, too', async () => {
    const refused = new AttestationError(7, 'TLS', {
      cause: Object.assign(new Error('x'), { code: 'CERT_NOT_YET_VALID' }),
    });
    let asked = 0;
    const work = () => (++asked < 2 ? Promise.reject(refused) : Promise.resolve('set'));
    expect(await whileClockIsBehind(work, () => {}, signal, 5000)).toBe('set');
    const never = () => Promise.reject(refused);
    await expect(whileClockIsBehind(never, () => {}, signal, 0)).rejects.toMatchObject({
      code: 7,
      message: expect.stringContaining('the clock of this machine is behind'),
    });
  });

  it('is told from every other failure', async () => {
    const work = () => Promise.reject(new VerificationError('ERR_TOKEN_EXPIRED', 'late'));
    await expect(whileClockIsBehind(work, () => {}, signal)).rejects.toMatchObject({ code: 'ERR_TOKEN_EXPIRED' });
  });
});
