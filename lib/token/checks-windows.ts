import type { TokenChecks } from './errors.js';
import type { WindowsTokenPolicy } from './policy.js';

/** A demand on the boot of Windows: the claims and the value that each must have. Absent does not meet it. */
const DEMANDS: Readonly<Record<'requireTestSigningOff' | 'requireDebuggersOff' | 'requireCodeIntegrity', Demand>> = {
  requireTestSigningOff: { 'testsigning-enabled': false, 'flightsigning-enabled': false },
  requireDebuggersOff: {
    debuggersdisabled: true,
    'bootdebug-enabled': false,
    'kerneldebug-enabled': false,
    'hypervisordebug-enabled': false,
  },
  requireCodeIntegrity: { signingdisabled: false },
};
type Demand = Readonly<Record<string, boolean>>;

/** `guest` are the claims of a guest token, and empty for a platform token, which says nothing of the boot. */
export function checkWindows(
  checks: TokenChecks,
  guest: Readonly<Record<string, unknown>>,
  demands: WindowsTokenPolicy,
): void {
  const equal = (claim: string, expected: boolean): void => {
    const name = `x-ms-azurevm-${claim}`;
    checks.equal(undefined, name, 'ERR_TOKEN_WINDOWS', expected, guest[name]);
  };
  equal('is-windows', true);
  for (const [name, claims] of Object.entries(DEMANDS)) {
    if (demands[name as keyof typeof DEMANDS] !== true) continue;
    for (const [claim, expected] of Object.entries(claims)) equal(claim, expected);
  }
  if (demands.requireHvci === true) {
    const hvci = guest['x-ms-azurevm-hvci-policy'];
    const ok = typeof hvci === 'number' && hvci > 0;
    checks.add(undefined, 'x-ms-azurevm-hvci-policy', 'ERR_TOKEN_WINDOWS', ok, {
      expected: 'more than 0',
      actual: hvci,
    });
  }
}
