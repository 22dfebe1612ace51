import { expectVerdict, snpRequest, tdxRequest, withPlainChains } from '../inputs.mjs';
import { crateVersion, folder, installers } from '../install.mjs';
import { evidenceOf, snpParts } from '../machines.mjs';
import { Witness } from '../witness.mjs';

const direction = 'our evidence → theirs';

/** virtee's sev and Phala's dcap-qvl, in Rust. */
export async function judgeByRust(results, machines) {
  const [sev, qvl] = await Promise.all(['sev', 'dcap-qvl'].map((crate) => crateVersion('witness-rust', crate)));
  const missing = await installers.rust();
  if (missing) {
    results.skip('sev (crate)', sev, direction, 'everything', missing);
    results.skip('dcap-qvl (crate)', qvl, direction, 'everything', missing);
    return;
  }
  const witness = new Witness(`${folder}cargo/release/witness`);
  for (const name of ['milan', 'genoa', 'turin']) {
    const machine = machines[name];
    const { product } = machine.authority;
    const { report, certificates } = snpParts(machine, await evidenceOf(machine));
    const ask = (bytes) => witness.ask(snpRequest(bytes, certificates, { product, ownRoot: true }));
    await results.run('sev (crate)', sev, direction, `verifies the report of a ${product} machine`, async () =>
      expectVerdict(await ask(report), true, 'the report'),
    );
    await results.run('sev (crate)', sev, direction, `refuses a ${product} report with one bit changed`, async () => {
      const changed = Buffer.from(report);
      changed[0x50] ^= 1;
      expectVerdict(await ask(changed), false, 'the changed report');
    });
  }
  for (const [name, version] of [
    ['tdx', 4],
    ['tdx5', 5],
  ]) {
    const machine = machines[name];
    const { tdQuote } = await evidenceOf(machine);
    const ask = (quote) =>
      witness.ask(withPlainChains(tdxRequest(quote, machine.tdxCollateral, { root: machine.trustedRoots[0] })));
    await results.run(
      'dcap-qvl (crate)',
      qvl,
      direction,
      `verifies a TD quote of version ${version} with collateral`,
      async () => {
        const answer = await ask(tdQuote);
        expectVerdict(answer, true, 'the quote');
        if (answer.status !== 'UpToDate') throw new Error(`status ${answer.status}`);
        return answer.status;
      },
    );
    await results.run(
      'dcap-qvl (crate)',
      qvl,
      direction,
      `refuses a TD quote of version ${version} with one bit changed`,
      async () => {
        const changed = Buffer.from(tdQuote);
        changed[200] ^= 1;
        expectVerdict(await ask(changed), false, 'the changed quote');
      },
    );
  }
  await witness.stop();
}
