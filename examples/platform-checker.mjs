// Scenario "request in a separate workload": a program of its own decides whether the workload may start.
//
//   node examples/platform-checker.mjs --simulate                       on any machine, against the simulator
//   node examples/platform-checker.mjs --attestation-url https://…      inside a confidential VM
//
// Exit code 0: the platform is right, start the workload. 1: it is not. 3: it could not be found out.
// In a unit file: ExecStartPre=/usr/bin/node /opt/platform-checker.mjs --attestation-url https://…
import { randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { AttestationClient, VerificationError, verifyToken } from 'cvm-guest-attestation';

/** Whether this machine is what the workload needs: the checks that failed, none when it is. */
export async function checkPlatform(client, attestationUrl) {
  const nonce = randomBytes(32).toString('hex');
  const token = await client.attest({ attestationUrl, clientPayload: { nonce } });
  try {
    const claims = await verifyToken(token, {
      issuer: attestationUrl,
      attestationType: 'azurevm',
      nonce,
      requireSecureBoot: true,
      requireTpm: true,
    });
    return { mayStart: true, claims, failed: [] };
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    return { mayStart: false, failed: error.checks.filter(({ ok }) => !ok) };
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      simulate: { type: 'boolean', default: false },
      'secure-boot': { type: 'string', default: 'on' },
      'attestation-url': { type: 'string', default: process.env.ATTESTATION_URL },
    },
  });
  let cvm;
  if (values.simulate) {
    const { SimulatedCvm } = await import('cvm-guest-attestation/simulator');
    cvm = await SimulatedCvm.start({ secureBoot: values['secure-boot'] !== 'off' });
  }
  const attestationUrl = cvm?.attestationUrl ?? values['attestation-url'];
  if (attestationUrl === undefined) throw new Error('give --attestation-url, ATTESTATION_URL or --simulate');
  const client = cvm?.client() ?? new AttestationClient();
  try {
    const { mayStart, claims, failed } = await checkPlatform(client, attestationUrl);
    if (mayStart) {
      const tee = claims['x-ms-isolation-tee'];
      console.log(`the workload may start: ${tee['x-ms-compliance-status']}, VM ${claims['x-ms-azurevm-vmid']}`);
      return 0;
    }
    for (const { code, name, expected, actual } of failed)
      console.log(`${code}: ${name} (${expected}; found ${actual})`);
    console.log('the workload must not start');
    return 1;
  } finally {
    await client.close();
    await cvm?.stop();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.exitCode = await main().catch((error) => {
    console.error(`it could not be found out: ${error.message}`);
    return 3;
  });
}
