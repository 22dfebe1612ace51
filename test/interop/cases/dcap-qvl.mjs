import { createRequire } from 'node:module';
import { folder, installers, npmVersion } from '../install.mjs';
import { evidenceOf } from '../machines.mjs';

const name = '@phala/dcap-qvl (npm)';
const direction = 'our evidence → theirs';

/** Phala's verifier in JavaScript. */
export async function judgeByDcapQvl(results, machines) {
  const missing = await installers.npm();
  if (missing) return results.skip(name, '', direction, 'everything', missing);
  const version = await npmVersion('@phala/dcap-qvl');
  const { QuoteVerifier } = createRequire(`${folder}npm/`)('@phala/dcap-qvl');
  for (const [machineName, quoteVersion] of [
    ['tdx', 4],
    ['tdx5', 5],
  ]) {
    const machine = machines[machineName];
    const { tdQuote } = await evidenceOf(machine);
    const collateral = collateralV3(machine.tdxCollateral);
    const root = Buffer.from(machine.trustedRoots[0].replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const verify = (quote) =>
      new QuoteVerifier(root).verify(Buffer.from(quote), collateral, Math.floor(Date.now() / 1000));
    await results.run(
      name,
      version,
      direction,
      `verifies a TD quote of version ${quoteVersion} with collateral`,
      async () => {
        const { status } = verify(tdQuote);
        // It compares the module's components where Intel leaves them to the module's identity (tdx.md 5, mistake 5).
        if (status !== 'UpToDate') throw new Error(`status ${status}`);
        return status;
      },
    );
    await results.run(
      name,
      version,
      direction,
      `refuses a TD quote of version ${quoteVersion} with one bit changed`,
      async () => {
        const changed = Buffer.from(tdQuote);
        changed[200] ^= 1;
        let refused = false;
        try {
          verify(changed);
        } catch {
          refused = true;
        }
        if (!refused) throw new Error('accepted');
      },
    );
  }
}

const collateralV3 = (collateral) => ({
  pck_crl_issuer_chain: collateral.pckCrlIssuerChain,
  root_ca_crl: Buffer.from(collateral.rootCaCrl),
  pck_crl: Buffer.from(collateral.pckCrl),
  tcb_info_issuer_chain: collateral.tcbInfoIssuerChain,
  tcb_info: collateral.tcbInfo,
  tcb_info_signature: Buffer.from(collateral.tcbInfoSignature),
  qe_identity_issuer_chain: collateral.qeIdentityIssuerChain,
  qe_identity: collateral.qeIdentity,
  qe_identity_signature: Buffer.from(collateral.qeIdentitySignature),
});
