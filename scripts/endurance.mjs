// Many attestations and decryptions in a row on one client: nothing may grow.
//
//   node --expose-gc scripts/endurance.mjs [--attests 200] [--decrypts 2000] [--json]
//
// Exits with 1 when TPM handles, file descriptors or memory grew between the first quarter and the end.
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startSimulatedCvm } from '../bench/_simulated-cvm.mjs';
import { AttestationClient, encrypt } from '../dist/index.js';

/** The heap breathes; a leak of a kilobyte a call would be 2 MiB over the second three quarters of the decryptions. */
const ALLOWED_GROWTH_MIB = 4;

const { values } = parseArgs({
  options: {
    attests: { type: 'string', default: '200' },
    decrypts: { type: 'string', default: '2000' },
    json: { type: 'boolean', default: false },
  },
});

const cvm = await startSimulatedCvm();
const { attestationUrl, wiring } = cvm;
const client = new AttestationClient(wiring);
const phases = [];
try {
  const attest = () => client.attest({ attestationUrl, clientPayload: { nonce: randomBytes(8).toString('hex') } });
  const data = randomBytes(100);
  const { encryptedData } = await encrypt(await attest(), data, { type: 'None' });
  phases.push(await repeat('attest', Number(values.attests), attest));
  phases.push(
    await repeat('decrypt', Number(values.decrypts), async () => {
      const decrypted = await client.decrypt(encryptedData, { type: 'None' });
      if (!decrypted.equals(data)) throw new Error('wrong plaintext');
      client.free(decrypted);
    }),
  );
  await client.close();
  const left = await cvm.call('loadedHandles');
  phases.push({ name: 'left in the TPM after close()', ok: left.transient.length + left.sessions.length === 0, left });
} finally {
  await client.close();
  await cvm.stop();
}

const ok = phases.every((phase) => phase.ok);
if (values.json) console.log(JSON.stringify({ ok, phases }));
else for (const { name, ok, ...facts } of phases) console.log(ok ? '✓' : '✗', name, JSON.stringify(facts));
process.exitCode = ok ? 0 : 1;

/** Runs a call many times, and compares what is held after the first quarter with what is held at the end. */
async function repeat(name, count, call) {
  const started = performance.now();
  const quarter = Math.ceil(count / 4);
  for (let i = 0; i < quarter; i++) await call();
  const early = await held();
  for (let i = quarter; i < count; i++) await call();
  const late = await held();
  const seconds = (performance.now() - started) / 1000;
  const ok =
    late.handles === early.handles &&
    late.descriptors <= early.descriptors &&
    late.memoryMiB - early.memoryMiB <= ALLOWED_GROWTH_MIB;
  return { name, ok, count, perSecond: Number((count / seconds).toFixed(1)), early, late };
}

async function held() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  const { transient, sessions } = await cvm.call('loadedHandles');
  return {
    handles: transient.length + sessions.length,
    descriptors: readdirSync('/proc/self/fd').length,
    memoryMiB: Math.round(((heapUsed + external) / 2 ** 20) * 10) / 10,
    rssMiB: Math.round(rss / 2 ** 20),
  };
}
