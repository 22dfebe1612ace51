// What having a key released costs beside its parts: an attestation, the exchange with the vault, and one RSA_Decrypt.
//
// The exchange is the recorded request, by node:https on a connection of its own, from before connecting to the last byte,
// the vault's work included; the decryption is the commands of the release that an attestation has not, byte for byte, by a
// bare C program over the same TCTI. Access token and signing keys are kept from before, as they are in a program that runs.
import https from 'node:https';
import { AttestationClient } from '../dist/index.js';
import { LineProgram, nativeProgram } from './_native.mjs';
import { startSimulatedCvm } from './_simulated-cvm.mjs';
import { interleaved, median, summary } from './measure.mjs';

const ROUNDS = 61;
const WARM_UP = 10;

export async function run() {
  const cvm = await startSimulatedCvm();
  const { attestationUrl, wiring, vault } = cvm;
  const keyVault = { allowedHosts: [vault.host], trustedRoots: vault.trustedRoots };
  const client = new AttestationClient({ ...wiring, keyVault });
  const loop = new LineProgram(nativeProgram('tpm_loop'), [wiring.tcti]);
  try {
    const attest = () => client.attest({ attestationUrl, clientPayload: { nonce: 'bench' } });
    const release = async () => {
      (await client.releaseKey({ vaultUrl: vault.url, keyName: 'bench', attestationUrl })).free();
    };
    await release();
    const decryption = await commandsOf(cvm, release);
    const line = `1 ${decryption.map(([, command]) => command).join(' ')}`;
    const request = await cvm.call('lastRelease');
    const { times, quiet } = await interleaved(
      {
        release: () => wallTime(release),
        attest: () => wallTime(attest),
        http: () => wallTime(() => exchange(vault, request)),
        decrypt: async () => {
          const nanoseconds = await loop.ask(line);
          if (!/^\d+$/.test(nanoseconds)) throw new Error(nanoseconds);
          return Number(nanoseconds) / 1e6;
        },
      },
      { rounds: ROUNDS, warmUp: WARM_UP },
    );
    const ms = (name) => `${median(times[name]).toFixed(1)} ms`;
    return {
      title: 'Released keys against a simulated vault',
      rows: [
        {
          question: 'releaseKey() against attest(), its HTTP exchange and one RSA_Decrypt as raw bytes',
          ...summary(
            times.release.map(
              (whole, round) => whole / (times.attest[round] + times.http[round] + times.decrypt[round]),
            ),
          ),
          quiet,
          atMost: 1.15,
          details: `${ms('release')} against ${ms('attest')} + ${ms('http')} + ${ms('decrypt')} (${decryption.map(([name]) => name).join(' ')})`,
        },
      ],
    };
  } finally {
    loop.close();
    await client.close();
    await cvm.stop();
  }
}

/** The commands of a release from the last policy on: what decrypts the transport key. */
async function commandsOf(cvm, release) {
  await cvm.call('startTrace');
  await release();
  const commands = await cvm.call('stopTrace');
  const decryptions = commands.flatMap(([name], at) => (name === 'RSA_Decrypt' ? [at] : []));
  const [first = 0] = decryptions.slice(-2);
  return commands.slice(first + 1);
}

async function wallTime(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function exchange({ url, trustedRoots }, { path, authorization, body }) {
  return new Promise((resolve, reject) => {
    const headers = { authorization, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const request = https.request(
      new URL(path, url),
      { method: 'POST', headers, ca: trustedRoots, agent: new https.Agent() },
      (answer) => {
        if (answer.statusCode !== 200) reject(new Error(`the vault answered ${answer.statusCode}`));
        answer.resume();
        answer.once('end', resolve);
      },
    );
    request.once('error', reject);
    request.end(body);
  });
}
