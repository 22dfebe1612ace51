import { expectVerdict, snpRequest, tdxRequest } from '../inputs.mjs';
import { here, installers, pythonPath, pythonVersion } from '../install.mjs';
import { evidenceOf, snpParts } from '../machines.mjs';
import { Witness } from '../witness.mjs';

const direction = 'our evidence → theirs';
const name = 'pyca/cryptography';
const base64 = (bytes) => Buffer.from(bytes).toString('base64');

/** pyca/cryptography: chains, reports and quotes by a library that knows nothing of attestation. */
export async function judgeByPython(results, machines) {
  const missing = await installers.python();
  if (missing) return results.skip(name, '', direction, 'everything', missing);
  const version = await pythonVersion('cryptography');
  const witness = new Witness('python3', [`${here}witness-python/witness.py`], pythonPath);
  for (const product of ['milan', 'genoa', 'turin']) {
    const machine = machines[product];
    const evidence = await evidenceOf(machine);
    const { report, certificates } = snpParts(machine, evidence);
    await results.run(name, version, direction, `chain and report of a ${product} machine`, async () =>
      expectVerdict(await witness.ask(snpRequest(report, certificates, {})), true, 'the report'),
    );
    await results.run(
      name,
      version,
      direction,
      `chain of the AK certificate and quote of a ${product} machine`,
      async () => {
        const { message, signature } = evidence.quote;
        const [root, issuer] = machine.vtpmRoots.map((pem) => pem.replace(/-----[^-]+-----|\s/g, ''));
        const chain = [base64(evidence.akCertificate), issuer, root];
        const request = { op: 'quote', chain, message: base64(message), signature: base64(signature) };
        expectVerdict(await witness.ask(request), true, 'the quote');
        expectVerdict(
          await witness.ask({ ...request, message: base64(Buffer.concat([message, Buffer.of(0)])) }),
          false,
          'a longer one',
        );
      },
    );
  }
  await results.run(name, version, direction, 'the four signatures of a TD quote', async () => {
    const { tdQuote } = await evidenceOf(machines.tdx);
    const ask = (quote) => witness.ask({ ...tdxRequest(quote, undefined, {}), op: 'td-quote' });
    expectVerdict(await ask(tdQuote), true, 'the quote');
    const changed = Buffer.from(tdQuote);
    changed[200] ^= 1;
    expectVerdict(await ask(changed), false, 'the changed quote');
  });
  await witness.stop();
}
