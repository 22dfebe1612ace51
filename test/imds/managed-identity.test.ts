import { describe, expect, it } from 'vitest';
import type { RetryOptions } from '../../lib/http/retry.js';
import { imdsOf } from '../../lib/imds/imds.js';
import { ManagedIdentityCredential } from '../../lib/imds/managed-identity.js';
import { nodeContext } from '../../lib/node/context.js';
import { type SeenRequest, serve } from '../http/server.js';

const SCOPE = 'https://vault.azure.net/.default';
const soon = (seconds: number): string => String(Math.floor(Date.now() / 1000) + seconds);
const answer = (members: object = {}): object => ({
  access_token: 'opaque.token',
  client_id: '00000000-0000-0000-0000-000000000001',
  expires_in: '86399',
  expires_on: soon(86399),
  resource: 'https://vault.azure.net',
  token_type: 'Bearer',
  ...members,
});

/** Instance metadata that gives these answers in turn, the last one for ever. */
async function metadata(...answers: [status: number, body: object | string][]) {
  return outage({}, ...answers);
}

async function outage(retry: RetryOptions, ...answers: [status: number, body: object | string][]) {
  let next = 0;
  const server = await serve((response) => {
    const [status, body] = answers[Math.min(next++, answers.length - 1)] as [number, object | string];
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  const imds = imdsOf(nodeContext, {
    imdsUrl: server.url.href,
    retry: { baseDelayMs: 2, maxRetryAfterMs: 5, retries: 2, ...retry },
  });
  return { server, imds, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const asked = ({ url }: SeenRequest): Record<string, string> =>
  Object.fromEntries(new URL(url, 'http://imds').searchParams);

describe('a managed identity', () => {
  it('ManagedIdentityCredential asks instance metadata for the resource of the scope, and keeps the token', async () => {
    await using md = await metadata([200, answer()]);
    const credential = new ManagedIdentityCredential(md.imds);
    const { token, expiresOnTimestamp } = await credential.getToken(SCOPE);
    expect(token).toBe('opaque.token');
    expect(expiresOnTimestamp).toBeGreaterThan(Date.now() + 86_000_000);
    await credential.getToken([SCOPE]);
    expect(md.server.seen).toHaveLength(1);
    const [request] = md.server.seen as [SeenRequest];
    expect(request.url.split('?')[0]).toBe('/metadata/identity/oauth2/token');
    expect(asked(request)).toEqual({ 'api-version': '2018-02-01', resource: 'https://vault.azure.net' });
    expect(request.headers.metadata).toBe('true');
  });

  it.each([
    ['clientId', 'client_id'],
    ['objectId', 'object_id'],
    ['resourceId', 'msi_res_id'],
  ])('ManagedIdentityCredential passes %s on as %s', async (member, parameter) => {
    await using md = await metadata([200, answer()]);
    await new ManagedIdentityCredential(md.imds, { [member]: '/subscriptions/a b&c' }).getToken(SCOPE);
    expect(asked(md.server.seen[0] as SeenRequest)[parameter]).toBe('/subscriptions/a b&c');
  });

  it('ManagedIdentityCredential asks again five minutes before a token ends, and for another resource', async () => {
    await using md = await metadata([200, answer({ expires_on: soon(299), resource: undefined })]);
    const credential = new ManagedIdentityCredential(md.imds);
    await credential.getToken(SCOPE);
    await credential.getToken(SCOPE);
    await credential.getToken('https://managedhsm.azure.net/.default');
    expect(md.server.seen).toHaveLength(3);
  });

  const refusals: [description: string, says: string][] = [
    ['Identity not found', 'assign one to the VM'],
    ['Multiple user assigned identities exist, please specify the clientId / resourceId', 'it has several'],
    ['something else', 'something else'],
  ];
  it.each(refusals)(
    'ManagedIdentityCredential rejects with error 3 when metadata says %j',
    async (description, says) => {
      await using md = await metadata([400, { error: 'invalid_request', error_description: description }]);
      await expect(new ManagedIdentityCredential(md.imds).getToken(SCOPE)).rejects.toMatchObject({
        name: 'AttestationError',
        code: 3,
        status: 400,
        message: expect.stringContaining(says),
      });
      expect(md.server.seen).toHaveLength(1);
    },
  );

  it.each([404, 410, 429, 500, 503])('ManagedIdentityCredential retries after status %i', async (status) => {
    await using md = await metadata([status, {}], [200, answer()]);
    expect((await new ManagedIdentityCredential(md.imds).getToken(SCOPE)).token).toBe('opaque.token');
    expect(md.server.seen).toHaveLength(2);
  });

  it('ManagedIdentityCredential waits longer than the other retries while metadata is updated (410)', async () => {
    await using md = await outage({ outageMs: 5_000, maxDelayMs: 5 }, ...Array(8).fill([410, {}]), [200, answer()]);
    expect((await new ManagedIdentityCredential(md.imds).getToken(SCOPE)).token).toBe('opaque.token');
  });

  it('ManagedIdentityCredential rejects with error 4 when metadata stays away', async () => {
    await using gone = await metadata([410, {}]);
    await expect(new ManagedIdentityCredential(gone.imds).getToken(SCOPE)).rejects.toMatchObject({
      code: 4,
      status: 410,
    });
    await using busy = await metadata([503, {}]);
    await expect(new ManagedIdentityCredential(busy.imds).getToken(SCOPE)).rejects.toMatchObject({ code: 4 });
    expect(busy.server.seen).toHaveLength(3);
  });

  const unusable: [what: string, body: object | string][] = [
    ['HTML', '<html>'],
    ['a list', '[]'],
    ['no token', answer({ access_token: undefined })],
    ['an empty token', answer({ access_token: '' })],
    ['a token with a line break', answer({ access_token: 'a\r\nX: y' })],
    ['a token of another type', answer({ token_type: 'pop' })],
    ['a token for another resource', answer({ resource: 'https://management.azure.com' })],
    ['no end', answer({ expires_on: undefined, expires_in: undefined })],
    ['an end that is a word', answer({ expires_on: 'tomorrow' })],
    ['a member named twice', '{"access_token":"secret","access_token":"secret"}'],
  ];
  it.each(unusable)(
    'ManagedIdentityCredential rejects with error 16 for an answer with %s, quoting none of it',
    async (_, body) => {
      await using md = await metadata([200, body]);
      const error = await new ManagedIdentityCredential(md.imds).getToken(SCOPE).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ name: 'AttestationError', code: 16 });
      expect(JSON.stringify({ ...(error as Error), message: (error as Error).message })).not.toMatch(/secret|opaque/);
    },
  );

  it('ManagedIdentityCredential takes one way to name an identity', async () => {
    const imds = imdsOf(nodeContext);
    for (const identity of [{ clientId: 'a', objectId: 'b' }, { clientID: 'a' }, { clientId: '' }, { clientId: 5 }]) {
      expect(() => new ManagedIdentityCredential(imds, identity as object)).toThrow(
        expect.objectContaining({ code: 8 }),
      );
    }
  });

  it('ManagedIdentityCredential ends its wait when the signal aborts', async () => {
    await using server = await serve(() => {});
    const credential = new ManagedIdentityCredential(imdsOf(nodeContext, { imdsUrl: server.url.href }));
    const waiting = credential.getToken(SCOPE, { abortSignal: AbortSignal.timeout(20) });
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });
});
