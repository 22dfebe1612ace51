import type { WindowsTokenPolicy } from './policy.js';
import type { JsonObject, TokenChecks } from './token-checks.js';

/** The claims that each demand on the boot of Windows is about, and the value that each must have: absent does not meet it. */
const DEMANDS = {
  requireTestSigningOff: { 'testsigning-enabled': false, 'flightsigning-enabled': false },
  requireDebuggersOff: {
    debuggersdisabled: true,
    'bootdebug-enabled': false,
    'kerneldebug-enabled': false,
    'hypervisordebug-enabled': false,
  },
  requireCodeIntegrity: { signingdisabled: false },
};

/** `guest` are the claims of a guest token, and empty for a platform token, which says nothing of the boot. */
export function checkWindows(checks: TokenChecks, guest: JsonObject, demands: WindowsTokenPolicy): void {
  const prefix = 'x-ms-azurevm-';
  const demanded = (Object.keys(DEMANDS) as (keyof typeof DEMANDS)[]).filter((name) => demands[name]);
  for (const claims of [{ 'is-windows': true }, ...demanded.map((name) => DEMANDS[name])]) {
    for (const [claim, expected] of Object.entries(claims)) {
      checks.claim(prefix + claim, 'ERR_TOKEN_WINDOWS', expected, guest[prefix + claim]);
    }
  }
  if (demands.requireHvci) {
    const name = `${prefix}hvci-policy`;
    const actual = guest[name];
    const ok = typeof actual === 'number' && actual > 0;
    checks.found(name, 'ERR_TOKEN_WINDOWS', ok, { expected: 'more than 0', actual });
  }
}
