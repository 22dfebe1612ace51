import { SimulatedCvm } from '../../dist/simulator/index.js';

const amd = { organization: 'Advanced Micro Devices' };
const intel = { vmType: 'tdx', organization: 'Intel Corporation' };

/** Reports of simulated machines, with their certificates, that all witnesses accept. */
export async function snpInputs() {
  const inputs = [];
  // go-sev-guest finds the product of a report of version 2 in the VCEK, and wants a stepping in it: Milan's has one.
  for (const [product, version] of [
    ['Milan', 2],
    ['Milan', 3],
    ['Genoa', 3],
  ]) {
    const cvm = await SimulatedCvm.start({ ...amd, product, snpReport: { version } });
    inputs.push({
      product,
      report: Buffer.from(cvm.hclReport.subarray(32, 32 + 1184)),
      vcek: cvm.signingLeaf.certificate.der,
      ask: cvm.authority.ask.der,
      ark: cvm.authority.ark.der,
      policy: cvm.verification.policy,
    });
    await cvm.stop();
  }
  return inputs;
}

/** Quotes of version 4 of simulated TDX machines, with their collateral, that all witnesses accept. */
export async function tdxInputs() {
  const inputs = [];
  for (const fmspc of ['90c06f000000', '50806f000000']) {
    const cvm = await SimulatedCvm.start({ ...intel, tdx: { fmspc } });
    inputs.push({
      quote: cvm.tdx.quote(cvm.tdx.report(Buffer.alloc(64, 7))),
      collateral: cvm.tdxCollateral,
      root: cvm.trustedRoots[0],
      now: new Date(),
    });
    await cvm.stop();
  }
  return inputs;
}
