// run-block.mjs FILE: runs one code block of the documentation beside a simulated confidential VM, `globalThis.cvm`, and
// stops that however the block ends.
import { pathToFileURL } from 'node:url';
import { SimulatedCvm } from '../../dist/simulator/index.js';

globalThis.cvm = await SimulatedCvm.start();
try {
  await import(pathToFileURL(process.argv[2]).href);
} finally {
  await globalThis.cvm.stop();
}
// What a block leaves open on purpose (a server that listens) ends here.
process.exit();
