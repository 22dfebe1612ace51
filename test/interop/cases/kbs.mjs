import { createKeyBroker, KeyBrokerClient, memoryReplayStore } from '../../../dist/relying-party/index.js';
import { crateVersion, folder, installers } from '../install.mjs';
import { evidenceOf } from '../machines.mjs';
import { Witness } from '../witness.mjs';

const name = 'kbs-types (crate)';
const direction = 'our client ↔ their types ↔ our broker';

/**
 * trustee's own types of the key broker protocol between our client and our broker: every message is read by them, and what
 * they write is what goes on.
 */
export async function judgeKeyBroker(results, machines) {
  const version = await crateVersion('witness-rust', 'kbs-types');
  const missing = await installers.rust();
  if (missing) return results.skip(name, version, direction, 'everything', missing);
  const witness = new Witness(`${folder}cargo/release/witness`);
  const rewritten = async (type, message) => {
    const answer = await witness.ask({ op: 'kbs', type, message });
    if (!answer.ok) throw new Error(`${type}: ${answer.error}`);
    return answer.message;
  };
  for (const machineName of ['milan', 'tdx']) {
    for (const keyType of ['EC', 'RSA']) {
      const operation = `a resource for a ${machineName} machine with an ${keyType} key`;
      await results.run(name, version, direction, operation, () =>
        getResource(machines[machineName], keyType, rewritten),
      );
    }
  }
  await witness.stop();
}

async function getResource(machine, keyType, rewritten) {
  const client = machine.client();
  try {
    const { certificates } = await evidenceOf(machine);
    const broker = createKeyBroker({
      name: 'https://broker.example',
      secret: Buffer.alloc(32, 8),
      store: memoryReplayStore(),
      ...machine.verification,
      allowAnyMachine: true,
      ...(certificates && { chain: String(certificates.chain) }),
      ...(machine.tdxCollateral && { collateral: () => Promise.resolve(machine.tdxCollateral) }),
      resources: ({ tag }) => new TextEncoder().encode(`value of ${tag}`),
    });
    const types = new Set();
    const through = async (type, message) => {
      types.add(type);
      return rewritten(type, message);
    };
    const exchange = async (url, { body, ...init }) => {
      const { pathname } = new URL(url);
      const step = pathname.split('/')[3];
      const sent = body && (await through(step === 'auth' ? 'Request' : 'Attestation', body));
      const answer = await broker(new Request(url, { ...init, body: sent }));
      const text = await answer.text();
      // What attest answers has no type there: { token }.
      const read = { auth: 'Challenge', resource: 'Response' }[step];
      const forwarded = answer.ok && read ? await through(read, text) : text;
      return new Response(forwarded, { status: answer.status, headers: answer.headers });
    };
    const source = new KeyBrokerClient({ url: 'https://broker.example', client, keyType, fetch: exchange });
    const value = new TextDecoder().decode(await source.getResource('default/key/one'));
    if (value !== 'value of one') throw new Error(`the resource is ${value}`);
    if (types.size !== 4) throw new Error(`only ${[...types].join(', ')} were exchanged`);
    return [...types].join(', ');
  } finally {
    await client.close();
  }
}
