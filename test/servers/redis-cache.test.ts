import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redisCache } from '../../lib/relying-party/index.js';
import { ioRedis, nodeRedis } from './packages.js';
import { RedisServer } from './redis-server.js';
import { outcome } from './refusal.js';

const server = new RedisServer('--save', '');
beforeAll(async () => void (await server.start()));
afterAll(() => server.remove());

describe('redisCache', () => {
  it('keeps any bytes for a time, and shares them between clients of both packages', async () => {
    const [one, other] = [await nodeRedis(server.path), await ioRedis(server.path)];
    const value = Uint8Array.from({ length: 256 }, (_, index) => index);
    await redisCache(one).set('vcek', value, 60_000);
    expect(await redisCache(other).get('vcek')).toEqual(value);
    expect(await redisCache(other).get('chain')).toBeUndefined();
    expect(Number(await server.cli('PTTL', 'cache:vcek'))).toBeGreaterThan(50_000);
    await redisCache(other, { prefix: 'x:' }).set('vcek', new Uint8Array(0), 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await redisCache(one, { prefix: 'x:' }).get('vcek')).toBeUndefined();
    one.destroy();
    other.disconnect();
  });

  it('takes what is not base64 for a miss, and is late rather than waiting', async () => {
    const client = await nodeRedis(server.path);
    await server.cli('SET', 'cache:odd', 'not base64!');
    expect(await redisCache(client).get('odd')).toBeUndefined();
    server.pause();
    expect(await outcome(redisCache(client, { deadlineMs: 100 }).get('odd'))).toBe('ERR_STORE_TIMEOUT');
    server.resume();
    client.destroy();
  });
});
