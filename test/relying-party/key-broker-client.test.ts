import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AttestationClient } from '../../lib/index.js';
import {
  createKeyBroker,
  KeyBrokerClient,
  type KeyBrokerOptions,
  memoryReplayStore,
} from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

const URL_OF_BROKER = 'https://broker.example';
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
  secret: Buffer.alloc(32, 8),
  store: memoryReplayStore(),
  ...cvm.verification,
  allowAnyMachine: true,
  chain,
  resources: ({ tag }) => (tag === 'none' ? undefined : new TextEncoder().encode(`value of ${tag}`)),
  ...more,
});

describe('KeyBrokerClient', () => {
  const fetchOf =
    (broker: Handler): typeof fetch =>
    (input, init) =>
      broker(new Request(input as URL, init));

  it.each(['EC', 'RSA'] as const)(
    'gets a resource with a key of kind %s, and attests once for several',
    async (keyType) => {
      const broker = vi.fn(createKeyBroker(optionsOf()));
      const keys = new KeyBrokerClient({ url: URL_OF_BROKER, client, keyType, fetch: fetchOf(broker) });
      const values = await Promise.all(['one', 'two'].map((tag) => keys.getResource(`default/key/${tag}`)));
      expect(values.map((value) => new TextDecoder().decode(value))).toEqual(['value of one', 'value of two']);
      expect(new TextDecoder().decode(await keys.getResource('kbs:///default/key/three'))).toBe('value of three');
      const attests = broker.mock.calls.filter(([request]) => request.url.endsWith('/attest'));
      expect(attests).toHaveLength(1);
    },
  );

  it('attests again when its session is over', async () => {
    const broker = createKeyBroker(optionsOf());
    const another = createKeyBroker(optionsOf({ name: 'https://after-a-change.example' }));
    let current = broker;
    const keys = new KeyBrokerClient({ url: URL_OF_BROKER, client, fetch: fetchOf((request) => current(request)) });
    await keys.getResource('default/key/one');
    current = another;
    expect(new TextDecoder().decode(await keys.getResource('default/key/two'))).toBe('value of two');
  });

  it('lets a call that begins while another attests wait for the same session', async () => {
    const statuses: string[] = [];
    const broker = createKeyBroker(optionsOf());
    let challenged = (): void => {};
    const isChallenged = new Promise<void>((resolve) => {
      challenged = resolve;
    });
    const slow = {
      getEvidence: async (options: Parameters<AttestationClient['getEvidence']>[0]) => {
        challenged();
        await new Promise((resolve) => setTimeout(resolve, 20));
        return client.getEvidence(options);
      },
    };
    const keys = new KeyBrokerClient({
      url: URL_OF_BROKER,
      client: slow,
      fetch: fetchOf(async (request) => {
        const response = await broker(request);
        statuses.push(`${new URL(request.url).pathname.split('/')[3]} ${response.status}`);
        return response;
      }),
    });
    const first = keys.getResource('default/key/one');
    await isChallenged;
    const values = await Promise.all([first, keys.getResource('default/key/two')]);
    expect(values.map((value) => new TextDecoder().decode(value))).toEqual(['value of one', 'value of two']);
    expect(statuses).toEqual(['auth 200', 'attest 200', 'resource 200', 'resource 200']);
  });

  it('attests once for calls that share an old session, whichever is refused last', async () => {
    const broker = createKeyBroker(optionsOf());
    const another = createKeyBroker(optionsOf({ name: 'https://after-a-change.example' }));
    let [current, attests] = [broker, 0];
    const keys = new KeyBrokerClient({
      url: URL_OF_BROKER,
      client,
      fetch: fetchOf(async (request) => {
        if (request.url.endsWith('/attest')) attests++;
        const response = await current(request);
        // The refusal of this one comes when the other call has a new session.
        if (response.status === 401 && request.url.endsWith('/late')) await other;
        return response;
      }),
    });
    await keys.getResource('default/key/one');
    [current, attests] = [another, 0];
    const late = keys.getResource('default/key/late');
    const other = keys.getResource('default/key/two');
    await expect(Promise.all([late, other])).resolves.toHaveLength(2);
    expect(attests).toBe(1);
  });

  it('ends the wait of a caller who gives up, and the attestation when all have', async () => {
    const broker = createKeyBroker(optionsOf());
    let [begun, answer, ended] = [(): void => {}, (): void => {}, false];
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const fetchFunction: typeof fetch = async (input, init) => {
      init?.signal?.addEventListener('abort', () => {
        ended = true;
      });
      begun();
      await held;
      init?.signal?.throwIfAborted();
      return broker(new Request(input as URL, init));
    };
    const keys = new KeyBrokerClient({ url: URL_OF_BROKER, client, fetch: fetchFunction });
    const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()];
    const one = keys.getResource('default/key/one', { signal: first.signal });
    const two = keys.getResource('default/key/two', { signal: second.signal });
    await hasBegun;
    first.abort();
    await expect(one).rejects.toMatchObject({ name: 'AbortError' });
    expect(ended).toBe(false);
    second.abort();
    await expect(two).rejects.toMatchObject({ name: 'AbortError' });
    expect(ended).toBe(true);
    const three = keys.getResource('default/key/three', { signal: third.signal });
    const four = keys.getResource('default/key/four');
    third.abort();
    answer();
    await expect(three).rejects.toMatchObject({ name: 'AbortError' });
    expect(new TextDecoder().decode(await four)).toBe('value of four');
  });

  it.each([
    ['https://b.example/team-a/', 'https://b.example/team-a/kbs/v0/auth'],
    ['https://b.example//other.example', 'https://b.example//other.example/kbs/v0/auth'],
    ['https://b.example', 'https://b.example/kbs/v0/auth'],
  ])('asks below the path of %s', async (url, asked) => {
    const fetchFunction = vi.fn(() => Promise.reject(new Error('away')));
    const keys = new KeyBrokerClient({ url, client, fetch: fetchFunction });
    await expect(keys.getResource('a/b/c')).rejects.toMatchObject({ code: 7 });
    expect(String((fetchFunction.mock.calls as unknown[][])[0]?.[0])).toBe(asked);
  });

  it.each([
    'https://b.example/?x=1',
    'https://b.example/#x',
    'https://me:secret@b.example',
    'https://b.example/kbs/v0/',
  ])('refuses the address %s, of which something would be dropped', (url) => {
    const wrong = expect.objectContaining({ code: 8, message: expect.not.stringContaining('secret') });
    expect(() => new KeyBrokerClient({ url, client })).toThrow(wrong);
  });

  it('says what the broker refuses', async () => {
    const broker = createKeyBroker(optionsOf({ resourcePolicies: { 'default/*/*': () => true } }));
    const keys = new KeyBrokerClient({ url: URL_OF_BROKER, client, fetch: fetchOf(broker) });
    await expect(keys.getResource('default/key/none')).rejects.toMatchObject({ code: 'ERR_KBS_NOT_FOUND' });
    await expect(keys.getResource('other/key/one')).rejects.toMatchObject({ code: 'ERR_KBS_POLICY' });
    const strict = createKeyBroker(optionsOf({ policy: { measurement: '00'.repeat(48) } }));
    const refused = new KeyBrokerClient({ url: URL_OF_BROKER, client, fetch: fetchOf(strict) });
    await expect(refused.getResource('a/b/c')).rejects.toMatchObject({ code: 'ERR_KBS_UNAUTHENTICATED' });
    await expect(keys.getResource('../x')).rejects.toMatchObject({ code: 8 });
    expect(() => new KeyBrokerClient({ url: 'http://broker.example', client })).toThrow(/https/);
  });

  it('refuses an answer that is not encrypted to its key, is not JSON or has no end', async () => {
    const broker = createKeyBroker(optionsOf());
    const answers = [
      [() => Response.json({ ciphertext: 'AA' }), { code: 'ERR_KBS_RESPONSE' }],
      [() => new Response('<html>'), { code: 16 }],
      [() => new Response(new Uint8Array(17 << 20)), { code: 7 }],
      [() => Response.json({}, { status: 500 }), { code: 5 }],
    ] as const;
    for (const [answer, code] of answers) {
      const fetchFunction: typeof fetch = async (input, init) =>
        String(input).includes('/resource/') ? answer() : broker(new Request(input as URL, init));
      const keys = new KeyBrokerClient({ url: URL_OF_BROKER, client, fetch: fetchFunction });
      await expect(keys.getResource('default/key/one')).rejects.toMatchObject(code);
    }
  });
});
