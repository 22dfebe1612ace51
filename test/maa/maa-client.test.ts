import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import {
  AttestationError,
  CloudError,
  MaaClient,
  type MaaClientOptions,
  type TokenCredential,
} from '../../lib/index.js';
import { serve } from '../http/server.js';
import { jwkOf, rsaKeys } from '../token/issuer.js';
import { refusal } from '../token/refusal.js';

const quick: MaaClientOptions = { retry: { baseDelayMs: 1, jitter: 0 }, timeoutMs: 5000 };
const request = { report: '', nonce: 'n' };

const json =
  (body: unknown, status = 200) =>
  (response: ServerResponse) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'it resolved',
    (error: unknown) => error,
  );

/** A `report` as a guest sends it, with a report of zeros but for the digests of its two kinds of data. */
function reportBinding({ runtimeData = '', initTimeData = '' }): string {
  const snpReport = Buffer.alloc(1184);
  createHash('sha256').update(runtimeData).digest().copy(snpReport, 0x50);
  createHash('sha256').update(initTimeData).digest().copy(snpReport, 0xc0);
  const proof = { SnpReport: snpReport.toString('base64url'), VcekCertChain: '' };
  return Buffer.from(JSON.stringify(proof)).toString('base64url');
}

const base64url = (text: string): string => Buffer.from(text).toString('base64url');

describe('MaaClient.attestSevSnpVm', () => {
  it('posts the request as documented and returns the token', async () => {
    await using server = await serve(json({ token: 'a.b.c' }));
    const client = new MaaClient(server.url.href, quick);
    const whole = {
      report: reportBinding({ runtimeData: '{"keys":[]}', initTimeData: '\0binary' }),
      runtimeData: { data: base64url('{"keys":[]}'), dataType: 'JSON' as const },
      initTimeData: { data: base64url('\0binary'), dataType: 'Binary' as const },
      nonce: 'noncesevsnp987',
      draftPolicyForAttestation: 'version=1.0; …',
    };
    expect(await client.attestSevSnpVm(whole)).toEqual({ token: 'a.b.c' });
    const seen = server.seen[0];
    expect([seen?.method, seen?.url]).toEqual(['POST', '/attest/SevSnpVm?api-version=2022-08-01']);
    expect(seen?.headers['content-type']).toBe('application/json');
    expect(seen?.headers.authorization).toBeUndefined();
    expect(JSON.parse(String(seen?.body))).toEqual(whole);
  });

  it('takes another API version', async () => {
    await using server = await serve(json({ token: 'a.b.c' }));
    await new MaaClient(server.url.href, { ...quick, apiVersion: '2025-06-01' }).attestSevSnpVm(request);
    expect(server.seen[0]?.url).toBe('/attest/SevSnpVm?api-version=2025-06-01');
  });

  it.each(['runtimeData', 'initTimeData'])('does not send %s that the report does not bind', async (name) => {
    await using server = await serve(json({ token: 'a.b.c' }));
    const report = reportBinding({ [name]: 'something else' });
    const unbound = { report, [name]: { data: base64url('this') } };
    const error = await rejection(new MaaClient(server.url.href, quick).attestSevSnpVm(unbound));
    expect(error).toBeInstanceOf(AttestationError);
    expect(error).toMatchObject({ code: 9, codeName: 'ATTESTATION_PARAMETERS_VALIDATION_FAILED' });
    expect(server.seen).toEqual([]);
  });

  it('does not send a report whose report_data goes on behind the digest', async () => {
    await using server = await serve(json({ token: 'a.b.c' }));
    const proof = JSON.parse(Buffer.from(reportBinding({ runtimeData: 'x' }), 'base64url').toString());
    const snpReport = Buffer.from(proof.SnpReport, 'base64url');
    snpReport[0x50 + 63] = 1;
    const report = base64url(JSON.stringify({ ...proof, SnpReport: snpReport.toString('base64url') }));
    const error = await rejection(
      new MaaClient(server.url.href, quick).attestSevSnpVm({ report, runtimeData: { data: base64url('x') } }),
    );
    expect(error).toMatchObject({ code: 9 });
    expect(server.seen).toEqual([]);
  });

  it('turns a CloudError into an error with its code and message', async () => {
    const body = { error: { code: 'InvalidParameter', message: 'The report is empty.' } };
    await using server = await serve(json(body, 400));
    const error = await rejection(new MaaClient(server.url.href, quick).attestSevSnpVm(request));
    expect(error).toBeInstanceOf(CloudError);
    expect(error).toMatchObject({
      name: 'CloudError',
      code: 'InvalidParameter',
      message: 'The report is empty.',
      status: 400,
    });
    expect(server.seen).toHaveLength(1);
  });

  it('repeats 408, 429 and server errors, then says that the retries are exhausted', async () => {
    let status = 503;
    await using server = await serve((response) => {
      if (server.seen.length === 3) json({ token: 'a.b.c' })(response);
      else json({ error: { code: 'Busy', message: 'later' } }, status)(response);
    });
    const client = new MaaClient(server.url.href, quick);
    expect(await client.attestSevSnpVm(request)).toEqual({ token: 'a.b.c' });
    status = 429;
    server.seen.length = 10;
    const error = await rejection(client.attestSevSnpVm(request));
    expect(error).toMatchObject({ code: 4, status: 429, cause: { name: 'CloudError', code: 'Busy' } });
    expect(server.seen).toHaveLength(14);
  });

  it.each([
    ['an unnamed error', 404, 'not here', { code: 5, status: 404, responseBody: 'not here' }],
    ['a redirect', 302, '', { code: 5, status: 302 }],
    ['an error that is not a CloudError', 400, '{"error":7}', { code: 5, status: 400 }],
    ['nothing', 200, '', { code: 18 }],
    ['no JSON', 200, 'token', { code: 28 }],
    ['no object', 200, '["token"]', { code: 28 }],
    ['no token', 200, '{}', { code: 28 }],
    ['a token that is not text', 200, '{"token":{"a":1}}', { code: 28 }],
    ['a token named twice', 200, '{"token":"a","token":"b"}', { code: 28 }],
    ['a JSON bomb', 200, `{"token":${'['.repeat(50_000)}`, { code: 28 }],
    ['too much', 200, `{"token":"${'x'.repeat(5_000_000)}"}`, { code: 5 }],
  ])('answered with %s', async (_, status, body, expected) => {
    await using server = await serve((response) => void response.writeHead(status, { location: '/x' }).end(body));
    const error = await rejection(new MaaClient(server.url.href, quick).attestSevSnpVm(request));
    expect(error).toBeInstanceOf(AttestationError);
    expect(error).toMatchObject(expected);
  });

  it('gives up on a service that hangs, and at once when the caller aborts', async () => {
    await using server = await serve(() => {});
    const slow = await rejection(new MaaClient(server.url.href, { ...quick, timeoutMs: 100 }).attestSevSnpVm(request));
    expect(slow).toMatchObject({ name: 'AttestationError', code: 7 });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    const { signal } = controller;
    const aborted = await rejection(new MaaClient(server.url.href, quick).attestSevSnpVm(request, { signal }));
    expect(aborted).toMatchObject({ name: 'AbortError' });
  });

  it('cannot reach the service', async () => {
    const server = await serve(() => {});
    await server[Symbol.asyncDispose]();
    const error = await rejection(new MaaClient(server.url.href, quick).attestSevSnpVm(request));
    expect(error).toMatchObject({ name: 'AttestationError', code: 7 });
  });

  it.each(['http://attest.example', 'ftp://attest.example', '', 'https://user:pass@attest.example', 7])(
    'is not made for %j',
    (url) => {
      expect(() => new MaaClient(url as string)).toThrow(AttestationError);
    },
  );
});

describe('MaaClient with a credential', () => {
  const credential = (token: unknown): TokenCredential & { asked: unknown[] } => {
    const asked: unknown[] = [];
    return {
      asked,
      async getToken(scopes, options) {
        asked.push(scopes, options?.abortSignal instanceof AbortSignal);
        if (token instanceof Error) throw token;
        return token as { token: string } | null;
      },
    };
  };

  it('sends a bearer token for the service’s scope', async () => {
    await using server = await serve(json({ token: 'a.b.c' }));
    const given = credential({ token: 'secret', expiresOnTimestamp: 0 });
    const client = new MaaClient(server.url.href, { ...quick, credential: given });
    await client.attestSevSnpVm(request, { signal: new AbortController().signal });
    expect(server.seen[0]?.headers.authorization).toBe('Bearer secret');
    expect(given.asked).toEqual(['https://attest.azure.net/.default', true]);
  });

  it.each([null, { token: '' }, {}, new Error('no identity')])('says so when it yields %o', async (token) => {
    await using server = await serve(json({ token: 'a.b.c' }));
    const client = new MaaClient(server.url.href, { ...quick, credential: credential(token) });
    const error = await rejection(client.attestSevSnpVm(request));
    expect(error).toMatchObject({ code: 3, codeName: 'MSI_TOKEN_NOT_FOUND' });
    expect(server.seen).toEqual([]);
  });

  it('never shows the token to another machine in plain text, or to its errors', async () => {
    const given = credential({ token: 'secret-bearer' });
    const options = { ...quick, credential: given, allowInsecureHttp: true };
    expect(() => new MaaClient('http://attest.example', options)).toThrow(/plain http/);
    await using server = await serve(json({}, 401));
    const error = await rejection(new MaaClient(server.url.href, options).attestSevSnpVm(request));
    expect(`${(error as Error).stack}${JSON.stringify(error)}`).not.toContain('secret-bearer');
  });
});

describe('MaaClient: what an instance publishes', () => {
  it('signingKeys() returns its key set', async () => {
    const set = { keys: [jwkOf(rsaKeys())] };
    await using server = await serve(json(set));
    expect(await new MaaClient(server.url.href, quick).signingKeys()).toEqual(set);
    expect(server.seen[0]?.url).toBe('/certs');
  });

  it('refuses what is not a key set', async () => {
    await using server = await serve(json({ keys: Array(10_000).fill({}) }));
    await refusal(new MaaClient(server.url.href, quick).signingKeys(), 'ERR_TOKEN_KEY_SET');
  });

  it('OpenID configuration', async () => {
    const configuration = { issuer: 'https://a.example', jwks_uri: 'https://a.example/certs', more: [1] };
    await using server = await serve(json(configuration));
    expect(await new MaaClient(server.url.href, quick).openIdConfiguration()).toEqual(configuration);
    expect(server.seen[0]?.url).toBe('/.well-known/openid-configuration');
  });

  it('refuses a configuration without issuer', async () => {
    await using server = await serve(json({ jwks_uri: 'x' }));
    const error = await rejection(new MaaClient(server.url.href, quick).openIdConfiguration());
    expect(error).toMatchObject({ code: 28 });
  });
});

const sample = new URL('../../../shared/seeds/maa-attest-sev-snp-vm-rest-api.txt', import.meta.url);
describe.skipIf(!existsSync(sample))('the documented sample request', () => {
  it('is sent as it is documented: its empty report is the service’s to refuse', async () => {
    await using server = await serve(json({ error: { code: 'InvalidParameter', message: 'empty' } }, 400));
    const data = /"data": "([^"]+)"/.exec(readFileSync(sample, 'utf8'))?.[1] ?? '';
    const documented = { report: '', runtimeData: { data, dataType: 'JSON' as const } };
    const error = await rejection(new MaaClient(server.url.href, quick).attestSevSnpVm(documented));
    expect(error).toBeInstanceOf(CloudError);
    expect(JSON.parse(String(server.seen[0]?.body))).toEqual(documented);
  });
});
