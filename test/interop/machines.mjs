import { setTimeout as sleep } from 'node:timers/promises';
import { SimulatedCvm } from '../../dist/simulator/index.js';

const amd = { organization: 'Advanced Micro Devices' };

/** Simulated machines with certificates by the vendors' names: verifiers of others insist on them. */
export async function startMachines() {
  const [milan, genoa, turin, tdx, tdx5, windows, silent] = await Promise.all([
    SimulatedCvm.start({ ...amd, product: 'Milan' }),
    SimulatedCvm.start({ ...amd, product: 'Genoa' }),
    SimulatedCvm.start({ ...amd, product: 'Turin' }),
    SimulatedCvm.start({ vmType: 'tdx', organization: 'Intel Corporation' }),
    SimulatedCvm.start({ vmType: 'tdx', organization: 'Intel Corporation', tdx: { quoteVersion: 5 } }),
    SimulatedCvm.start({ eventLog: 'windows' }),
    SimulatedCvm.start({ eventLog: 'empty' }),
  ]);
  const all = { milan, genoa, turin, tdx, tdx5, windows, silent };
  return { ...all, stop: () => Promise.all(Object.values(all).map((machine) => machine.stop())) };
}

/** Evidence of a machine with a nonce. */
export async function evidenceOf(machine, nonce = Buffer.from('interoperability'), pcrs = undefined) {
  const client = machine.client();
  try {
    return await client.getEvidence({ nonce, ...(pcrs && { pcrs }) });
  } finally {
    await client.close();
  }
}

/** SNP report and certificates out of evidence. */
export const snpParts = (machine, evidence) => ({
  report: Buffer.from(evidence.hclReport.subarray(32, 32 + 1184)),
  certificates: {
    vcek: machine.signingLeaf.certificate.der,
    ask: machine.authority.ask.der,
    ark: machine.authority.ark.der,
  },
});

/** What a client that has ended held in the TPM is flushed a moment later. @throws {Error} when something stays */
export async function expectNothingHeld(machine) {
  for (let i = 0; i < 40; i++) {
    const { transient, sessions } = await machine.loadedHandles();
    if (transient.length + sessions.length === 0) return;
    await sleep(50);
  }
  throw new Error('something stayed in the TPM');
}

/** The token with another key in it: its signature does not hold any more, which encryptJwe does not look at. */
export function tokenWithKey(token, { n, e }) {
  const [header, payload, signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  Object.assign(claims['x-ms-runtime'].keys[0], { n, e });
  return `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`;
}
