// A simulated confidential VM in a process of its own, so that its work is not on the event loop that is measured.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const self = fileURLToPath(import.meta.url);

/**
 * Starts one. `wiring` is what the options of an AttestationClient take to be its guest; `call` runs one of the functions at
 * the end of this file over there.
 */
export async function startSimulatedCvm() {
  const child = fork(self, ['serve'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const answer = () =>
    new Promise((resolve, reject) => {
      child.once('message', resolve);
      ended.then((code) => reject(new Error(`the simulated CVM ended with ${code}`)));
    });
  const { attestationUrl, wiring, vault } = await answer();
  return {
    attestationUrl,
    wiring,
    /** Address, host and roots of its key vault, which has a P-256 key `bench`. */
    vault,
    call(name) {
      const result = answer();
      child.send(name);
      return result;
    },
    async stop() {
      child.send('stop');
      await ended;
    },
  };
}

if (process.argv[1] === self && process.argv[2] === 'serve') {
  const { SimulatedCvm } = await import('../dist/simulator/index.js');
  // A bare TPM: what is recorded of one client is sent by another program, with the same handles.
  const cvm = await SimulatedCvm.start({ tpm: { resourceManager: false } });
  let trace;
  const functions = {
    startTrace: () => {
      trace = cvm.trace();
      return true;
    },
    /** Names, and commands in hexadecimal. */
    stopTrace: () => trace.stop().map(({ name, command }) => [name, command.toString('hex')]),
    /** Body of the last request to the attestation service. */
    lastRequest: () => cvm.attestation.requests.at(-1).body.toString('utf8'),
    loadedHandles: () => cvm.loadedHandles(),
    /** Last request to release a key: path with query, headers, body. */
    lastRelease: () => {
      const { url, headers, body } = cvm.keyVault.requests.at(-1);
      return {
        path: `${url.pathname}${url.search}`,
        authorization: headers.authorization,
        body: body.toString('utf8'),
      };
    },
    /** What accepts this machine and no other. */
    demands: () => ({ ...cvm.verification, policy: { ...cvm.verification.policy, vmIds: [cvm.vmId] } }),
  };
  process.on('message', async (name) => {
    if (name !== 'stop') return process.send((await functions[name]()) ?? null);
    await cvm.stop();
    process.disconnect();
  });
  const { attestationUrl, tcti, imdsUrl, eventLogPath, osReleasePath, keyVault } = cvm;
  keyVault.createKey('bench', { kty: 'EC-HSM' });
  const { host, trustedRoots } = keyVault;
  const wiring = { tcti, imdsUrl, eventLogPath, osReleasePath };
  process.send({ attestationUrl, wiring, vault: { url: keyVault.url, host, trustedRoots } });
}
