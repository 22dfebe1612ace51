import { createHash, createHmac, privateDecrypt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AttestationClient, attestationOf, ErrorCode } from '../../lib/index.js';
import {
  attestationFetchGuard,
  type CheckRequestOptions,
  checkRequest,
  createChallenges,
  forwardAuth,
  memoryReplayStore,
  nodeListener,
  type RefusedRequest,
  requireAttestation,
  type ServedRequests,
  serveRequests,
  type WebHandler,
} from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { guestClaims, ISSUER, jwkOf, NOW, rsaKeys, signToken } from '../token/issuer.js';

const ORIGIN = 'https://secrets.example.com';
const LABEL = Buffer.from('cvm-guest-attestation pop v1\0');
const issuerKeys = rsaKeys();
const tpmKeys = rsaKeys();
const tpmJwk = { ...tpmKeys.publicKey.export({ format: 'jwk' }), kid: 'TpmEphemeralEncryptionKey' };
const claims = guestClaims({ 'x-ms-runtime': { keys: [tpmJwk] } });
const token = signToken(claims, issuerKeys.privateKey);
const secret = Buffer.alloc(32, 6);
const possession = { secret, store: memoryReplayStore(), origin: ORIGIN };
const options = { issuer: ISSUER, keys: { keys: [jwkOf(issuerKeys)] }, now: NOW, proofOfPossession: possession };
const get: Partial<CheckRequestOptions> = { method: 'GET', target: '/secrets/db?v=1' };

interface Challenge {
  challenge: string;
  sealed: string;
}

const ask = (proof?: string | string[], more: Partial<CheckRequestOptions> = {}): Promise<unknown> => {
  const proofs = [proof ?? []].flat().flatMap((value) => ['Attestation-Proof', value]);
  return checkRequest(['Authorization', `Bearer ${token}`, ...proofs], { ...options, ...get, ...more });
};

const refused = (work: Promise<unknown>): Promise<RefusedRequest> =>
  work.then(
    () => expect.fail('it passed'),
    (error: RefusedRequest) => error,
  );

const challenge = async (more: Partial<CheckRequestOptions> = {}): Promise<Challenge> =>
  JSON.parse((await refused(ask(undefined, more))).body) as Challenge;

const sized = (text: string, bytes: number): Buffer => {
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(Buffer.byteLength(text), 0, bytes);
  return Buffer.concat([length, Buffer.from(text)]);
};

/** The client's half, made from the specification and not by the library. */
function prove(
  { challenge: text, sealed }: Challenge,
  method = 'GET',
  target = '/secrets/db?v=1',
  origin = ORIGIN,
): string {
  const key = { key: tpmKeys.privateKey, oaepHash: 'sha256', oaepLabel: LABEL };
  const s = privateDecrypt(key, Buffer.from(sealed, 'base64url'));
  const prefix = Buffer.from('cvm-guest-attestation proof v1\0');
  const message = Buffer.concat([prefix, sized(origin, 2), sized(method, 2), sized(target, 4)]);
  return `${text}.${createHmac('sha256', s).update(message).digest('base64url')}`;
}

describe('proof of possession', () => {
  it('is asked for with a challenge and a secret that only the token’s key opens, in body and header', async () => {
    const refusal = await refused(ask());
    expect(refusal).toMatchObject({ status: 401, code: 'ERR_PROOF_REQUIRED' });
    const body = JSON.parse(refusal.body) as Challenge;
    expect(refusal.headers['WWW-Authenticate']).toBe(
      `Attestation challenge="${body.challenge}", sealed="${body.sealed}"`,
    );
    expect(Buffer.from(body.challenge, 'base64url')).toHaveLength(57);
    expect(Buffer.from(body.sealed, 'base64url')).toHaveLength(256);
    const unlabelled = { key: tpmKeys.privateKey, oaepHash: 'sha256' };
    expect(() => privateDecrypt(unlabelled, Buffer.from(body.sealed, 'base64url'))).toThrow();
  });

  it('lets a request through once that was made by the specification', async () => {
    const proof = prove(await challenge());
    await expect(ask(proof)).resolves.toMatchObject({ iss: ISSUER });
    expect((await refused(ask(proof))).code).toBe('ERR_CHALLENGE_USED');
  });

  it('is not asked for before the token is verified', async () => {
    const forged = signToken(claims, rsaKeys().privateKey);
    const refusal = await refused(checkRequest(['Authorization', `Bearer ${forged}`], { ...options, ...get }));
    expect(refusal.code).toBe('ERR_TOKEN_SIGNATURE');
    expect(refusal.body).not.toContain('sealed');
  });

  it.each([
    ['another method', (given: Challenge) => prove(given, 'POST'), 'ERR_PROOF'],
    ['another path', (given: Challenge) => prove(given, 'GET', '/secrets/other'), 'ERR_PROOF'],
    [
      'another server’s origin: what a machine in the middle would get',
      (given: Challenge) => prove(given, 'GET', '/secrets/db?v=1', 'https://evil.example'),
      'ERR_PROOF',
    ],
    ['nothing but a challenge', (given: Challenge) => given.challenge, 'ERR_PROOF_FORMAT'],
    ['a proof of 31 bytes', (given: Challenge) => `${given.challenge}.${'A'.repeat(42)}`, 'ERR_PROOF_FORMAT'],
    ['zeros', (given: Challenge) => `${given.challenge}.${'A'.repeat(43)}`, 'ERR_PROOF'],
    ['three parts', (given: Challenge) => `${prove(given)}.x`, 'ERR_PROOF_FORMAT'],
    ['another challenge', (given: Challenge) => `B${prove(given).slice(1)}`, 'ERR_CHALLENGE_FORMAT'],
    ['an altered challenge', (given: Challenge) => `AQ${'A'.repeat(74)}${prove(given).slice(76)}`, 'ERR_CHALLENGE_MAC'],
  ])('is refused for %s, with a new challenge', async (_, make, code) => {
    const given = await challenge();
    const refusal = await refused(ask(make(given)));
    expect(refusal).toMatchObject({ status: 401, code });
    const next = JSON.parse(refusal.body) as Challenge;
    expect(next.challenge).not.toBe(given.challenge);
    await expect(ask(prove(next))).resolves.toBeDefined();
  });

  it('is refused when there are two', async () => {
    const proof = prove(await challenge());
    expect((await refused(ask([proof, proof]))).code).toBe('ERR_PROOF_FORMAT');
  });

  it('is refused for a challenge that was issued for something else with the same secret', async () => {
    const other = createChallenges({ ...{ secret, store: memoryReplayStore() }, lifetimeMs: 60_000 }).issue('kbs-v1');
    const given = { ...(await challenge()), challenge: other };
    expect((await refused(ask(prove(given)))).code).toBe('ERR_CHALLENGE_MAC');
  });

  it('is bound to the token: another token of the same machine needs another proof', async () => {
    const given = await challenge();
    const another = signToken({ ...claims, jti: 'another' }, issuerKeys.privateKey);
    const headers = ['Authorization', `Bearer ${another}`, 'Attestation-Proof', prove(given)];
    expect((await refused(checkRequest(headers, { ...options, ...get }))).code).toBe('ERR_PROOF');
  });

  it('works on any replica, and while a secret is replaced', async () => {
    const replica = (one: Uint8Array | Uint8Array[]): Partial<CheckRequestOptions> => ({
      proofOfPossession: { ...possession, secret: one },
    });
    const next = Buffer.alloc(32, 7);
    const given = await challenge(replica(secret));
    await expect(ask(prove(given), replica([next, secret]))).resolves.toBeDefined();
    const retired = await challenge(replica(secret));
    expect((await refused(ask(prove(retired), replica(next)))).code).toBe('ERR_CHALLENGE_MAC');
  });

  it('is answered 503 when the replay store cannot be asked', async () => {
    const store = { claim: () => Promise.reject(new Error('gone')) };
    const more = { proofOfPossession: { ...possession, store } };
    const refusal = await refused(ask(prove(await challenge(more)), more));
    expect(refusal).toMatchObject({ status: 503, code: 'ERR_STORE_UNAVAILABLE', headers: { 'Retry-After': '5' } });
  });

  it.each([
    ['no keys', undefined],
    ['another key', { keys: [{ ...tpmJwk, kid: 'HCLAkPub' }] }],
    ['a key that is too small', { keys: [{ ...tpmJwk, n: 'AQAB' }] }],
  ])('is missing, and there is no challenge, where the token has %s', async (_, runtime) => {
    const keyless = signToken(guestClaims({ 'x-ms-runtime': runtime }), issuerKeys.privateKey);
    const headers = ['Authorization', `Bearer ${keyless}`];
    const proof = ['Attestation-Proof', prove(await challenge())];
    for (const given of [headers, [...headers, ...proof]]) {
      const refusal = await refused(checkRequest(given, { ...options, ...get }));
      expect(refusal).toMatchObject({ status: 401, code: 'ERR_PROOF_REQUIRED' });
      expect(refusal.headers['WWW-Authenticate']).toMatch(/^Bearer /);
    }
  });

  it('is an internal error where the server does not say what was requested', async () => {
    const work = checkRequest(['Authorization', `Bearer ${token}`], options);
    expect(await refused(work)).toMatchObject({ status: 500, code: 'ERR_INTERNAL' });
  });

  it('computes the specification’s secret', async () => {
    const given = await challenge();
    const { hkdfSync } = await import('node:crypto');
    const key = Buffer.from(hkdfSync('sha256', secret, '', 'cvm-guest-attestation proof secret v1', 32));
    const digest = createHash('sha256').update(token).digest();
    const message = Buffer.concat([Buffer.from(given.challenge, 'base64url'), digest, sized(ORIGIN, 2)]);
    const s = createHmac('sha256', key).update(message).digest();
    const opened = privateDecrypt(
      { key: tpmKeys.privateKey, oaepHash: 'sha256', oaepLabel: LABEL },
      Buffer.from(given.sealed, 'base64url'),
    );
    expect(opened).toEqual(s);
  });
});

describe.each([
  ['forwardAuth for Envoy', 401, 'ERR_PROOF', (): WebHandler => forwardAuth({ ...options, proxy: 'envoy' })],
  ['attestationFetchGuard', 400, 'ERR_REQUEST_TARGET', webGuard],
])('the request target of %s', (_, status, code, handler) => {
  let served: ServedRequests;
  beforeAll(async () => {
    served = await serveRequests(handler());
  });
  afterAll(() => served.close(0));

  const send = (path: string, proof: string): Promise<[number | undefined, string]> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'attestation-proof': proof };
      request({ port: served.port, host: '127.0.0.1', path, headers, agent: false }, async (response) => {
        resolve([response.statusCode, await text(response)]);
      })
        .on('error', reject)
        .end();
    });

  it.each(['/a/../secret', '/a/%2e%2e/secret', '/secret#/../admin', 'http://other/secret'])(
    'is that of the request line: a proof for /secret is none for %s',
    async (target) => {
      const [answered, body] = await send(target, prove(await challenge(), 'GET', '/secret'));
      expect([answered, JSON.parse(body).error.code]).toEqual([status, code]);
    },
  );

  it('may have two slashes at its begin, which are no host', async () => {
    const [, body] = await send('//x/secret', prove(await challenge(), 'GET', '/secret'));
    expect(JSON.parse(body).error.code).toBe('ERR_PROOF');
    expect((await send('//x/secret', prove(await challenge(), 'GET', '//x/secret')))[0]).toBe(200);
    expect((await send('/secret?x', prove(await challenge(), 'GET', '/secret?x')))[0]).toBe(200);
  });
});

it('the request target of forwardAuth for Envoy may be one that no URL has, behind its prefix', async () => {
  const handler = forwardAuth({ ...options, proxy: 'envoy', pathPrefix: '/auth' });
  await using server = createServer(nodeListener(handler)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const headers = {
    authorization: `Bearer ${token}`,
    'attestation-proof': prove(await challenge(), 'GET', '/../secret?{}'),
  };
  const { port } = server.address() as AddressInfo;
  const asked = request({ port, host: '127.0.0.1', path: '/auth/../secret?{}', headers, agent: false }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  expect(response.statusCode).toBe(200);
});

function webGuard(): WebHandler {
  const guard = attestationFetchGuard(options);
  return async (asked) => (await guard(asked)) ?? new Response('in');
}

describe('client.fetch to a guard with proof of possession', () => {
  let cvm: SimulatedCvm;
  let client: AttestationClient;
  let guest: string;
  let server: Server;
  let address: string;

  beforeAll(async () => {
    cvm = await SimulatedCvm.start();
    client = cvm.client();
    guest = await client.attest({ attestationUrl: cvm.attestationUrl });
    server = createServer(async (request, response) => {
      if (!(await guard(request, response))) return;
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      response.end(JSON.stringify({ iss: attestationOf(request)?.iss, body: Buffer.concat(chunks).toString() }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const guard = requireAttestation({
      issuer: cvm.attestationUrl,
      keys: cvm.tokenKeys,
      proofOfPossession: { secret, store: memoryReplayStore(), origin: address },
    });
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await client.close();
    await cvm.stop();
  });

  it('proves that the request comes from the machine, in the TPM', async () => {
    const first = await client.fetch(`${address}/secrets/db?v=1`, { token: guest });
    expect(await first.json()).toMatchObject({ iss: cvm.attestationUrl, body: '' });
    const second = await client.fetch(`${address}/secrets`, { token: guest, method: 'POST', body: 'data' });
    expect(await second.json()).toMatchObject({ body: 'data' });
  });

  it('does not follow the challenge of one server to another', async () => {
    const refusal = await fetch(`${address}/x`, { headers: { authorization: `Bearer ${guest}` } });
    const { challenge: text, sealed } = (await refusal.json()) as Challenge;
    const headers = await client.proveRequest({ token: guest, url: 'https://evil.example/x', challenge: text, sealed });
    const replayed = await fetch(`${address}/x`, { headers: { ...headers } });
    expect(await replayed.json()).toMatchObject({ error: { code: 'ERR_PROOF' } });
  });

  it('decrypts nothing that was not sealed for a proof', async () => {
    const { encryptedData } = await client.encrypt(guest, Buffer.alloc(32), { type: 'None' });
    const request = {
      token: guest,
      url: address,
      challenge: 'A'.repeat(76),
      sealed: encryptedData.toString('base64url'),
    };
    await expect(client.proveRequest(request)).rejects.toMatchObject({ code: ErrorCode.DATA_DECRYPTION_TPM_ERROR });
  });

  it('never returns the secret: neither of its functions', async () => {
    const answer = await fetch(`${address}/x`, { headers: { authorization: `Bearer ${guest}` } });
    const given = (await answer.json()) as Challenge;
    const headers = await client.proveRequest({ token: guest, url: `${address}/x`, ...pick(given) });
    expect(Object.keys(headers)).toEqual(['Authorization', 'Attestation-Proof']);
  });

  it('takes no address that is neither https nor this machine, and no body that cannot be sent twice', async () => {
    await expect(client.fetch('http://example.com/', { token: guest })).rejects.toMatchObject({ code: 8 });
    const body = new ReadableStream() as never;
    await expect(client.fetch(address, { token: guest, method: 'POST', body })).rejects.toMatchObject({ code: 8 });
    await expect(client.fetch(address, {} as never)).rejects.toMatchObject({ code: 8 });
  });

  it('does not follow redirects', async () => {
    const fetchFunction = vi.fn<typeof fetch>(
      async () => new Response(null, { status: 302, headers: { location: '/' } }),
    );
    const response = await client.fetch(address, { token: guest, fetch: fetchFunction });
    expect(response.status).toBe(302);
    expect(fetchFunction.mock.calls[0]?.[1]?.redirect).toBe('manual');
  });
});

const pick = ({ challenge: text, sealed }: Challenge): Challenge => ({ challenge: text, sealed });
