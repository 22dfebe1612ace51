// What an attestation costs beside its parts: the TPM commands that it needs and its two HTTP exchanges.
//
// The parts are those of a recorded attestation: the same commands byte for byte, sent by a bare C program over the same
// TCTI (its own clock: neither the pipe to it nor the parsing of its input counts), and the same two requests by
// node:http, each on a connection of its own, from before connecting to the last byte of the answer, the service's work
// included. They are added up; that attest() has some of them in progress at the same time is its own doing.
import http from 'node:http';
import { AttestationClient } from '../dist/index.js';
import { LineProgram, nativeProgram } from './_native.mjs';
import { startSimulatedCvm } from './_simulated-cvm.mjs';
import { interleaved, median, summary } from './measure.mjs';

const ROUNDS = 151;
const WARM_UP = 25;

export async function run() {
  const cvm = await startSimulatedCvm();
  const { attestationUrl, wiring } = cvm;
  const client = new AttestationClient(wiring);
  const loop = new LineProgram(nativeProgram('tpm_loop'), [wiring.tcti]);
  try {
    const attest = () => client.attest({ attestationUrl, clientPayload: { nonce: 'bench' } });
    await attest(); // makes the ephemeral key, which later ones find loaded
    await cvm.call('startTrace');
    await attest();
    const commands = await cvm.call('stopTrace');
    const body = await cvm.call('lastRequest');

    const line = `1 ${commands.map(([, command]) => command).join(' ')}`;
    const contenders = {
      attest: () => wallTime(attest),
      tpm: async () => {
        const nanoseconds = await loop.ask(line);
        if (!/^\d+$/.test(nanoseconds)) throw new Error(nanoseconds);
        return Number(nanoseconds) / 1e6;
      },
      http: () =>
        wallTime(async () => {
          await exchange(`${wiring.imdsUrl}/metadata/THIM/amd/certification`, { Metadata: 'true' });
          await exchange(
            `${attestationUrl}/attest/AzureGuest?api-version=2020-10-01`,
            { 'Content-Type': 'application/json' },
            body,
          );
        }),
    };
    const { times, quiet } = await interleaved(contenders, { rounds: ROUNDS, warmUp: WARM_UP });
    const ms = (name) => `${median(times[name]).toFixed(1)} ms`;
    return {
      title: 'Attestations against simulated services',
      rows: [
        {
          question: 'attest() against its TPM commands as raw bytes and its HTTP exchanges alone',
          ...summary(times.attest.map((whole, round) => whole / (times.tpm[round] + times.http[round]))),
          quiet,
          atMost: 1.12,
          details: `${ms('attest')} against ${ms('tpm')} (${commands.length} commands) + ${ms('http')}; key loaded`,
        },
        {
          question: 'TPM commands of an attestation, key loaded (the reference client sends 46)',
          ratio: commands.length,
          unit: 'commands',
          details: commands.map(([name]) => name).join(' '),
        },
      ],
    };
  } finally {
    loop.close();
    await client.close();
    await cvm.stop();
  }
}

async function wallTime(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** A bare exchange on a connection of its own, as the library has it; the answer must be a 200. */
function exchange(url, headers, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      url,
      { method: body === undefined ? 'GET' : 'POST', headers, agent: false },
      (answer) => {
        if (answer.statusCode !== 200) reject(new Error(`${url} answered ${answer.statusCode}`));
        answer.resume();
        answer.once('end', resolve);
      },
    );
    request.once('error', reject);
    request.end(body);
  });
}
