// Two services in two confidential VMs that talk to each other over connections that provably end there, and refuse a third.
//
//   node examples/attested-channel.mjs        runs all three on any machine, against the simulator
import { once } from 'node:events';
import { request } from 'node:https';
import { pathToFileURL } from 'node:url';
import { attestedServer, connectAttested } from 'cvm-guest-attestation/relying-party';

/** A service that answers only the machine that `clients` names: nothing of anybody else's reaches it. */
export async function startService({ client, clients, onRefusal }) {
  const server = attestedServer({ client, clients, onRefusal }, (message, response) => {
    const { attestation } = message.socket;
    response.end(`hello, machine ${attestation.claims?.['vm-configuration'].vmUniqueId}`);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: server.address().port };
}

/** Asks it, from the machine of `client`, once it is proven that the connection ends in the machine that `demands` names. */
export async function ask({ port, demands, client }) {
  const socket = await connectAttested({
    host: '127.0.0.1',
    port,
    client,
    // The certificate is the service's own: `demands` says which machine it has to be.
    tls: { rejectUnauthorized: false },
    ...demands,
  });
  try {
    const sent = request({ createConnection: () => socket, host: '127.0.0.1' });
    sent.end();
    const [response] = await once(sent, 'response');
    return (await response.toArray()).join('');
  } finally {
    socket.destroy();
  }
}

async function main() {
  const { SimulatedCvm } = await import('cvm-guest-attestation/simulator');
  const ids = ['11111111', '22222222', '33333333'].map((head) => `${head}-2222-4333-8444-555555555555`);
  const machines = await Promise.all(ids.map((vmId) => SimulatedCvm.start({ vmId })));
  const clients = machines.map((cvm) => cvm.client());
  const [here, there, stranger] = machines.map((cvm, index) => ({
    client: clients[index],
    demands: { ...cvm.verification, policy: { ...cvm.verification.policy, vmIds: [cvm.vmId] } },
  }));
  const refused = [];
  const { server, port } = await startService({
    client: there.client,
    clients: here.demands,
    onRefusal: (error) => refused.push(error.code),
  });
  try {
    console.log(`the machine that was named: ${await ask({ port, demands: there.demands, client: here.client })}`);
    const outcome = await ask({ port, demands: there.demands, client: stranger.client }).catch(({ code }) => code);
    console.log(`a third machine of the same kind: ${outcome}, at the service ${refused.join(', ')}`);
    const wrong = await ask({ port, demands: stranger.demands, client: here.client }).catch(({ code }) => code);
    console.log(`a service in another machine than was named: ${wrong}`);
  } finally {
    server.closeAllConnections();
    server.close();
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(machines.map((cvm) => cvm.stop()));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main();
