import { readFile } from 'node:fs/promises';
import { explainTdQuote, importTdxCollateral } from '../../../dist/index.js';
import { expectVerdict, tdxRequest, withPlainChains } from '../inputs.mjs';
import { crateFolder, crateVersion, folder, installers } from '../install.mjs';
import { Witness } from '../witness.mjs';

const name = 'dcap-qvl (crate)';
const direction = 'their evidence → ours';

/** Genuine quotes and collateral that the crate ships: what it takes, this library takes, and what neither may take. */
export async function judgeDcapQvlSamples(results) {
  const version = await crateVersion('witness-rust', 'dcap-qvl');
  const missing = await installers.rust();
  if (missing) return results.skip(name, version, direction, 'its samples', missing);
  const witness = new Witness(`${folder}cargo/release/witness`);
  const samples = `${await crateFolder('witness-rust', 'dcap-qvl')}/sample`;
  const read = async (file) => ({
    quote: await readFile(`${samples}/${file}`),
    collateral: importTdxCollateral(await readFile(`${samples}/${file}_collateral.json`, 'utf8')),
  });
  for (const [file, quoteVersion, status] of [
    ['tdx_quote', 4, 'UpToDate'],
    ['tdx_quote_td15ex', 5, 'UpToDate'],
    ['tdx_quote_outdated', 5, 'NotSupported'],
  ]) {
    const isGood = status === 'UpToDate';
    const verdict = isGood ? `${status}; refuses what is changed of it` : `${status}, refused by both`;
    const operation = `its quote of version ${quoteVersion}, ${file}: ${verdict}`;
    await results.run(name, version, direction, operation, async () => {
      const { quote, collateral } = await read(file);
      const now = middleOf(collateral);
      const options = { collateral, now };
      const judged = await explainTdQuote(quote, options);
      const codes = failed(judged);
      if (judged.tcb?.status !== status) throw new Error(`status ${judged.tcb?.status}: ${codes}`);
      if (judged.ok !== isGood) throw new Error(isGood ? `refused: ${codes}` : 'accepted');
      const theirs = await witness.ask(withPlainChains(tdxRequest(quote, collateral, { now })));
      expectVerdict(theirs, isGood, 'the crate itself');
      if (isGood && theirs.status !== status) throw new Error(`status ${status}, in the crate ${theirs.status}`);
      await expectRefused(quote, collateral, now);
    });
  }
  await results.run(name, version, direction, 'its quote of an SGX enclave is refused', async () => {
    const verdict = await explainTdQuote(await readFile(`${samples}/sgx_quote`), {});
    if (verdict.ok) throw new Error('accepted');
    if (!verdict.checks.some(({ code, ok }) => !ok && code === 'ERR_TD_QUOTE')) throw new Error(failed(verdict));
  });
  await witness.stop();
}

/** What the crate's own tests refuse: expired and foreign collateral, changed signatures, texts, lists and quotes. */
async function expectRefused(quote, collateral, now) {
  const changedBytes = (bytes, at) => {
    const copy = Buffer.from(bytes);
    copy[at < 0 ? copy.length + at : at] ^= 1;
    return new Uint8Array(copy);
  };
  const changedText = (text) => text.replace(/"issueDate":"(\d{4})/, (_, year) => `"issueDate":"${Number(year) - 1}`);
  const cases = {
    'a changed body': [changedBytes(quote, 200), collateral, now],
    'a changed signature': [changedBytes(quote, 700), collateral, now],
    'a changed report of the quoting enclave': [changedBytes(quote, 900), collateral, now],
    'expired collateral': [quote, collateral, new Date(now.getTime() + 60 * 86_400_000)],
    'collateral of the future': [quote, collateral, new Date(now.getTime() - 60 * 86_400_000)],
    'changed TCB info': [quote, { ...collateral, tcbInfo: changedText(collateral.tcbInfo) }, now],
    'a changed identity': [quote, { ...collateral, qeIdentity: changedText(collateral.qeIdentity) }, now],
    'a changed signature of the TCB info': [
      quote,
      { ...collateral, tcbInfoSignature: changedBytes(collateral.tcbInfoSignature, 5) },
      now,
    ],
    'a changed PCK list': [quote, { ...collateral, pckCrl: changedBytes(collateral.pckCrl, -3) }, now],
    'a changed root list': [quote, { ...collateral, rootCaCrl: changedBytes(collateral.rootCaCrl, -3) }, now],
    'no collateral': [quote, undefined, now],
  };
  for (const [what, [changed, given, date]] of Object.entries(cases)) {
    const options = { now: date, ...(given && { collateral: given }) };
    const verdict = await explainTdQuote(changed, options).catch((error) => ({ ok: false, checks: [], error }));
    if (verdict.ok) throw new Error(`${what}: accepted`);
  }
}

/** A moment at which all of the collateral is valid. */
function middleOf({ tcbInfo, qeIdentity }) {
  const [starts, ends] = ['issueDate', 'nextUpdate'].map((member) =>
    [tcbInfo, qeIdentity].map((text) => Date.parse(JSON.parse(text)[member])),
  );
  return new Date((Math.max(...starts) + Math.min(...ends)) / 2);
}

const failed = ({ checks }) =>
  checks
    .filter(({ ok }) => !ok)
    .map(({ name: check, code, actual }) => `${check} ${code} ${actual}`)
    .join('; ');
