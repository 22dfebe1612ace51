// Mutated SEV-SNP reports and TD quotes through this library, with both engines, and through the verifiers of others, each in
// one process. Every kind of difference has to be explained in explained.json; another kind fails the run.
//
//   node test/differential/run.mjs [--snp 200000] [--tdx 20000] [--seed 1]
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import * as native from '../../dist/index.js';
import * as portable from '../../dist/verify.js';
import { snpRequest, tdxRequest, withPlainChains } from '../interop/inputs.mjs';
import { folder, installers } from '../interop/install.mjs';
import { Witness } from '../interop/witness.mjs';
import { snpInputs, tdxInputs } from './inputs.mjs';
import { snpMutations, tdxMutations } from './mutations.mjs';
import { Random } from './random.mjs';

const { values } = parseArgs({
  options: {
    snp: { type: 'string', default: '200000' },
    tdx: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
  },
});
/** Inputs that are judged at the same time. */
const atOnce = 64;

const explained = JSON.parse(await readFile(new URL('explained.json', import.meta.url), 'utf8'));

/** How often each kind of difference came up, with the number of the first input. */
const kinds = new Map();
let engineDifferences = 0;

function compare(mutation, number, ours, witness, theirs) {
  if (ours.ok === theirs.ok) return;
  const kind = [
    witness,
    mutation,
    ours.ok ? 'accepted' : `refused: ${ours.code}`,
    theirs.ok ? 'accepted' : 'refused',
  ].join(' | ');
  const known = kinds.get(kind) ?? { count: 0, first: number, error: theirs.error };
  kinds.set(kind, { ...known, count: known.count + 1 });
}

const verdictOf = ({ ok, checks }) => ({ ok, code: checks.find((check) => !check.ok)?.code });

/** Both engines have to say the same of each check. */
function sameChecks(number, mutation, one, other) {
  const said = ({ checks }) => JSON.stringify(checks.map(({ name, ok, code }) => [name, ok, code]));
  if (said(one) === said(other)) return;
  engineDifferences++;
  console.error(`input ${number} (${mutation}): the engines differ`);
}

/**
 * Judges that many inputs, `atOnce` of them at any time. They are made one after the other, so that a seed makes the same.
 *
 * @param {Record<string, Witness>} witnesses
 * @param {(input: any, name: string) => object} requestOf
 */
async function judge(count, inputs, mutations, random, ours, requestOf, witnesses) {
  const mutationNames = Object.keys(mutations);
  const witnessNames = Object.keys(witnesses);
  let accepted = 0;
  let next = 0;
  const judgeNext = async () => {
    while (next < count) {
      const number = next++;
      const mutation = mutationNames[number % mutationNames.length];
      const input = mutations[mutation](random.pick(inputs), random, inputs);
      const [one, other, ...theirs] = await Promise.all([
        ours(native, input),
        ours(portable, input),
        ...witnessNames.map((name) => witnesses[name].ask(requestOf(input, name))),
      ]);
      sameChecks(number, mutation, one, other);
      if (one.ok) accepted++;
      for (const [index, name] of witnessNames.entries()) {
        compare(mutation, number, verdictOf(one), name, theirs[index]);
      }
      if ((number + 1) % 10_000 === 0) console.error(`${number + 1} of ${count} after ${seconds()} s`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, judgeNext));
  return accepted;
}

const missing = (await installers.go()) ?? (await installers.rust());
if (missing) {
  console.error(`the witnesses cannot be built: ${missing}`);
  process.exit(1);
}
const go = () => new Witness(`${folder}witness-go`);
const rust = () => new Witness(`${folder}cargo/release/witness`);
const random = new Random(Number(values.seed));
const started = Date.now();
const seconds = () => Math.round((Date.now() - started) / 1000);

const sev = { 'go-sev-guest': go(), 'sev (crate)': rust() };
const snp = Number(values.snp);
const snpAccepted = await judge(
  snp,
  await snpInputs(),
  snpMutations,
  random,
  ({ explainSnpReport }, { report, vcek, ask, ark, policy }) =>
    explainSnpReport(report, { vcek, ask, ark }, { trustedRoots: [ark], policy }),
  (input) => snpRequest(input.report, input, { product: input.product, ownRoot: true }),
  sev,
);

const qvl = { 'go-tdx-guest': go(), 'dcap-qvl (crate)': rust() };
const tdx = Number(values.tdx);
const tdxAccepted = await judge(
  tdx,
  await tdxInputs(),
  tdxMutations,
  random,
  ({ explainTdQuote }, { quote, collateral, root, now }) =>
    explainTdQuote(quote, { trustedRoots: [root], collateral, now }),
  ({ quote, collateral, root, now }, name) => {
    const request = tdxRequest(quote, collateral, { root, now });
    return name === 'dcap-qvl (crate)' ? withPlainChains(request) : request;
  },
  qvl,
);

await Promise.all([...Object.values(sev), ...Object.values(qvl)].map((witness) => witness.stop()));
let unexplained = 0;
for (const [kind, { count, first, error }] of [...kinds].sort()) {
  const why = explained[kind];
  if (!why) unexplained++;
  console.log(
    `${why ? ' ' : '!'} ${count} × ${kind} (first: input ${first}${error ? `, ${error.slice(0, 120)}` : ''})`,
  );
}
console.log(
  `${snp} SNP reports (${snpAccepted} accepted) and ${tdx} TD quotes (${tdxAccepted} accepted) in ${seconds()} s, seed ${values.seed}`,
);
console.log(
  `${kinds.size} kinds of difference, ${unexplained} of them not explained; ${engineDifferences} differences between the engines`,
);
if (unexplained > 0 || engineDifferences > 0) process.exitCode = 1;
