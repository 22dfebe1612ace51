import { tmpdir } from 'node:os';
import { run } from '../install.mjs';

/**
 * What would be run, had a registry it: each name is asked for by the registry's own client. One that appears makes the row a
 * difference, until somebody writes a case for it.
 */
const wanted = [
  [
    "trustee's verifier",
    'our evidence → theirs',
    [
      ['cargo', 'attestation-service'],
      ['cargo', 'attestation-rs'],
      ['go', 'github.com/confidential-containers/trustee'],
    ],
  ],
  [
    "trustee's attester",
    'their client → our simulator',
    [
      ['cargo', 'attester'],
      ['cargo', 'attestation-agent'],
      ['go', 'github.com/confidential-containers/guest-components'],
    ],
  ],
  [
    "trustee's client of the key broker",
    'their client → our broker',
    [
      ['cargo', 'kbs_protocol'],
      ['cargo', 'kbs-client'],
      ['pip', 'kbs-client'],
      ['npm', 'kbs-client'],
    ],
  ],
  [
    "Microsoft's guest attestation tool in Python",
    'their client → our simulator',
    [
      ['pip', 'cvm-attestation-tools'],
      ['pip', 'azure-guest-attestation'],
    ],
  ],
];

/** How each client asks, and how it says that there is none of that name. */
const registries = {
  cargo: [(name) => ['info', '--quiet', '--registry', 'crates-io', name], /could not find `/],
  go: [(name) => ['list', '-m', '-versions', name], /not available|404 Not Found|no matching versions/],
  npm: [(name) => ['view', name, 'version'], /E404/],
  pip: [(name) => ['index', 'versions', name], /No matching distribution/],
};

export async function listNotPublished(results) {
  for (const [client, direction, names] of wanted) {
    const answers = await Promise.all(names.map(ask));
    const found = answers.flatMap(({ found }) => found ?? []);
    const unanswered = answers.flatMap(({ unanswered }) => unanswered ?? []);
    const searched = names.map(([registry, name]) => `${registry}: ${name}`).join(', ');
    if (found.length > 0) {
      await results.run(client, '', direction, 'everything', () => {
        throw new Error(`published now: ${found.join(', ')}`);
      });
    } else if (unanswered.length > 0) results.skip(client, '', direction, 'everything', unanswered.join('; '));
    else results.absent(client, direction, 'everything', `looked for ${searched}`);
  }
}

async function ask([registry, name]) {
  const [parameters, isAbsent] = registries[registry];
  try {
    // Outside of any project: what is asked is the registry.
    await run(registry, parameters(name), { cwd: tmpdir(), timeout: 60_000 });
    return { found: `${registry}: ${name}` };
  } catch (error) {
    const said = `${error.stderr ?? ''}${error.message ?? ''}`;
    return isAbsent.test(said) ? {} : { unanswered: `${registry}: ${name}: ${said.trim().split('\n').at(-1)}` };
  }
}
