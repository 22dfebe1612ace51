import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { RELEASE_REFUSALS, SECRET_REFUSALS } from '../../lib/index.js';
import { vaultFaults } from '../../lib/simulator/index.js';

const document = readFileSync(new URL('../../docs/secrets.md', import.meta.url), 'utf8');

it('docs/secrets.md names every code that a released key or a provisioned secret is refused with', () => {
  // That the token is not for this TPM is told before the table.
  const codes = [...Object.keys(RELEASE_REFUSALS), ...Object.keys(SECRET_REFUSALS)];
  for (const code of codes) expect(document).toContain(code);
});

it('docs/secrets.md counts the faults of the simulated vault', () => {
  expect(document).toContain(`one of ${Object.keys(vaultFaults).length} ways`);
});
