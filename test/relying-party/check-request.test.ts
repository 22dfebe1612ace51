import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it, vi } from 'vitest';
import {
  attestationFetchGuard,
  attestationOf,
  type CheckRequestOptions,
  checkRequest,
  type FetchGuardOptions,
  fastifyAttestation,
  forwardAuth,
  memoryReplayStore,
  RefusedRequest,
  requireAttestation,
  type VerificationEvent,
} from '../../lib/relying-party/index.js';
import { guestClaims, ISSUER, jwkOf, NOW, rsaKeys, signToken, VM_ID } from '../token/issuer.js';

const keys = rsaKeys();
const options = { issuer: ISSUER, keys: { keys: [jwkOf(keys)] }, now: NOW };
const token = signToken(guestClaims(), keys.privateKey);
const proofOfPossession = { secret: new Uint8Array(32), store: memoryReplayStore(), origin: 'https://a.example' };
const bearer = ['Authorization', `Bearer ${token}`];

const refusalOf = async (work: Promise<unknown>): Promise<RefusedRequest> => {
  const refusal = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refusal).toBeInstanceOf(RefusedRequest);
  return refusal as RefusedRequest;
};

describe('checkRequest', () => {
  it('resolves with the claims of a bearer’s token where the deployment says so', async () => {
    const claims = await checkRequest(bearer, { ...options, bearer: true });
    expect(claims['x-ms-azurevm-vmid']).toBe(VM_ID);
  });

  it('takes raw headers, pairs and web Headers', async () => {
    const given = { ...options, bearer: true };
    for (const headers of [bearer, [bearer as [string, string]], new Headers([bearer as [string, string]])]) {
      await expect(checkRequest(headers, given)).resolves.toBeDefined();
    }
  });

  it('does not let a token alone through unless told: who sends it is not proven', async () => {
    const refusal = await refusalOf(checkRequest(bearer, options));
    expect(refusal).toMatchObject({ status: 401, code: 'ERR_PROOF_REQUIRED' });
    expect(JSON.parse(refusal.body).error.code).toBe('ERR_PROOF_REQUIRED');
    await refusalOf(checkRequest(bearer, { ...options, bearer: false }));
  });

  it.each([
    ['raw headers', [...bearer, ...bearer]],
    ['headers of another case', [...bearer, 'AUTHORIZATION', `Bearer ${token}`]],
    [
      'web Headers',
      new Headers([
        ['authorization', `Bearer ${token}`],
        ['authorization', 'Bearer x'],
      ]),
    ],
  ])('does not choose between two tokens in %s', async (_, headers) => {
    const refusal = await refusalOf(checkRequest(headers as string[], { ...options, bearer: true }));
    expect(refusal).toMatchObject({ status: 401, code: 'ERR_TOKEN_FORMAT' });
  });

  it('refuses a request without a token', async () => {
    const refusal = await refusalOf(checkRequest([], { ...options, bearer: true }));
    expect(refusal).toMatchObject({
      status: 401,
      code: 'ERR_TOKEN_MISSING',
      headers: { 'WWW-Authenticate': 'Bearer' },
    });
  });

  it.each([
    ['an object of headers', { authorization: `Bearer ${token}` }],
    ['half a pair', ['authorization']],
    ['nothing', undefined],
    ['numbers', [1, 2]],
  ])('refuses %s as headers: an error of the caller', async (_, headers) => {
    const work = checkRequest(headers as never, { ...options, bearer: true });
    await expect(work).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
  });

  it.each([
    ['a truthy bearer', { bearer: 'false' }],
    ['a lost bearer', { bearer: undefined }],
    ['a bearer where possession is to be proven', { bearer: true, proofOfPossession }],
    ['an issuer without a scheme', { issuer: 'sharedtest.attest.example' }],
    ['a lost proof of possession', { proofOfPossession: undefined }],
    [
      'a proof of possession without an origin',
      { proofOfPossession: { secret: Buffer.alloc(32), store: { claim() {} } } },
    ],
    ['a misspelt option', { baerer: true }],
  ])('refuses %s as an error of the caller', async (_, wrong) => {
    const given = { ...options, ...wrong } as unknown as CheckRequestOptions;
    await expect(checkRequest(bearer, given)).rejects.toMatchObject({ name: 'AttestationError', code: 8 });
    expect(() => requireAttestation(given)).toThrow(expect.objectContaining({ code: 8 }));
  });

  it('publishes every verification with its duration and code', async () => {
    const events: VerificationEvent[] = [];
    const listener = (event: unknown): void => void events.push(event as VerificationEvent);
    subscribe('cvm-guest-attestation:verification', listener);
    await checkRequest(bearer, { ...options, bearer: true });
    await refusalOf(checkRequest([], { ...options, bearer: true }));
    unsubscribe('cvm-guest-attestation:verification', listener);
    expect(events).toEqual([
      { operation: 'request', durationMs: expect.any(Number), ok: true },
      { operation: 'request', durationMs: expect.any(Number), ok: false, code: 'ERR_TOKEN_MISSING' },
    ]);
  });
});

describe('a guard on an attested channel', () => {
  const attestationKey = { kid: 'HCLAkPub', kty: 'RSA', n: 'AQAB', e: 'AQAB' };
  const withKeys = (keysOfToken: unknown): string[] => {
    const claims = guestClaims({}, { 'x-ms-runtime': { keys: keysOfToken } });
    return ['Authorization', `Bearer ${signToken(claims, keys.privateKey)}`];
  };

  it('lets a token through that is about the machine at the other end', async () => {
    const channel = { claims: { keys: [attestationKey] } };
    await expect(checkRequest(withKeys([attestationKey]), { ...options, channel })).resolves.toBeDefined();
    const padded = { ...attestationKey, n: 'AAEAAQ==' };
    await expect(checkRequest(withKeys([padded]), { ...options, channel })).resolves.toBeDefined();
  });

  it.each([
    ['of another machine', [{ ...attestationKey, n: 'AQAD' }]],
    ['with another exponent', [{ ...attestationKey, e: 'Aw' }]],
    ['with two attestation keys', [attestationKey, attestationKey]],
    ['without one', []],
    ['without keys', undefined],
    ['whose key is under another name', [{ ...attestationKey, kid: 'HCLEkPub' }]],
    ['whose key is empty', [{ ...attestationKey, n: '' }]],
  ])('does not let a token through %s', async (_, keysOfToken) => {
    const channel = { claims: { keys: [attestationKey] } };
    const refusal = await refusalOf(checkRequest(withKeys(keysOfToken), { ...options, channel }));
    expect(refusal).toMatchObject({ status: 401, code: 'ERR_CHANNEL_MACHINE' });
  });

  it.each([{}, { claims: {} }, { claims: { keys: [] } }, { claims: { keys: [{ ...attestationKey, n: undefined }] } }])(
    'does not let anybody through when the channel proved no key: %j',
    async (channel) => {
      await refusalOf(checkRequest(withKeys([attestationKey]), { ...options, channel: channel as never }));
    },
  );
});

describe('expect of a guard', () => {
  class Expectation {
    get nonce(): string {
      return '011510062022';
    }
  }
  it.each([
    ['undefined', undefined],
    ['null', null],
    ['false', false],
    ['a number', 7],
    ['a string', 'nonce'],
    ['an empty object', {}],
    ['a Map', new Map([['nonce', '011510062022']])],
    ['a getter on a prototype', new Expectation()],
    ['an own getter', Object.defineProperty({}, 'nonce', { get: () => '011510062022', enumerable: true })],
    ['a lost nonce', { nonce: undefined }],
    ['a nonce that is not text', { nonce: 5 }],
    ['an unknown name', { nonec: '011510062022' }],
    ['another issuer', { issuer: 'https://evil.example' }],
    ['an array', [{ nonce: '011510062022' }]],
    ['allowDebug', { allowDebug: true }],
    ['a relaxation beside an expectation', { nonce: '011510062022', allowMigration: true }],
    ['a demand that is off', { requireSecureBoot: false }],
    ['a longer age', { maxTokenAge: 1e9 }],
    ['other kinds of token', { attestationType: ['azurevm', 'sevsnpvm'] }],
    ['all kinds of hardware', { tee: ['snp', 'tdx'] }],
    ['an empty payload', { clientPayload: {} }],
    ['more statuses of TDX', { tdx: { acceptedTcbStatuses: ['OutOfDate'] } }],
    ['a demand on Windows that is off', { windows: { requireHvci: false } }],
  ])('that yields %s is an internal error, logged, and never a pass', async (_, yielded) => {
    const error = vi.fn();
    const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error };
    const onRefusal = vi.fn();
    const guard = attestationFetchGuard({
      ...options,
      bearer: true,
      logger,
      onRefusal,
      expect: () => yielded as never,
    });
    const request = new Request('http://localhost/', { headers: [bearer as [string, string]] });
    const response = await guard(request);
    expect(response?.status).toBe(500);
    expect(await response?.json()).toMatchObject({ error: { code: 'ERR_INTERNAL' } });
    expect(error).toHaveBeenCalledTimes(1);
    expect(onRefusal).toHaveBeenCalledWith(expect.objectContaining({ code: 'ERR_INTERNAL', status: 500 }), request);
    expect(attestationOf(request)).toBeUndefined();
  });

  it('that yields members of a payload leaves those that the guard demands', async () => {
    const payloads = [{ nonce: '011510062022' }, { tenant: 'another' }];
    const answers = payloads.map(async (clientPayload) => {
      const expectation = () => ({ clientPayload: { nonce: '011510062022' }, requireTpm: true, tee: 'snp' as const });
      const guard = attestationFetchGuard({ ...options, bearer: true, clientPayload, expect: expectation });
      const request = new Request('http://localhost/', { headers: [bearer as [string, string]] });
      return (await guard(request))?.headers.get('www-authenticate');
    });
    expect(await Promise.all(answers)).toEqual([undefined, expect.stringContaining('ERR_TOKEN_CLIENT_PAYLOAD')]);
  });
});

describe('onRefusal', () => {
  const incoming = { rawHeaders: [], url: '/', method: 'GET' } as never;
  const reply = { code: vi.fn(), header: vi.fn(), send: () => 401 } as never;
  const response = { setHeader: vi.fn(), end: vi.fn() } as never;
  const web = new Request('http://localhost/');
  const failures: [string, () => never | Promise<never>][] = [
    ['throws', () => expect.fail('log sink is down')],
    ['rejects', () => Promise.reject(new Error('log sink is down'))],
  ];
  const adapters: [string, (given: FetchGuardOptions) => Promise<unknown>][] = [
    ['requireAttestation', (given) => requireAttestation(given as never)(incoming, response)],
    ['fastifyAttestation', (given) => fastifyAttestation(given as never)({ raw: incoming }, reply)],
    ['attestationFetchGuard', (given) => attestationFetchGuard(given)(web)],
    ['forwardAuth', (given) => forwardAuth({ ...given, proxy: 'nginx' })(web)],
  ];

  it.each(adapters.flatMap(([name, answer]) => failures.map(([how, onRefusal]) => ({ name, how, answer, onRefusal }))))(
    'of $name that $how is logged and changes nothing, even when the logger fails',
    async ({ answer, onRefusal }) => {
      // A rejection that nobody handles would fail this run.
      const error = vi.fn(() => Promise.reject(new Error('so is the logger')) as never);
      const logger = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error };
      const answered = await answer({ ...options, bearer: true, onRefusal, logger });
      expect(answered).not.toBe(true);
      await vi.waitFor(() => expect(error).toHaveBeenCalledWith('onRefusal failed: log sink is down'));
    },
  );
});

describe('attestationFetchGuard', () => {
  const guard = attestationFetchGuard({ ...options, bearer: true });

  it('answers undefined for a request that passes, and a Response for one that does not', async () => {
    const request = new Request('http://localhost/', { headers: [bearer as [string, string]] });
    expect(await guard(request)).toBeUndefined();
    expect(attestationOf(request)?.['x-ms-azurevm-vmid']).toBe(VM_ID);
    const refused = await guard(new Request('http://localhost/'));
    expect(refused?.status).toBe(401);
    expect(refused?.headers.get('www-authenticate')).toBe('Bearer');
  });

  it('says what it takes when it is used with something else', () => {
    expect(() => guard({ headers: {}, url: '/' } as never)).toThrow(/requireAttestation/);
    expect(() => attestationFetchGuard(undefined as never)).toThrow(expect.objectContaining({ code: 8 }));
  });
});

describe('requireAttestation', () => {
  it.each([
    ['a web Request', new Request('http://localhost/')],
    ['a request of Fastify', { raw: { rawHeaders: [], url: '/' }, headers: {} }],
    ['nothing', undefined],
  ])('throws at once when it is given %s, so that nobody passes', (_, request) => {
    const guard = requireAttestation({ ...options, bearer: true });
    expect(() => guard(request as never, { setHeader: vi.fn() } as never)).toThrow(/fastifyAttestation/);
  });
});

describe('forwardAuth', () => {
  const ask = (headers: Record<string, string>): Request => new Request('http://auth.internal/', { headers });

  it('answers 200 with the identity of the machine', async () => {
    const handler = forwardAuth({ ...options, bearer: true, proxy: 'nginx' });
    const response = await handler(ask({ authorization: `Bearer ${token}`, 'attestation-vm-id': 'forged' }));
    expect(response.status).toBe(200);
    expect(response.headers.get('attestation-vm-id')).toBe(VM_ID);
    expect(response.headers.get('attestation-issuer')).toBe(ISSUER);
    expect(response.headers.get('attestation-tee')).toBe('sevsnpvm');
  });

  it('sets every identity header, so that none of the client’s is left', async () => {
    const claims = guestClaims({ 'x-ms-azurevm-vmid': 'line\nbreak' });
    const handler = forwardAuth({ ...options, bearer: true, proxy: 'nginx' });
    const response = await handler(ask({ authorization: `Bearer ${signToken(claims, keys.privateKey)}` }));
    expect(response.headers.get('attestation-vm-id')).toBe('-');
  });

  it('answers 401 otherwise', async () => {
    const onRefusal = vi.fn();
    const response = await forwardAuth({ ...options, bearer: true, proxy: 'envoy', onRefusal })(ask({}));
    expect(response.status).toBe(401);
    expect(onRefusal).toHaveBeenCalledTimes(1);
  });

  it.each([
    ['no proxy', { bearer: true }],
    ['a proxy that is not known', { bearer: true, proxy: 'haproxy' }],
    ['a prefix for nginx', { bearer: true, proxy: 'nginx', pathPrefix: '/auth' }],
    ['nothing that a request could pass by', { proxy: 'nginx' }],
    ['a bearer where possession is to be proven', { bearer: true, proofOfPossession, proxy: 'nginx' }],
  ])('is not made with %s', (_, wrong) => {
    expect(() => forwardAuth({ ...options, ...wrong } as never)).toThrow(expect.objectContaining({ code: 8 }));
  });
});
