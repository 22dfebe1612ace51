import { describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../lib/base/logger.js';
import {
  HTTP_RETRIES,
  type HttpSettings,
  retryDelay,
  retryOnOverload,
  retrySettings,
  sendWithRetry,
} from '../../lib/http/retry.js';
import type { HttpAnswer, Transport } from '../../lib/http/transport.js';
import { HttpError } from '../../lib/http/transport.js';

const request = { method: 'GET', url: new URL('https://attest.example/') } as const;
const answer = (status: number, headers = {}): HttpAnswer => ({ status, headers, body: Buffer.alloc(0) });

function settings(transport: Transport, retry = {}): HttpSettings {
  return {
    transport,
    limits: { connectTimeoutMs: 1, timeoutMs: 1, maxBodyBytes: 1 },
    retry: retrySettings({ baseDelayMs: 1, jitter: 0, ...retry }),
    retryOn: retryOnOverload,
    logger: silentLogger,
  };
}

describe('a repeated request', () => {
  it.each([408, 429, 500, 503, 599])('follows status %i until there is another', async (status) => {
    const statuses = [status, status, 200];
    const transport = vi.fn(async () => answer(statuses.shift() ?? 0));
    expect((await sendWithRetry(settings(transport), request)).status).toBe(200);
    expect(transport).toHaveBeenCalledTimes(3);
  });

  it.each([200, 204, 302, 400, 401, 404])('does not follow status %i', async (status) => {
    const transport = vi.fn(async () => answer(status));
    expect((await sendWithRetry(settings(transport), request)).status).toBe(status);
    expect(transport).toHaveBeenCalledTimes(1);
  });

  it('comes as often as configured, and its last answer is handed back', async () => {
    for (const retries of [0, 1, 3]) {
      const transport = vi.fn(async () => answer(503));
      expect((await sendWithRetry(settings(transport, { retries }), request)).status).toBe(503);
      expect(transport).toHaveBeenCalledTimes(1 + retries);
    }
  });

  it('does not follow a failure without an answer', async () => {
    const transport = vi.fn(() => Promise.reject(new HttpError('unreachable', 'no')));
    await expect(sendWithRetry(settings(transport), request)).rejects.toMatchObject({ reason: 'unreachable' });
    expect(transport).toHaveBeenCalledTimes(1);
  });

  it('is not waited for once the signal aborts', async () => {
    const controller = new AbortController();
    const sent = sendWithRetry(
      settings(async () => answer(503), { baseDelayMs: 60_000 }),
      request,
      controller.signal,
    );
    setTimeout(() => controller.abort(), 20);
    await expect(sent).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('an outage that is waited out', () => {
  const patient = (transport: Transport, retry = {}): HttpSettings => ({
    ...settings(transport, retry),
    retry: retrySettings({ jitter: 0, ...retry }, HTTP_RETRIES.metadata.defaults),
    retryOn: HTTP_RETRIES.metadata.retryOn,
    retryFailures: true,
  });

  /** Runs with a clock that goes as fast as the timers are waited for. */
  async function onFastClock<T>(work: () => Promise<T>): Promise<T> {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const result = work();
      result.catch(() => {});
      await vi.runAllTimersAsync();
      return await result;
    } finally {
      vi.useRealTimers();
    }
  }

  it.each<[string, () => Promise<HttpAnswer>]>([
    ['410', async () => answer(410)],
    ['429', async () => answer(429)],
    ['503', async () => answer(503)],
    ['a cut connection', () => Promise.reject(new HttpError('unreachable', 'cut'))],
    ['no answer', () => Promise.reject(new HttpError('timeout', 'late'))],
  ])('lasts up to 70 s by default: %s', async (_, away) => {
    await onFastClock(async () => {
      const back = performance.now() + 70_000;
      const transport = vi.fn(async () => (performance.now() < back ? away() : answer(200)));
      expect((await sendWithRetry(patient(transport), request)).status).toBe(200);
      expect(transport.mock.calls.length).toBeLessThan(25);
    });
  });

  it('counts a 404 only for a document that must exist', async () => {
    const statuses = [404, 200];
    const transport = vi.fn(async () => answer(statuses.shift() ?? 0));
    expect((await sendWithRetry(patient(transport, { baseDelayMs: 1 }), { ...request, required: true })).status).toBe(
      200,
    );
    const missing = vi.fn(async () => answer(404));
    expect((await sendWithRetry(patient(missing), request)).status).toBe(404);
    expect(missing).toHaveBeenCalledTimes(1);
  });

  it('is not waited out for a POST that changes something, and is for one that does not', async () => {
    const post = { ...request, method: 'POST' } as const;
    const cut = vi.fn(() => Promise.reject(new HttpError('unreachable', 'cut')));
    await expect(sendWithRetry(patient(cut), post)).rejects.toMatchObject({ reason: 'unreachable' });
    expect(cut).toHaveBeenCalledTimes(1);
    let sent = 0;
    const once = async (): Promise<HttpAnswer> => {
      sent++;
      if (sent === 1) throw new HttpError('unreachable', 'cut');
      return answer(200);
    };
    expect((await sendWithRetry(patient(once, { baseDelayMs: 1 }), { ...post, repeatable: true })).status).toBe(200);
  });

  it('is bounded by the number of repetitions where that is given', async () => {
    const away = vi.fn(async () => answer(410));
    expect((await sendWithRetry(patient(away, { retries: 2, baseDelayMs: 1 }), request)).status).toBe(410);
    expect(away).toHaveBeenCalledTimes(3);
  });
});

describe('the wait', () => {
  const retry = retrySettings({ baseDelayMs: 100, maxDelayMs: 500, jitter: 0, maxRetryAfterMs: 2_000 });

  it('doubles up to its limit', () => {
    expect([0, 1, 2, 3, 60].map((attempt) => retryDelay(retry, attempt))).toEqual([100, 200, 400, 500, 500]);
  });

  it('is as long as Retry-After asks, in seconds or as a date, within its limit', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(retryDelay(retry, 0, '1', now)).toBe(1_000);
    expect(retryDelay(retry, 0, 'Thu, 01 Jan 2026 00:00:02 GMT', now)).toBe(2_000);
    expect(retryDelay(retry, 0, 'Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(100);
    for (const year of ['31536000', '9'.repeat(400), 'Fri, 01 Jan 2027 00:00:00 GMT']) {
      expect(retryDelay(retry, 0, year, now)).toBe(2_000);
    }
    for (const nonsense of ['', 'soon', '-5', '1.5e9x']) expect(retryDelay(retry, 0, nonsense, now)).toBe(100);
  });

  it('is lengthened by chance, by no more than the jitter', () => {
    const jittery = { ...retry, jitter: 0.5 };
    const waits = Array.from({ length: 200 }, () => retryDelay(jittery, 0));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...waits)).toBeLessThanOrEqual(150);
    expect(new Set(waits).size).toBeGreaterThan(100);
  });

  it.each([
    { retries: -1 },
    { retries: 1.5 },
    { retries: 101 },
    { jitter: 2 },
    { baseDelayMs: Number.NaN },
    { maxDelayMs: '1' },
  ])('refuses %o', (options) => {
    expect(() => retrySettings(options as object)).toThrow(expect.objectContaining({ code: 8 }));
  });
});
