// Writes test/runtimes/vector.json: evidence and a token of simulated machines, with what accepts them. Run it when the
// formats change; the vector is committed, because no runtime but Node on Linux could make it.
import { writeFileSync } from 'node:fs';
import { evidenceToJson } from 'cvm-guest-attestation';
import { SimulatedCvm } from 'cvm-guest-attestation/simulator';

const nonce = Buffer.from('a nonce of the relying party, 32').subarray(0, 32);
const tokenNonce = 'token-nonce';

async function machine(tee) {
  const cvm = await SimulatedCvm.start({ vmType: tee });
  const client = cvm.client();
  try {
    const { policy, trustedRoots, collateral } = cvm.verification;
    const evidence = await client.getEvidence({ nonce });
    if (collateral !== undefined) evidence.tdxCollateral = collateral;
    const token = await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload: { nonce: tokenNonce } });
    return {
      tee,
      nonce: nonce.toString('base64url'),
      tokenNonce,
      evidence: evidenceToJson(evidence),
      policy,
      trustedRoots: trustedRoots.map((root) => (typeof root === 'string' ? root : root)),
      issuer: cvm.attestationUrl,
      keys: cvm.tokenKeys,
      token,
    };
  } finally {
    await client.close();
    await cvm.stop();
  }
}

const machines = [await machine('snp'), await machine('tdx')];
const vector = { now: new Date().toISOString(), machines };
writeFileSync(new URL('../test/runtimes/vector.json', import.meta.url), `${JSON.stringify(vector, null, 1)}\n`);
