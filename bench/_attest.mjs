// attest() against what it cannot do without: its TPM commands as raw bytes over the same TCTI from a bare C loop, then its
// HTTP exchanges by node:http alone.
import { request } from 'node:http';
import { SimulatedCvm } from '../dist/simulator/index.js';
import { verify } from './_key.mjs';
import { LineProgram, nativeProgram } from './_native.mjs';
import { median } from './measure.mjs';

const ROUNDS = 41;

export async function attestRows() {
  const cvm = await SimulatedCvm.start();
  const loop = new LineProgram(nativeProgram('tpm_loop'), [cvm.tcti]);
  try {
    return [await wallTime(cvm, loop)];
  } finally {
    loop.close();
    await cvm.stop();
  }
}

async function wallTime(cvm, loop) {
  const params = { attestationUrl: cvm.attestationUrl };
  const client = cvm.client();
  try {
    const post = await capturedPost(cvm, params);
    await client.attest(params); // opens the TPM and makes the ephemeral key
    const trace = cvm.trace();
    await client.attest(params);
    const commands = trace.stop().map(({ command }) => command.toString('hex'));

    const ratios = [];
    const times = { attest: [], tpm: [], http: [] };
    for (let round = 0; round < ROUNDS; round++) {
      const attest = await milliseconds(() => client.attest(params));
      let answer;
      const tpm = await milliseconds(async () => {
        answer = await loop.ask(`1 ${commands.join(' ')}`);
      });
      verify(!answer.startsWith('error'), `the TPM answers the recorded commands: ${answer}`);
      const http = await milliseconds(async () => {
        const thim = `${cvm.imdsUrl}/metadata/THIM/amd/certification`;
        await exchange(thim, { headers: { Metadata: 'true' } });
        await exchange(post.url, { method: 'POST', headers: { 'Content-Type': 'application/json' } }, post.body);
      });
      ratios.push(attest / (tpm + http));
      times.attest.push(attest);
      times.tpm.push(tpm);
      times.http.push(http);
    }
    const ms = (name) => `${median(times[name]).toFixed(1)} ms`;
    return {
      question: 'attest() against its TPM commands as raw bytes and its HTTP exchanges alone',
      ratio: median(ratios),
      atMost: 1.15,
      details: `${ms('attest')} against ${ms('tpm')} for ${commands.length} commands and ${ms('http')} for two exchanges`,
    };
  } finally {
    await client.close();
  }
}

/** The request to the attestation service, as the client makes it. */
async function capturedPost(cvm, params) {
  const captured = {};
  const client = cvm.client({
    ca: undefined,
    fetch: (url, init) => {
      Object.assign(captured, { url: String(url), body: init.body });
      return fetch(url, init);
    },
  });
  try {
    await client.attest(params);
  } finally {
    await client.close();
  }
  return captured;
}

function exchange(url, options, body) {
  return new Promise((resolve, reject) => {
    const call = request(url, options, (response) => {
      response.on('data', () => {});
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`${url}: ${response.statusCode}`)),
      );
    });
    call.on('error', reject);
    call.end(body);
  });
}

async function milliseconds(call) {
  const start = process.hrtime.bigint();
  await call();
  return Number(process.hrtime.bigint() - start) / 1e6;
}
