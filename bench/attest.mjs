// What an attestation costs beside its parts: the TPM commands that it needs and its two HTTP exchanges.
import http from 'node:http';
import { AttestationClient } from '../dist/index.js';
import { LineProgram, nativeProgram } from './_native.mjs';
import { startSimulatedCvm } from './_simulated-cvm.mjs';
import { compare, median } from './measure.mjs';

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

    const parts = {
      tpm: async () => {
        const answer = await loop.ask(`1 ${commands.map(([, command]) => command).join(' ')}`);
        if (!/^\d+$/.test(answer)) throw new Error(answer);
      },
      http: async () => {
        await exchange(`${wiring.imdsUrl}/metadata/THIM/amd/certification`, { Metadata: 'true' });
        await exchange(
          `${attestationUrl}/attest/AzureGuest?api-version=2020-10-01`,
          { 'Content-Type': 'application/json' },
          body,
        );
      },
    };
    const { timings } = await compare({ attest, ...parts }, { rounds: 21, roundMs: 150 });
    const milliseconds = (name) => timings[name].rounds.map((rate) => 1000 / rate);
    const [whole, tpm, exchanges] = [milliseconds('attest'), milliseconds('tpm'), milliseconds('http')];
    const ms = (values) => `${median(values).toFixed(1)} ms`;
    return {
      title: 'Attestations against simulated services',
      rows: [
        {
          question: 'attest() against its TPM commands as raw bytes and its HTTP exchanges alone',
          ratio: median(whole.map((value, round) => value / (tpm[round] + exchanges[round]))),
          atMost: 1.15,
          details: `${ms(whole)} against ${ms(tpm)} (${commands.length} commands) + ${ms(exchanges)}; key loaded`,
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
