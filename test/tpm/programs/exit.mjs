// Ends with TPM work in flight: node exit.mjs TCTI CIPHERTEXT-HEX HOW
import { Client } from './client.mjs';

const [tcti, ciphertext, how] = process.argv.slice(2);
const client = new Client(tcti);
const calls = Array.from({ length: 20 }, () => client.decrypt(Buffer.from(ciphertext, 'hex')));
for (const call of calls) call.catch(() => {});
await calls[0];
if (how === 'process.exit') process.exit(7);
if (how === 'throw') throw new Error('on purpose');
if (how === 'end') process.exitCode = 7;
// Neither closed nor waited for: the calls are finished before the process ends by itself.
