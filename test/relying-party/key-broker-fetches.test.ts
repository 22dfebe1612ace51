import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AttestationClient, Evidence } from '../../lib/index.js';
import {
  createKeyBroker,
  KeyBrokerClient,
  type KeyBrokerOptions,
  memoryReplayStore,
} from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

const URL_OF_BROKER = 'https://broker.example';

afterEach(() => {
  vi.useRealTimers();
});

/** Never answers, and lets the ten seconds pass that somebody waits for it. */
const silence = (): Promise<never> => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  setImmediate(() => vi.advanceTimersByTime(10_000));
  return new Promise(() => {});
};
const unreachable = (): Promise<never> => Promise.reject(new TypeError('fetch failed'));

describe.each(['tdx', 'snp'] as const)('a key broker that fetches for machines of %s', (vmType) => {
  let cvm: SimulatedCvm;
  let client: AttestationClient;
  let document: unknown;

  beforeAll(async () => {
    cvm = await SimulatedCvm.start({ vmType });
    client = cvm.client();
    document = vmType === 'tdx' ? cvm.tdxCollateral : String((await client.getEvidence()).certificates?.chain);
  });
  afterAll(async () => {
    await client.close();
    await cvm.stop();
  });

  const brokerThatAsks = (source: () => Promise<unknown>) => {
    const { collateral: _, ...verification } = cvm.verification;
    return createKeyBroker({
      name: URL_OF_BROKER,
      secret: Buffer.alloc(32, 8),
      store: memoryReplayStore(),
      ...verification,
      allowAnyMachine: true,
      resources: () => new TextEncoder().encode('value'),
      ...((vmType === 'tdx' ? { collateral: source } : { chain: { chain: source } }) as Partial<KeyBrokerOptions>),
    });
  };

  /** Status and body of the answer to `attest`. */
  async function attest(
    broker: (request: Request) => Promise<Response>,
    forge?: (evidence: Evidence) => void,
  ): Promise<{ status?: number; body?: unknown }> {
    const answer: { status?: number; body?: unknown } = {};
    const keys = new KeyBrokerClient({
      url: URL_OF_BROKER,
      client: {
        getEvidence: async (options) => {
          const evidence = await client.getEvidence(options);
          forge?.(evidence);
          return evidence;
        },
      },
      fetch: async (input, init) => {
        const response = await broker(new Request(input as URL, init));
        if (String(input).endsWith('/attest')) {
          Object.assign(answer, { status: response.status, body: await response.clone().json() });
        }
        return response;
      },
    });
    await keys.getResource('a/b/c').catch(() => {});
    return answer;
  }

  it('asks for nothing when anything else is wrong', async () => {
    const source = vi.fn(async () => document);
    const broker = brokerThatAsks(source);
    const forge = (evidence: Evidence): void => {
      const signed = vmType === 'tdx' ? (evidence.tdQuote as Uint8Array) : evidence.hclReport;
      signed[0xc0] = (signed[0xc0] as number) ^ 1;
    };
    expect(await attest(broker, forge)).toMatchObject({ status: 401 });
    expect(source).not.toHaveBeenCalled();
    expect(await attest(broker)).toMatchObject({ status: 200 });
    expect(await attest(broker)).toMatchObject({ status: 200 });
    // A chain is the same for all machines of a product.
    expect(source).toHaveBeenCalledTimes(vmType === 'tdx' ? 2 : 1);
  });

  it.each([
    ['cannot be reached', unreachable],
    ['does not answer', silence],
  ])('answers 503 in the format of the protocol when its source %s', async (_, source) => {
    expect(await attest(brokerThatAsks(source))).toEqual({
      status: 503,
      body: { type: expect.stringMatching(/errors\/Unavailable$/), detail: 'try again' },
    });
  });
});
