import { here, installers, pythonPath, pythonVersion } from '../install.mjs';
import { Witness } from '../witness.mjs';

const name = 'azure-security-attestation (Python)';
const direction = 'their client → our simulator';

/** Microsoft's SDK for Python: it attests SGX and TPMs alone, so what it does with tokens of guests is run. */
export async function judgeAzurePythonSdk(results, machines) {
  const missing = await installers.python();
  if (missing) return results.skip(name, '', direction, 'everything', missing);
  const version = await pythonVersion('azure-security-attestation');
  const environment = { ...pythonPath, NO_PROXY: '*', no_proxy: '*' };
  const witness = new Witness('python3', [`${here}witness-python/witness.py`], environment);
  for (const machineName of ['milan', 'tdx']) {
    const machine = machines[machineName];
    const operation = `finds the keys of the service and validates the token of a ${machineName} machine`;
    await results.run(name, version, direction, operation, async () => {
      const token = await tokenOf(machine);
      const ask = (text) => witness.ask({ op: 'maa-token', url: machine.attestationUrl, token: text });
      const answer = await ask(token);
      if (!answer.ok) throw new Error(answer.error);
      if (answer.issuer !== machine.attestationUrl) throw new Error(`issuer ${answer.issuer}`);
      if (answer.claims['x-ms-attestation-type'] !== 'azurevm') throw new Error('other claims');
      const [header, payload, signature] = token.split('.');
      const changed = JSON.parse(Buffer.from(payload, 'base64url').toString());
      changed.secureboot = !changed.secureboot;
      const text = Buffer.from(JSON.stringify(changed)).toString('base64url');
      if ((await ask(`${header}.${text}.${signature}`)).ok) throw new Error('validates a changed token');
    });
  }
  await witness.stop();
}

async function tokenOf(machine) {
  const client = machine.client();
  try {
    return await client.attest({ attestationUrl: machine.attestationUrl });
  } finally {
    await client.close();
  }
}
