import { describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../lib/base/logger.js';
import { type HttpSettings, retryDelay, retryOnOverload, retrySettings, sendWithRetry } from '../../lib/http/retry.js';
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
