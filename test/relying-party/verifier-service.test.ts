import { generateKeyPairSync } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { internalEvidence } from '../../lib/guest/internal-evidence.js';
import {
  type AttestationClient,
  AttestationError,
  ErrorCode,
  type Evidence,
  evidenceToJson,
  fetchTdxCollateral,
  type TdxCollateral,
} from '../../lib/index.js';
import {
  challengeBytes,
  createVerifierService,
  memoryCache,
  memoryReplayStore,
  type VerifierServiceOptions,
} from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

const ISSUER = 'https://verifier.example';
const AUDIENCE = 'https://service.example';
const secret = Buffer.alloc(32, 9);
const ec = (): string =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const signingKey = ec();
type Handler = (request: Request) => Promise<Response>;

let cvm: SimulatedCvm;
let client: AttestationClient;
let token: string;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = cvm.client();
  token = await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload: { nonce: 'n' } });
});
afterAll(async () => {
  await client.close();
  await cvm.stop();
});

const optionsOf = (more: Partial<VerifierServiceOptions> = {}): VerifierServiceOptions => ({
  issuer: ISSUER,
  audiences: [AUDIENCE],
  signingKeys: signingKey,
  secret,
  store: memoryReplayStore(),
  ...cvm.verification,
  allowAnyMachine: true,
  ...more,
});

async function send(service: Handler, path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST') {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const request = new Request(`${ISSUER}${path}`, { method, ...(body !== undefined && { body: text }) });
  const response = await service(request);
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

interface Result extends JWTPayload {
  nonce?: string;
  eat_nonce?: string;
  cnf?: { jkt: string };
  submods: { cvm: { 'ear.status': string; 'cvm-guest-attestation.checks': { ok: boolean; code?: string }[] } };
}

async function resultOf(service: Handler, ear: unknown): Promise<Result> {
  const { body } = await send(service, '/.well-known/jwks.json');
  const { payload } = await jwtVerify(String(ear), createLocalJWKSet(body as unknown as JSONWebKeySet), {
    typ: 'ear+jwt',
    issuer: ISSUER,
    audience: AUDIENCE,
  });
  return payload as Result;
}

const challengeOf = async (service: Handler): Promise<string> =>
  String((await send(service, '/v1/challenge', '', 'POST')).body.challenge);
const answering = (challenge: string): Promise<Evidence> =>
  internalEvidence(client, { nonce: challengeBytes(challenge), context: 'verifier-v1' });
const asJson = (evidence: Evidence): unknown => JSON.parse(evidenceToJson(evidence));

describe('createVerifierService', () => {
  it('affirms evidence that answers its challenge, once', async () => {
    const service = createVerifierService(optionsOf());
    const challenge = await challengeOf(service);
    const body = { evidence: asJson(await answering(challenge)), challenge };
    const answer = await send(service, '/v1/evidence', body);
    expect(answer.status).toBe(200);
    const result = await resultOf(service, answer.body.ear);
    expect(result.submods.cvm['ear.status']).toBe('affirming');
    expect(result).toMatchObject({ nonce: challenge, eat_nonce: challenge, aud: AUDIENCE, iss: ISSUER });
    expect(result.cnf?.jkt).toMatch(/^[\w-]{43}$/);
    expect((result.exp as number) - (result.iat as number)).toBeLessThanOrEqual(300);
    expect(result.submods.cvm['cvm-guest-attestation.checks'].every(({ ok }) => ok)).toBe(true);
    expect(JSON.stringify(result)).not.toContain(String(cvm.verification.policy.measurement));
    const again = await send(service, '/v1/evidence', body);
    expect(again).toMatchObject({ status: 401, body: { error: { code: 'ERR_CHALLENGE_USED' } } });
  });

  it('affirms nothing without a proven nonce, and echoes none', async () => {
    const service = createVerifierService(optionsOf({ contexts: ['login'] }));
    const nonce = Buffer.from('a nonce of a relying party');
    const raw = asJson(await client.getEvidence({ nonce }));
    const plain = await resultOf(service, (await send(service, '/v1/evidence', { evidence: raw })).body.ear);
    expect(plain.submods.cvm['ear.status']).toBe('warning');
    expect(plain.nonce).toBeUndefined();
    expect(plain.cnf).toBeUndefined();
    const claimed = { evidence: raw, nonce: nonce.toString('base64url'), context: 'login' };
    const echoed = await resultOf(service, (await send(service, '/v1/evidence', claimed)).body.ear);
    expect(echoed.submods.cvm['ear.status']).toBe('contraindicated');
    expect(echoed.nonce).toBeUndefined();
    const quoted = { ...claimed, evidence: asJson(await client.getEvidence({ nonce, context: 'login' })) };
    const proven = await resultOf(service, (await send(service, '/v1/evidence', quoted)).body.ear);
    expect(proven.submods.cvm['ear.status']).toBe('affirming');
    expect(proven.nonce).toBe(nonce.toString('base64url'));
  });

  it('says contraindicated, signed, for evidence that is refused, and leaves the challenge unused', async () => {
    const service = createVerifierService(optionsOf());
    const challenge = await challengeOf(service);
    const other = await challengeOf(service);
    const stale = { evidence: asJson(await answering(other)), challenge };
    const result = await resultOf(service, (await send(service, '/v1/evidence', stale)).body.ear);
    expect(result.submods.cvm['ear.status']).toBe('contraindicated');
    expect(result.nonce).toBeUndefined();
    expect(result.submods.cvm['cvm-guest-attestation.checks'].some(({ code }) => code === 'ERR_QUOTE_NONCE')).toBe(
      true,
    );
    const good = { evidence: asJson(await answering(challenge)), challenge };
    expect((await send(service, '/v1/evidence', good)).status).toBe(200);
  });

  it('gives a token a warning at best, until the token ends', async () => {
    const tokens = { issuer: cvm.attestationUrl, keys: cvm.tokenKeys };
    const service = createVerifierService(optionsOf({ tokens }));
    const result = await resultOf(service, (await send(service, '/v1/token', { token })).body.ear);
    expect(result.submods.cvm['ear.status']).toBe('warning');
    expect(result.nonce).toBeUndefined();
    const forged = `${token.slice(0, -8)}AAAAAAAA`;
    const refused = await resultOf(service, (await send(service, '/v1/token', { token: forged })).body.ear);
    expect(refused.submods.cvm['ear.status']).toBe('contraindicated');
    expect((await send(createVerifierService(optionsOf()), '/v1/token', { token })).status).toBe(404);
  });

  it('looks at tokens by its own clock, whatever the options of tokens say', async () => {
    const tokens = { issuer: cvm.attestationUrl, keys: cvm.tokenKeys, now: new Date(0) };
    const service = createVerifierService(optionsOf({ tokens, now: new Date() }));
    const result = await resultOf(service, (await send(service, '/v1/token', { token })).body.ear);
    expect(result.submods.cvm['ear.status']).toBe('warning');
  });

  it('signs with the first key and publishes all', async () => {
    const next = ec();
    const [before, during] = [
      createVerifierService(optionsOf()),
      createVerifierService(optionsOf({ signingKeys: [next, signingKey] })),
    ];
    const challenge = await challengeOf(before);
    const body = { evidence: asJson(await answering(challenge)), challenge };
    const { ear } = (await send(before, '/v1/evidence', body)).body;
    await expect(resultOf(during, ear)).resolves.toMatchObject({ iss: ISSUER });
    const { keys } = (await send(during, '/.well-known/jwks.json')).body as unknown as JSONWebKeySet;
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    const later = (await send(during, '/v1/evidence', { evidence: asJson(await client.getEvidence()) })).body.ear;
    expect(decodeProtectedHeader(String(later)).kid).toBe(keys[0]?.kid);
  });

  it('demands to know who will take the result', async () => {
    const service = createVerifierService(optionsOf({ audiences: [AUDIENCE, 'https://other.example'] }));
    const evidence = asJson(await client.getEvidence());
    expect((await send(service, '/v1/evidence', { evidence })).status).toBe(400);
    expect((await send(service, '/v1/evidence', { evidence, aud: 'https://evil.example' })).status).toBe(400);
    expect((await send(service, '/v1/evidence', { evidence, aud: AUDIENCE })).status).toBe(200);
  });

  it.each([
    ['no JSON', '{', 400, 'ERR_REQUEST'],
    ['an unknown member', { evidence: {}, policy: {} }, 400, 'ERR_REQUEST'],
    ['a member twice', '{"evidence":{},"evidence":{}}', 400, 'ERR_REQUEST'],
    ['evidence that is none', { evidence: { version: 1, hclReport: 'AA' } }, 200, undefined],
    ['evidence without a report', { evidence: { version: 1 } }, 400, 'ERR_EVIDENCE'],
    [
      'a challenge that is none',
      { evidence: { version: 1, hclReport: 'AA' }, challenge: 'x' },
      401,
      'ERR_CHALLENGE_FORMAT',
    ],
    ['a reserved context', { evidence: {}, nonce: 'AA', context: 'channel-v1' }, 400, 'ERR_REQUEST'],
    ['a nonce without context', { evidence: {}, nonce: 'AA' }, 400, 'ERR_REQUEST'],
    ['a body without end', `{"evidence":"${'x'.repeat(70_000)}"}`, 413, 'ERR_REQUEST_TOO_LARGE'],
  ])('answers %s', async (_, body, status, code) => {
    const service = createVerifierService(optionsOf({ maxBodyBytes: 65_536 }));
    const answer = await send(service, '/v1/evidence', body);
    expect(answer.status).toBe(status);
    if (code !== undefined) expect(answer.body).toMatchObject({ error: { code } });
  });

  it('answers 503 when the store cannot be asked, when it is busy and when it closes', async () => {
    const store = { claim: () => Promise.reject(new Error('gone')) };
    const unasked = createVerifierService(optionsOf({ store }));
    const challenge = await challengeOf(unasked);
    const body = { evidence: asJson(await answering(challenge)), challenge };
    expect(await send(unasked, '/v1/evidence', body)).toMatchObject({
      status: 503,
      body: { error: { code: 'ERR_STORE_UNAVAILABLE' } },
    });
    const busy = createVerifierService(optionsOf({ maxConcurrent: 1 }));
    const plain = { evidence: asJson(await client.getEvidence()) };
    const both = await Promise.all([send(busy, '/v1/evidence', plain), send(busy, '/v1/evidence', plain)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 503]);
    await busy.close();
    expect((await send(busy, '/readyz')).status).toBe(503);
    expect((await send(busy, '/healthz')).status).toBe(200);
    expect((await send(busy, '/v1/evidence', plain)).status).toBe(503);
  });

  it('counts verifications by outcome', async () => {
    const service = createVerifierService(optionsOf());
    await send(service, '/v1/evidence', { evidence: asJson(await client.getEvidence()) });
    await send(service, '/v1/evidence', '{');
    const metrics = await (await service(new Request(`${ISSUER}/metrics`))).text();
    expect(metrics).toContain('cvm_verifications_total{code="ok"} 1');
    expect(metrics).toContain('cvm_verifications_total{code="ERR_REQUEST"} 1');
    expect(metrics).toContain('cvm_verification_seconds_count 2');
    for (const line of metrics.trim().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) .+|[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9.e-]+)$/);
  });

  it('answers as its OpenAPI document says, on every path', async () => {
    const service = createVerifierService(optionsOf({ tokens: { issuer: cvm.attestationUrl, keys: cvm.tokenKeys } }));
    interface Operation {
      responses: Record<string, { content?: Record<string, { schema: object }> }>;
      requestBody?: { content: { 'application/json': { schema: object } } };
    }
    const { body } = await send(service, '/openapi.json');
    const paths = body.paths as Record<string, Record<string, Operation>>;
    const ajv = new Ajv2020({ strict: false });
    const samples: Record<string, unknown[]> = {
      '/v1/challenge': [''],
      '/v1/evidence': [{ evidence: asJson(await client.getEvidence()) }, '{', { evidence: {}, challenge: 'x' }],
      '/v1/token': [{ token }, {}],
    };
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        for (const sample of samples[path] ?? [undefined]) {
          const text = typeof sample === 'string' ? sample : JSON.stringify(sample);
          const init = method === 'post' ? { method: 'POST', body: text } : {};
          const response = await service(new Request(`${ISSUER}${path}`, init as RequestInit));
          const described = operation.responses[String(response.status)];
          expect(described, `${method} ${path} ${response.status}`).toBeDefined();
          const type = (response.headers.get('content-type') ?? '').split(';')[0] as string;
          const schema = described?.content?.[type]?.schema;
          expect(schema, `${method} ${path} ${type}`).toBeDefined();
          const value = type === 'application/json' ? await response.json() : await response.text();
          expect(ajv.validate(schema as object, value), `${method} ${path}: ${ajv.errorsText()}`).toBe(true);
          const request = operation.requestBody?.content['application/json'].schema;
          if (response.status === 200 && request !== undefined) expect(ajv.validate(request, sample)).toBe(true);
        }
      }
    }
    expect((await send(service, '/v2/evidence', {})).status).toBe(404);
  });

  it.each([
    ['no audience', { audiences: [] }],
    ['a policy that is none', { policy: { measurement: 'x' } }],
    ['roots that are none', { trustedRoots: ['x'] }],
    ['a policy that names only a kind of machine', { allowAnyMachine: false }],
    ['a public key', { signingKeys: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey }],
    ['RSA of 1024 bits', { signingKeys: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey }],
    ['a reserved lifetime', { resultLifetimeMs: 300_001 }],
    ['an issuer without a scheme', { issuer: 'verifier.example' }],
    ['a bad policy for tokens', { tokens: { issuer: 'x' } }],
    ['a misspelt option', { audience: [AUDIENCE] }],
  ])('is not made with %s', (_, wrong) => {
    const given = { ...optionsOf(), ...wrong } as VerifierServiceOptions;
    expect(() => createVerifierService(given)).toThrow(expect.objectContaining({ code: 8 }));
  });
});

describe('a verifier service that fetches the collateral of TDX', () => {
  let machine: SimulatedCvm;
  let evidence: Evidence;
  beforeAll(async () => {
    machine = await SimulatedCvm.start({ vmType: 'tdx' });
    await using guest = machine.client();
    evidence = await guest.getEvidence();
  });
  afterAll(() => machine.stop());

  type Fetch = (quote: Uint8Array) => Promise<TdxCollateral>;
  const tdxOptions = (collateral: Fetch | undefined, more: Partial<VerifierServiceOptions> = {}) => {
    const { trustedRoots, policy } = machine.verification;
    const { collateral: _, ...options } = optionsOf({ trustedRoots, policy: policy as never, ...more });
    return { ...options, ...(collateral && { collateral }) };
  };
  const statusOf = async (service: Handler, given: Evidence) => {
    const { status, body } = await send(service, '/v1/evidence', { evidence: asJson(given) });
    if (status !== 200) return { status, code: (body.error as { code: string }).code };
    const { cvm: result } = (await resultOf(service, body.ear)).submods;
    const failed = result['cvm-guest-attestation.checks'].filter(({ ok }) => !ok);
    return { status, ear: result['ear.status'], code: failed[0]?.code };
  };

  it.each([0, 2])('asks once for many requests and then no more, with %d workers', async (workers) => {
    const asked = vi.fn(fetch);
    const cache = memoryCache();
    const service = createVerifierService(
      tdxOptions((quote) => fetchTdxCollateral(quote, { source: machine.pcsUrl as string, cache, fetch: asked }), {
        workers,
      }),
    );
    try {
      const all = await Promise.all(Array.from({ length: 6 }, () => statusOf(service, evidence)));
      expect(all).toEqual(Array(6).fill({ status: 200, ear: 'warning', code: undefined }));
      const paths = asked.mock.calls.map(([url]) => new URL(String(url)).pathname);
      expect(new Set(paths).size).toBe(paths.length);
      expect(paths).toHaveLength(4);
      await statusOf(service, evidence);
      expect(asked).toHaveBeenCalledTimes(4);
    } finally {
      await service.close();
    }
  });

  it('asks nobody for evidence that brings its own, that is refused for another reason, or of SEV-SNP', async () => {
    const asked = vi.fn<Fetch>(() => Promise.reject(new Error('asked')));
    const service = createVerifierService(tdxOptions(asked));
    const { collateral } = machine.verification as { collateral: TdxCollateral };
    expect(await statusOf(service, { ...evidence, tdxCollateral: collateral })).toMatchObject({ ear: 'warning' });
    const quote = Buffer.from(evidence.tdQuote as Uint8Array);
    quote[600] = (quote[600] as number) ^ 1;
    expect(await statusOf(service, { ...evidence, tdQuote: quote })).toMatchObject({ ear: 'contraindicated' });
    const { message, signature } = evidence.quote as NonNullable<Evidence['quote']>;
    const unsigned = { ...evidence.quote, message, signature: Buffer.from(signature).reverse() } as never;
    expect(await statusOf(service, { ...evidence, quote: unsigned })).toMatchObject({ ear: 'contraindicated' });
    expect(await statusOf(service, await client.getEvidence())).toMatchObject({ ear: 'contraindicated' });
    expect(asked).not.toHaveBeenCalled();
  });

  it('fetches nothing unless it was told to', async () => {
    const answer = await statusOf(createVerifierService(tdxOptions(undefined)), evidence);
    expect(answer).toEqual({ status: 200, ear: 'contraindicated', code: 'ERR_COLLATERAL_MISSING' });
  });

  it('says that it cannot tell when there is no answer in time, or an outage, and tells why in the log', async () => {
    const unavailable = { status: 503, code: 'ERR_COLLATERAL_UNAVAILABLE' };
    const warnings: string[] = [];
    const logger = { debug() {}, info() {}, warn: (message: string) => warnings.push(message), error() {} };
    const never = createVerifierService(tdxOptions(() => new Promise(() => {}), { collateralDeadlineMs: 100, logger }));
    expect(await statusOf(never, evidence)).toEqual(unavailable);
    const outage = () => Promise.reject(new AttestationError(ErrorCode.HTTP_REQUEST_EXCEEDED_RETRIES, 'overloaded'));
    expect(await statusOf(createVerifierService(tdxOptions(outage, { logger })), evidence)).toEqual(unavailable);
    expect(warnings).toEqual([
      'collateral cannot be had: no answer within 100 ms',
      'collateral cannot be had: overloaded',
    ]);
  });

  it('judges without collateral where nobody has any for the platform', async () => {
    const unknown = () =>
      Promise.reject(new AttestationError(ErrorCode.HTTP_REQUEST_FAILED, 'unknown', { status: 404 }));
    const answer = await statusOf(createVerifierService(tdxOptions(unknown)), evidence);
    expect(answer).toEqual({ status: 200, ear: 'contraindicated', code: 'ERR_COLLATERAL_MISSING' });
  });

  it('believes nothing of what was fetched before it is verified', async () => {
    const { collateral } = machine.verification as { collateral: TdxCollateral };
    const changed = { ...collateral, tcbInfo: collateral.tcbInfo.replace('UpToDate', 'Revoked') };
    const service = createVerifierService(tdxOptions(async () => changed));
    expect(await statusOf(service, evidence)).toMatchObject({
      ear: 'contraindicated',
      code: 'ERR_COLLATERAL_SIGNATURE',
    });
    const broken = createVerifierService(tdxOptions(async () => ({}) as TdxCollateral));
    expect(await statusOf(broken, evidence)).toEqual({ status: 500, code: 'ERR_INTERNAL' });
  });
});
