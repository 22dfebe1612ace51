import { createHash, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import { type FlattenedJWE, flattenedDecrypt } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AttestationClient, exportTrusteeEvidence } from '../../lib/index.js';
import {
  createKeyBroker,
  KeyBrokerClient,
  type KeyBrokerOptions,
  memoryReplayStore,
} from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

const URL_OF_BROKER = 'https://broker.example';
const secret = Buffer.alloc(32, 8);
const PCRS = Array.from({ length: 24 }, (_, index) => index);
type Handler = (request: Request) => Promise<Response>;

let cvm: SimulatedCvm;
let client: AttestationClient;
let chain: string;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = cvm.client();
  const { certificates } = await client.getEvidence();
  chain = String(certificates?.chain);
});
afterAll(async () => {
  await client.close();
  await cvm.stop();
});

const optionsOf = (more: Partial<KeyBrokerOptions> = {}): KeyBrokerOptions => ({
  name: URL_OF_BROKER,
  secret,
  store: memoryReplayStore(),
  ...cvm.verification,
  allowAnyMachine: true,
  chain,
  resources: ({ tag }) => (tag === 'none' ? undefined : new TextEncoder().encode(`value of ${tag}`)),
  ...more,
});

interface Step {
  status: number;
  body: Record<string, unknown>;
  cookie: string;
  setCookie: string;
}

async function send(
  broker: Handler,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Step> {
  const response = await broker(
    new Request(`${URL_OF_BROKER}/kbs/v0/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }),
  );
  const setCookie = response.headers.get('set-cookie') ?? '';
  const json = (await response.json()) as Record<string, unknown>;
  return { status: response.status, body: json, setCookie, cookie: setCookie.split(';')[0] ?? '' };
}

const auth = (broker: Handler): Promise<Step> =>
  send(broker, 'auth', { version: '0.4.0', tee: 'az-snp-vtpm', 'extra-params': {} });

interface Guest {
  privateKey: KeyObject;
  jwk: JsonWebKey & { alg: string };
}

const guestKey = (kind: 'EC' | 'RSA' = 'EC', curve = 'P-256'): Guest => {
  const pair =
    kind === 'EC'
      ? generateKeyPairSync('ec', { namedCurve: curve })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  const alg = kind === 'EC' ? 'ECDH-ES+A256KW' : 'RSA-OAEP-256';
  return { privateKey: pair.privateKey, jwk: { ...pair.publicKey.export({ format: 'jwk' }), alg } };
};

/** SHA-384 over the canonical JSON, written out by hand for these three members. */
function bound(nonce: string, jwk: object, additional = '{}'): Buffer {
  const sorted = Object.fromEntries(Object.entries(jwk).sort(([one], [other]) => (one < other ? -1 : 1)));
  const text = `{"additional-evidence":${JSON.stringify(additional)},"nonce":${JSON.stringify(nonce)},"tee-pubkey":${JSON.stringify(sorted)}}`;
  return createHash('sha384').update(text).digest();
}

async function attestation(
  nonce: string,
  guest: Guest,
  data = bound(nonce, guest.jwk),
): Promise<Record<string, unknown>> {
  const evidence = await client.getEvidence({ nonce: data, userData: data, pcrs: PCRS });
  return {
    'runtime-data': { nonce, 'tee-pubkey': guest.jwk },
    'tee-evidence': { primary_evidence: JSON.parse(exportTrusteeEvidence(evidence)), additional_evidence: '{}' },
  };
}

async function attested(broker: Handler, guest = guestKey()): Promise<Step> {
  const challenge = await auth(broker);
  const body = await attestation(String(challenge.body.nonce), guest);
  return send(broker, 'attest', body, { cookie: challenge.cookie });
}

describe('createKeyBroker', () => {
  it('speaks the exchanges of the protocol 0.4', async () => {
    const broker = createKeyBroker(optionsOf());
    const guest = guestKey();
    const challenge = await auth(broker);
    expect(challenge.status).toBe(200);
    expect(challenge.body).toEqual({ nonce: expect.stringMatching(/^[\w-]{76}$/), 'extra-params': {} });
    expect(challenge.setCookie).toMatch(
      /^kbs-session-id=[\w-]+; HttpOnly; SameSite=Strict; Path=\/kbs\/v0; Max-Age=300; Secure$/,
    );
    const body = await attestation(String(challenge.body.nonce), guest);
    const answer = await send(broker, 'attest', body, { cookie: challenge.cookie });
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.body)).toEqual(['token']);
    const resource = await send(broker, 'resource/default/key/one', undefined, { cookie: answer.cookie });
    expect(resource.status).toBe(200);
    expect(Object.keys(resource.body)).toEqual(['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag']);
    const header = JSON.parse(Buffer.from(String(resource.body.protected), 'base64url').toString());
    expect(header).toMatchObject({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM', epk: { kty: 'EC', crv: 'P-256' } });
    const { plaintext } = await flattenedDecrypt(resource.body as unknown as FlattenedJWE, guest.privateKey);
    expect(new TextDecoder().decode(plaintext)).toBe('value of one');
  });

  it('answers on any replica, and takes its own token in place of the cookie', async () => {
    const store = memoryReplayStore();
    const [one, two] = [createKeyBroker(optionsOf({ store })), createKeyBroker(optionsOf({ store }))];
    const challenge = await auth(one);
    const body = await attestation(String(challenge.body.nonce), guestKey());
    const answer = await send(two, 'attest', body, { cookie: challenge.cookie });
    const bearer = { authorization: `Bearer ${answer.body.token}` };
    expect((await send(one, 'resource/default/key/one', undefined, bearer)).status).toBe(200);
    expect((await send(two, 'resource/default/key/one', undefined, { authorization: 'Bearer x.y.z' })).status).toBe(
      401,
    );
  });

  it.each([
    ['RSA', undefined],
    ['EC', 'P-384'],
    ['EC', 'P-521'],
  ] as const)('encrypts to a key of kind %s %s', async (kind, curve) => {
    const broker = createKeyBroker(optionsOf());
    const guest = guestKey(kind, curve);
    const { cookie, status } = await attested(broker, guest);
    expect(status).toBe(200);
    const resource = await send(broker, 'resource/default/key/one', undefined, { cookie });
    const { plaintext } = await flattenedDecrypt(resource.body as unknown as FlattenedJWE, guest.privateKey);
    expect(new TextDecoder().decode(plaintext)).toBe('value of one');
  });

  it.each(['P-256', 'P-384', 'P-521'])('authenticates the header that trustee’s types write, for %s', async (curve) => {
    const broker = createKeyBroker(optionsOf());
    const { cookie } = await attested(broker, guestKey('EC', curve));
    const { body } = await send(broker, 'resource/default/key/one', undefined, { cookie });
    const text = Buffer.from(String(body.protected), 'base64url').toString();
    const { alg, enc, epk } = JSON.parse(text);
    const { crv, kty, x, y } = epk;
    expect(text).toBe(JSON.stringify({ alg, enc, epk: { crv, kty, x, y } }));
    expect(Object.keys(epk)).toHaveLength(4);
  });

  it('lets nobody answer a nonce twice, on whichever replica', async () => {
    const store = memoryReplayStore();
    const [one, two] = [createKeyBroker(optionsOf({ store })), createKeyBroker(optionsOf({ store }))];
    const challenge = await auth(one);
    const body = await attestation(String(challenge.body.nonce), guestKey());
    expect((await send(one, 'attest', body, { cookie: challenge.cookie })).status).toBe(200);
    expect(await send(two, 'attest', body, { cookie: challenge.cookie })).toMatchObject({
      status: 401,
      body: { detail: expect.stringContaining('ERR_CHALLENGE_USED') },
    });
  });

  it('refuses evidence whose key, nonce or user data are not what it is bound to', async () => {
    const broker = createKeyBroker(optionsOf());
    const guest = guestKey();
    const challenge = await auth(broker);
    const nonce = String(challenge.body.nonce);
    const good = await attestation(nonce, guest);
    const ask = (body: unknown): Promise<Step> => send(broker, 'attest', body, { cookie: challenge.cookie });
    const otherKey = { ...good, 'runtime-data': { nonce, 'tee-pubkey': guestKey().jwk } };
    expect((await ask(otherKey)).body.detail).toMatch(/ERR_QUOTE_NONCE|ERR_/);
    const otherNonce = {
      ...good,
      'runtime-data': { nonce: String((await auth(broker)).body.nonce), 'tee-pubkey': guest.jwk },
    };
    expect((await ask(otherNonce)).status).toBe(401);
    expect((await ask(good)).status).toBe(200);
    // The report still has the user data of the exchange before.
    const another = await auth(broker);
    const stale = await client.getEvidence({ nonce: bound(String(another.body.nonce), guest.jwk), pcrs: PCRS });
    const evidence = { primary_evidence: JSON.parse(exportTrusteeEvidence(stale)), additional_evidence: '{}' };
    const body = { 'runtime-data': { nonce: another.body.nonce, 'tee-pubkey': guest.jwk }, 'tee-evidence': evidence };
    expect((await send(broker, 'attest', body, { cookie: another.cookie })).body.detail).toMatch(/ERR_/);
  });

  it('takes no version 2 as a version 1, and nothing older', async () => {
    const broker = createKeyBroker(optionsOf());
    const challenge = await auth(broker);
    const good = await attestation(String(challenge.body.nonce), guestKey());
    for (const version of [1, 0, undefined, '2', 3]) {
      const { primary_evidence: primary } = good['tee-evidence'] as { primary_evidence: object };
      const evidence = { primary_evidence: { ...primary, version }, additional_evidence: '{}' };
      const answer = await send(broker, 'attest', { ...good, 'tee-evidence': evidence }, { cookie: challenge.cookie });
      expect(answer).toMatchObject({
        status: 401,
        body: { detail: expect.stringContaining('ERR_KBS_EVIDENCE_VERSION') },
      });
    }
  });

  it.each([
    [
      'RSA of 1024 bits',
      () => ({
        ...generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }),
        alg: 'RSA-OAEP-256',
      }),
    ],
    ['RSA with another exponent', () => ({ ...guestKey('RSA').jwk, e: 'Aw' })],
    ['RSA with PKCS#1 v1.5', () => ({ ...guestKey('RSA').jwk, alg: 'RSA1_5' })],
    ['a point off the curve', () => ({ ...guestKey().jwk, y: Buffer.alloc(32, 1).toString('base64url') })],
    ['another curve', () => ({ ...guestKey('EC', 'secp256k1').jwk })],
    ['a private key', () => ({ ...guestKey().jwk, d: 'AQ' })],
    ['no key', () => undefined],
  ])('encrypts nothing to %s', async (_, key) => {
    const broker = createKeyBroker(optionsOf());
    const challenge = await auth(broker);
    const nonce = String(challenge.body.nonce);
    const body = {
      'runtime-data': { nonce, 'tee-pubkey': key() },
      'tee-evidence': { primary_evidence: { version: 2 } },
    };
    const answer = await send(broker, 'attest', body, { cookie: challenge.cookie });
    expect(answer).toMatchObject({ status: 401, body: { type: expect.stringMatching(/TeePubkey$/) } });
  });

  it('refuses a cookie of the wrong state, altered, twice, of another broker or policy, or of another secret', async () => {
    const store = memoryReplayStore();
    const broker = createKeyBroker(optionsOf({ store }));
    const challenge = await auth(broker);
    const { cookie } = await attested(broker);
    const get = (with_: string, from = broker): Promise<Step> =>
      send(from, 'resource/a/b/c', undefined, { cookie: with_ });
    expect((await get(cookie)).status).toBe(200);
    const value = Buffer.from(cookie.slice('kbs-session-id='.length), 'base64url');
    const altered = [0, 1, 40, value.length - 1].map((at) => {
      const copy = Buffer.from(value);
      copy[at] = (copy[at] as number) ^ 1;
      return `kbs-session-id=${copy.toString('base64url')}`;
    });
    for (const wrong of ['', 'kbs-session-id=', challenge.cookie, `${cookie}; ${cookie}`, `${cookie}A`, ...altered]) {
      expect(await get(wrong), wrong).toMatchObject({
        status: 401,
        body: { type: expect.stringMatching(/Unauthenticated$/) },
      });
    }
    expect((await send(broker, 'attest', {}, { cookie })).status).toBe(401);
    const others = [
      { name: 'https://other.example' },
      { policy: { ...cvm.verification.policy, minimumGuestSvn: 1 } },
      { secret: Buffer.alloc(32, 9) },
      { resourcePolicies: { '*/*/*': () => true } },
    ];
    for (const more of others) {
      expect((await get(cookie, createKeyBroker(optionsOf({ store, ...more })))).status).toBe(401);
    }
    const rotated = createKeyBroker(optionsOf({ store, secret: [Buffer.alloc(32, 9), secret] }));
    expect((await get(cookie, rotated)).status).toBe(200);
  });

  it('ends sessions with a change of what a policy’s function does, and shares them between replicas', async () => {
    const store = memoryReplayStore();
    const replica = (): Handler => createKeyBroker(optionsOf({ store, resourcePolicies: { '*/*/*': () => true } }));
    const { cookie } = await attested(replica());
    const changed = createKeyBroker(optionsOf({ store, resourcePolicies: { '*/*/*': () => Boolean(store) } }));
    expect((await send(replica(), 'resource/a/b/c', undefined, { cookie })).status).toBe(200);
    expect((await send(changed, 'resource/a/b/c', undefined, { cookie })).status).toBe(401);
  });

  it('ends a session after five minutes', async () => {
    const broker = createKeyBroker(optionsOf());
    const { cookie, body } = await attested(broker);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 300_001 });
    const [byCookie, byToken] = await Promise.all([
      send(broker, 'resource/a/b/c', undefined, { cookie }),
      send(broker, 'resource/a/b/c', undefined, { authorization: `Bearer ${body.token}` }),
    ]);
    vi.useRealTimers();
    expect([byCookie.status, byToken.status]).toEqual([401, 401]);
  });

  it('evaluates the policy of a path at every resource', async () => {
    let isOpen = true;
    const authority = {
      authority: URL_OF_BROKER,
      allOf: [{ claim: 'x-ms-isolation-tee.x-ms-sevsnpvm-vmpl', equals: 0 }],
    };
    const never = { authority: URL_OF_BROKER, allOf: [{ claim: 'secureboot', equals: 'maybe' }] };
    const resourcePolicies = {
      'default/key/one': { version: '1.0.0', anyOf: [authority] },
      'default/key/two': { version: '1.0.0', anyOf: [never] },
      'default/toggled/*': () => isOpen,
      'truthy/*/*': () => 'yes' as never,
    } as unknown as NonNullable<KeyBrokerOptions['resourcePolicies']>;
    const broker = createKeyBroker(optionsOf({ resourcePolicies }));
    const { cookie } = await attested(broker);
    const status = async (path: string): Promise<number> =>
      (await send(broker, `resource/${path}`, undefined, { cookie })).status;
    expect(await status('default/key/one')).toBe(200);
    expect(await status('default/key/two')).toBe(403);
    expect(await status('default/toggled/x')).toBe(200);
    isOpen = false;
    expect(await status('default/toggled/x')).toBe(403);
    expect(await status('truthy/a/b')).toBe(403);
    expect(await status('other/key/one')).toBe(403);
  });

  it('demands every policy that is about a resource, in whichever order', async () => {
    const [wide, narrow] = [{ '*/*/*': () => true }, { 'default/key/one': () => false }];
    const resourcePolicies = [
      { ...wide, ...narrow },
      { ...narrow, ...wide },
    ];
    for (const policies of resourcePolicies) {
      const broker = createKeyBroker(optionsOf({ resourcePolicies: policies }));
      const { cookie } = await attested(broker);
      const status = async (path: string): Promise<number> =>
        (await send(broker, `resource/${path}`, undefined, { cookie })).status;
      expect(await Promise.all(['default/key/one', 'default/key/two'].map(status))).toEqual([403, 200]);
    }
  });

  it('has no resource in any other place', async () => {
    const broker = createKeyBroker(optionsOf());
    const { cookie } = await attested(broker);
    const places = [
      'default/key',
      'default/key/one/more',
      'default/../one',
      'default/key/%2e%2e',
      'a//b',
      '.a/b/c',
      'a/b/none',
    ];
    for (const place of places) {
      expect((await send(broker, `resource/${place}`, undefined, { cookie })).status, place).toBe(404);
    }
  });

  it.each([
    ['another version', { version: '0.3.0', tee: 'az-snp-vtpm' }, 401],
    ['a version that only begins like it', { version: '0.41.0', tee: 'az-snp-vtpm' }, 401],
    ['another TEE', { version: '0.4.0', tee: 'sgx' }, 401],
    ['a TEE out of the prototype', { version: '0.4.0', tee: 'constructor' }, 401],
    [
      'hashes without SHA-384',
      { version: '0.4.0', tee: 'az-snp-vtpm', 'extra-params': { 'supported-hash-algorithms': ['sha512'] } },
      401,
    ],
    ['an array', [], 400],
    ['no JSON', '{', 400],
    ['a member twice', '{"version":"0.4.0","version":"0.4.0","tee":"az-snp-vtpm"}', 400],
    ['too much', `{"version":"${'x'.repeat(1 << 20)}"}`, 413],
  ])('refuses %s at auth', async (_, body, status) => {
    const answer = await send(createKeyBroker(optionsOf()), 'auth', body);
    expect(answer).toMatchObject({ status, body: { type: expect.any(String), detail: expect.any(String) } });
  });

  it('does not take a client that goes away in the middle of a body for a fault of its own', async () => {
    const error = vi.fn();
    const logger = { debug() {}, info() {}, warn() {}, error };
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error('aborted')) });
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit;
    const response = await createKeyBroker(optionsOf({ logger }))(new Request(`${URL_OF_BROKER}/kbs/v0/auth`, init));
    expect(response.status).toBe(400);
    expect(error).not.toHaveBeenCalled();
  });

  it('answers 503 when the replay store cannot be asked', async () => {
    const store = { claim: () => Promise.reject(new Error('gone')) };
    expect((await attested(createKeyBroker(optionsOf({ store })))).status).toBe(503);
  });

  it('demands a policy that names machines, not only their kind', () => {
    const refused = (more: object): void => {
      const options = { ...optionsOf(), ...more } as Partial<KeyBrokerOptions>;
      if (!('allowAnyMachine' in more)) delete options.allowAnyMachine;
      expect(() => createKeyBroker(options as KeyBrokerOptions)).toThrow(/name machines/);
    };
    refused({});
    refused({ allowAnyMachine: false });
    refused({ policy: { pcrs: { 4: '00'.repeat(32) } } });
    const pcrs = { 4: '00'.repeat(32), 7: '00'.repeat(32) };
    const { allowAnyMachine: _, ...named } = optionsOf({ policy: { ...cvm.verification.policy, pcrs } });
    expect(() => createKeyBroker(named)).not.toThrow();
  });

  it('refuses collateral that is neither collateral nor what fetches it, before anybody asks', () => {
    for (const collateral of [7, 'collateral.json', {}, { tcbInfo: 'x' }, null]) {
      expect(() => createKeyBroker({ ...optionsOf(), collateral } as unknown as KeyBrokerOptions)).toThrow(
        expect.objectContaining({ code: 8, message: expect.stringContaining('collateral') }),
      );
    }
  });
});

describe('a key broker and a TDX machine', () => {
  it('gives a resource to the machine by its TD quote and collateral', async () => {
    await using machine = await SimulatedCvm.start({ vmType: 'tdx' });
    await using guest = machine.client();
    const { chain: _, ...options } = optionsOf();
    const broker = createKeyBroker({ ...options, ...machine.verification } as KeyBrokerOptions);
    const fetchFunction: typeof fetch = (input, init) => broker(new Request(input as URL, init));
    const keys = new KeyBrokerClient({ url: URL_OF_BROKER, client: guest, fetch: fetchFunction });
    expect(new TextDecoder().decode(await keys.getResource('default/key/one'))).toBe('value of one');
  });
});
