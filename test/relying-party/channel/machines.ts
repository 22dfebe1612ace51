import type { AddressInfo, Server } from 'node:net';
import type { AttestationClient } from '../../../lib/index.js';
import type { ConnectAttestedOptions } from '../../../lib/relying-party/channel/connect-attested.js';
import type { PeerDemands } from '../../../lib/relying-party/channel/peer-verifier.js';
import { SimulatedCvm } from '../../../lib/simulator/index.js';

/** A simulated machine with its client, and what accepts it and no other. */
export interface Machine {
  cvm: SimulatedCvm;
  client: AttestationClient;
  vmId: string;
  demands: PeerDemands & Required<Pick<PeerDemands, 'policy'>>;
  stop(): Promise<void>;
}

let started = 0;

export async function startMachine(options: { vmType?: 'snp' | 'tdx' } = {}): Promise<Machine> {
  const vmId = `0000000${++started}-2222-4333-8444-555555555555`;
  const cvm = await SimulatedCvm.start({ ...options, vmId });
  const client = cvm.client();
  const { policy, ...verification } = cvm.verification;
  return {
    cvm,
    client,
    vmId,
    demands: { ...verification, policy: { ...policy, vmIds: [vmId] } },
    async stop() {
      await client.close();
      await cvm.stop();
    },
  };
}

export async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Options that dial a server on this machine whose certificate is its own. */
export function dialling(port: number, demands: PeerDemands): ConnectAttestedOptions {
  return { host: '127.0.0.1', port, tls: { rejectUnauthorized: false }, ...demands };
}

export function closed(server: Server): Promise<void> {
  if ('closeAllConnections' in server) (server as { closeAllConnections(): void }).closeAllConnections();
  return new Promise((resolve) => {
    if (!server.listening) resolve();
    else server.close(() => resolve());
  });
}
