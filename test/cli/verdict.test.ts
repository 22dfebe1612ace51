import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { cvmAttest, main, scratchFolder, variablesOf } from './cli.js';

const scratch = scratchFolder();
let cvm: SimulatedCvm;
let env: Record<string, string>;
let evidence: string;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  env = await variablesOf(cvm);
  evidence = scratch('evidence.json');
  await cvmAttest(['evidence', '--nonce', '01', '--out', evidence], { env });
  await cvmAttest(['attest', '--out', scratch('token.jwt')], { env });
});
afterAll(() => cvm?.stop());

/** Exit code of a command whose stdout nobody reads. */
function unread(args: string[]): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    child.stdout.destroy();
    child.once('error', reject);
    child.once('exit', resolve);
  });
}

describe('the exit code is the verdict', () => {
  it.each<[string, () => string[], number]>([
    ['evidence that is refused', () => ['verify', evidence, '--nonce', '02'], 1],
    ['evidence that is refused, in JSON', () => ['verify', evidence, '--nonce', '02', '--json'], 1],
    ['evidence that is good', () => ['verify', evidence, '--nonce', '01'], 0],
    [
      'a token that is refused',
      () => ['token', scratch('token.jwt'), '--issuer', 'https://other.example', '--keys', evidence],
      3,
    ],
    ['a file that does not exist', () => ['verify', '/nonexistent'], 3],
  ])('of %s, also when the pipe is closed early', async (_, args, code) => {
    expect(await unread(args())).toBe(code);
  });
});

describe('a token without --issuer', () => {
  it('is shown and never ok', async () => {
    const { status, stdout } = await cvmAttest(['token', scratch('token.jwt'), '--json'], { env });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, verified: false, claims: { iss: cvm.attestationUrl } });
    expect(stdout).not.toContain('"ok": true');
  });
});

describe('the verdict line', () => {
  it('names what failed', async () => {
    const { stdout } = await cvmAttest(['verify', evidence, '--nonce', '02'], { env });
    expect(stdout).toMatch(/✗ evidence refused: \d+ of \d+ checks passed; failed: .*\(ERR_QUOTE_NONCE\).*\n$/);
  });

  it('says in words since when a token has expired', async () => {
    const later = new Date(Date.now() + 9 * 3600_000).toISOString();
    const args = ['token', scratch('token.jwt'), '--issuer', cvm.attestationUrl, '--now', later];
    const { status, stdout } = await cvmAttest(args, { env });
    expect(status).toBe(1);
    expect(stdout).toMatch(/expired (59 minutes|1 hour) ago, at \d{4}-\d{2}-\d{2}T[\d:]{8}Z \(ERR_TOKEN_EXPIRED\)/);
  });
});

describe('policy learn and diff', () => {
  it('make a policy that the machine meets, and say what another one has changed', async () => {
    const learned = scratch('learned.json');
    expect(await cvmAttest(['policy', 'learn', evidence, '--nonce', '01', '--out', learned], { env })).toMatchObject({
      status: 0,
    });
    expect(await cvmAttest(['verify', evidence, '--nonce', '01', '--policy', learned], { env })).toMatchObject({
      status: 0,
    });
    await cvm.extendPcr(4, Buffer.alloc(32, 1));
    const after = scratch('after.json');
    await cvmAttest(['evidence', '--nonce', '03', '--out', after], { env });
    const refused = await cvmAttest(['verify', after, '--nonce', '03', '--policy', learned], { env });
    expect(refused.status).toBe(1);
    expect(refused.stdout).toContain('ERR_POLICY');
    const relearned = scratch('relearned.json');
    await cvmAttest(['policy', 'learn', after, '--nonce', '03', '--out', relearned], { env });
    const { stdout } = await cvmAttest(['policy', 'diff', learned, relearned, '--json']);
    expect(JSON.parse(stdout).differences.map(({ member }: { member: string }) => member)).toEqual(['pcrs.4']);
    expect((await cvmAttest(['policy', 'diff', learned, learned])).stdout).toBe('the policies demand the same\n');
  });

  it('refuse to learn from a machine that is not good', async () => {
    const { status, stdout } = await cvmAttest(['policy', 'learn', evidence, '--nonce', '02'], { env });
    expect(status).toBe(1);
    expect(stdout).toContain('ERR_QUOTE_NONCE');
    expect(stdout).not.toContain('"tees"');
  });
});

describe('a machine of Intel TDX', () => {
  it('is reported, verified, learned from and diagnosed as such', async () => {
    await using tdx = await SimulatedCvm.start({ vmType: 'tdx' });
    const variables = await variablesOf(tdx);
    const file = scratch('tdx.json');
    const run = (...args: string[]) => cvmAttest(args, { env: variables });
    expect((await run('report')).stdout).toMatch(/✓ report verified/);
    await run('evidence', '--nonce', '01', '--context', 'mine', '--out', file);
    expect((await run('verify', file, '--nonce', '01', '--context', 'mine')).stdout).toMatch(/✓ evidence verified/);
    expect((await run('verify', file, '--nonce', '01')).stdout).toContain('ERR_QUOTE_NONCE');
    const { CVM_ATTEST_COLLATERAL: _, ...without } = variables;
    const missing = await cvmAttest(['verify', file, '--nonce', '01', '--context', 'mine'], { env: without });
    expect([missing.status, missing.stdout.includes('ERR_COLLATERAL_MISSING')]).toEqual([1, true]);
    const doctor = await run('doctor', '--json');
    expect(JSON.parse(doctor.stdout)).toMatchObject({ ok: true });
  });
});
