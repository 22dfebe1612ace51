import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cvmAttest } from './cli.js';
import { simulatedGuest } from './guest.js';

const guest = simulatedGuest();
const { run, scratch, token } = guest;

describe('report on the guest', () => {
  it.each([[[]], [['--imds']], [['--kds']]])('verifies it with a fresh quote, certificates by %j', async (source) => {
    const { status, stdout } = await cvmAttest(['report', ...source, '--json'], {
      env: { ...guest.env, XDG_CACHE_HOME: scratch('cache') },
    });
    expect(status).toBe(0);
    const result = JSON.parse(stdout) as { checks: { name: string; skipped?: boolean }[] };
    expect(result).toMatchObject({
      ok: true,
      caution: expect.stringContaining("in place of AMD's roots"),
      product: 'Milan',
      claims: { 'vm-configuration': { vmUniqueId: guest.cvm.vmId } },
    });
    expect(result.checks.find(({ name }) => name === 'nonce')).not.toHaveProperty('skipped');
  });

  it('is refused by whoever trusts AMD’s own roots', async () => {
    const { CVM_ATTEST_TRUSTED_ROOT: _, ...others } = guest.env;
    const { status, stdout } = await cvmAttest(['report'], { env: others });
    expect(status).toBe(1);
    expect(stdout).toContain('ERR_ARK_NOT_TRUSTED');
  });

  it('--verbose says on stderr what the library does, and never the token', async () => {
    const { stderr } = await run(['attest', '--event-log', '/nonexistent', '--verbose']);
    expect(stderr).toMatch(/^(debug|info|warn|error) /m);
    expect(stderr).not.toContain('eyJ');
  });
});

describe('quote', () => {
  it('signs nonce and PCRs', async () => {
    const { status, stdout } = await run(['quote', '--nonce', 'text:hello', '--pcrs', '0-2,7', '--json']);
    expect(status).toBe(0);
    const quote = JSON.parse(stdout) as {
      pcrs: { values: Record<string, string> };
      attest: { extraData: string };
      signature: string;
    };
    expect(Object.keys(quote.pcrs.values)).toEqual(expect.arrayContaining(['0', '1', '2', '7']));
    expect(quote).toMatchObject({
      nonce: Buffer.from('hello').toString('hex'),
      attest: { extraData: Buffer.from('hello').toString('hex') },
    });
    expect(quote.signature).toMatch(/^[0-9a-f]{512}$/);
  });

  it('is printed for people when --json is not given', async () => {
    const { stdout } = await run(['quote', '--nonce', '00ff']);
    expect(stdout).toMatch(/nonce +00ff\n/);
    expect(stdout).toContain('PCRs (SHA-256)');
  });
});

describe('evidence and verify', () => {
  const file = scratch('evidence.json');

  it('evidence is collected here and verified there', async () => {
    const collected = await run(['evidence', '--nonce', '5f0c2a77', '--user-data', 'text:hello', '--out', file]);
    expect(collected).toMatchObject({ status: 0, stdout: '' });
    const verified = await run(['verify', file, '--nonce', '5f0c2a77', '--user-data', 'text:hello']);
    expect(verified.status).toBe(0);
    expect(verified.stdout).toMatch(/✓ evidence verified/);
  });

  it.each([
    [['--nonce', '5f0c2a78'], 'ERR_QUOTE_NONCE'],
    [['--nonce', '5f0c2a77', '--user-data', 'text:other'], 'ERR_USER_DATA'],
    [['--nonce', '5f0c2a77', '--policy', 'POLICY'], 'ERR_POLICY'],
  ])('%j is refused with its code', async (args, code) => {
    const policy = scratch('policy.json');
    writeFileSync(policy, JSON.stringify({ allowedProducts: ['Turin'] }));
    const { status, stdout } = await run([
      'verify',
      file,
      ...args.map((arg) => (arg === 'POLICY' ? policy : arg)),
      '--json',
    ]);
    expect(status).toBe(1);
    const { checks } = JSON.parse(stdout) as { checks: { code?: string }[] };
    expect(checks.map((check) => check.code)).toContain(code);
  });

  it('evidence without certificates verifies with those given', async () => {
    const bare = scratch('bare.json');
    await run(['evidence', '--nonce', '01', '--no-certificates', '--out', bare]);
    expect((await run(['verify', bare, '--nonce', '01'])).status).toBe(1);
    const certificates = scratch('chain.pem');
    const { pem } = guest.cvm.signingLeaf.certificate;
    writeFileSync(certificates, pem + guest.cvm.signingLeaf.issuer.pem + guest.cvm.authority.ark.pem);
    expect((await run(['verify', '--certs', certificates, bare, '--nonce', '01'])).status).toBe(0);
  });

  it('goes through pipes', async () => {
    const { stdout } = await run(['evidence', '--nonce', 'text:pipe']);
    expect((await run(['verify', '-', '--nonce', 'text:pipe'], stdout)).status).toBe(0);
  });

  it('says when nothing shows that it is fresh', async () => {
    expect((await run(['evidence', '--out', scratch('stale.json')])).stderr).toContain('fresh');
  });

  it('does not leave half a file where it cannot write', async () => {
    const { status, stderr } = await run(['evidence', '--nonce', '01', '--out', scratch('no/such/folder')]);
    expect(status).toBe(3);
    expect(stderr).toContain('ENOENT');
  });
});

describe('attest and token', () => {
  it('prints the token alone, for pipes', async () => {
    const { status, stdout } = await run(['attest', '--payload', 'nonce=5f0c', '--payload', 'who=me']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const issuer = ['--issuer', guest.cvm.attestationUrl];
    const shown = await run(['token', ...issuer, '--payload', 'nonce=5f0c', '--payload', 'who=me'], stdout);
    expect(shown.status).toBe(0);
    expect(shown.stdout).toMatch(/payload who +me\n/);
    expect(shown.stdout).toMatch(/✓ token verified: \d+ of \d+ checks passed\n$/);
    const other = await run(['token', '-', ...issuer, '--payload', 'nonce=other', '--json'], stdout);
    expect(other.status).toBe(1);
    expect(other.stdout).toContain('ERR_TOKEN_CLIENT_PAYLOAD');
  });

  it('writes the token to a file of the user’s own and shows the claims', async () => {
    const out = scratch('private.jwt');
    const { status, stdout } = await run(['attest', '--payload', '{"a":"b"}', '--out', out]);
    expect(status).toBe(0);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(stdout).toMatch(/compliance +azure-compliant-cvm/);
    expect(stdout).toMatch(/operating system +Ubuntu 24\.04\n/);
    expect(stdout).not.toContain('eyJ');
  });

  it('as JSON gives token, header and claims', async () => {
    const { stdout } = await run(['attest', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      token: expect.stringMatching(/^eyJ/),
      header: { alg: 'RS256' },
      claims: { iss: guest.cvm.attestationUrl, 'x-ms-attestation-type': 'azurevm' },
    });
  });

  it('a service that is not there is code 7', async () => {
    const { status, stderr } = await run(['attest', '--url', 'http://127.0.0.1:9']);
    expect(status).toBe(3);
    expect(stderr).toContain('7 SENDING_CURL_REQUEST_FAILED');
  });

  it.each([
    [['--issuer', 'https://example.com'], 'ERR_TOKEN_ISSUER'],
    [['--issuer', 'ISSUER', '--attestation-type', 'sevsnpvm'], 'ERR_TOKEN_ATTESTATION_TYPE'],
    [['--issuer', 'ISSUER', '--nonce', 'n2'], 'ERR_TOKEN_NONCE'],
    [['--issuer', 'ISSUER', '--now', '2050-01-01T00:00:00Z'], 'ERR_TOKEN_EXPIRED'],
  ])('a token that is not what %j asks for is refused', async (args, code) => {
    const { status, stdout } = await run([
      'token',
      ...args.map((arg) => (arg === 'ISSUER' ? guest.cvm.attestationUrl : arg)),
      token,
      '--json',
    ]);
    expect(status).toBe(1);
    const { checks } = JSON.parse(stdout) as { checks: { ok: boolean; code?: string }[] };
    expect(checks.filter(({ ok }) => !ok).map((check) => check.code)).toEqual([code]);
  });

  it('a forged token is refused', async () => {
    const [header, claims, signature] = readFileSync(token, 'utf8').split('.') as [string, string, string];
    const changed = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown>;
    changed.secureboot = false;
    const forged = [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
    const { status, stdout } = await run(['token', forged, '--issuer', guest.cvm.attestationUrl]);
    expect(status).toBe(1);
    expect(stdout).toContain('ERR_TOKEN_SIGNATURE');
  });

  it('shows hostile claims without letting them steer the terminal', async () => {
    const claims = {
      iss: '\u001b]0;owned\u0007\u001b[2J',
      jti: '\u202etxt.exe',
      'x-ms-runtime': { 'client-payload': { ['\u001b[8m'.repeat(50)]: 'G1sySg==' } },
    };
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const { status, stdout } = await run(['token', [encode({ alg: 'RS256' }), encode(claims), 'AA'].join('.')]);
    expect(status).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(stdout).toContain('\\u{1b}[2J');
  });

  it('shows claims of any shape', async () => {
    const odd = { toString: 1, valueOf: 1 };
    const claims: Record<string, unknown> = Object.fromEntries(
      ['jti', 'exp', 'secureboot', 'x-ms-azurevm-osdistro', 'x-ms-azurevm-osversion-minor'].map((name) => [name, odd]),
    );
    Object.assign(claims, { 'x-ms-azurevm-attested-pcrs': [odd, 7], 'x-ms-runtime': { keys: [odd, null] } });
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const { status, stdout } = await run(['token', [encode({ alg: 'RS256' }), encode(claims), 'AA'].join('.')]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/attested PCRs +\{"toString":1,"valueOf":1\}, 7\n/);
  });
});
