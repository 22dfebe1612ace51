// ends-with-client.mjs PACKAGE SOCKET: claims with a replica that is missing, closes its client, claims again. It must end.
import { redisReplayStore } from '../../dist/relying-party/index.js';

const [name, path] = process.argv.slice(2);
const { createClient, Redis } = await import(name);
const client = name === 'redis' ? createClient({ socket: { path } }) : new Redis({ path });
client.on('error', () => {});
if (name === 'redis') await client.connect();
const store = redisReplayStore(client, { replicas: 1, deadlineMs: 300 });
const claim = (key) => store.claim(key, 10_000).catch(({ code }) => code);
console.log(await claim('challenge:1'));
const ended = new Promise((resolve) => client.once('end', resolve));
if (name === 'redis') client.destroy();
else client.disconnect();
await ended;
console.log(await claim('challenge:2'));
