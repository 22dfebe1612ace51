// A process of scripts/soak.mjs that ends with TPM work in flight: the guest's wiring and a block on standard input, milliseconds as argument.
import { readFileSync } from 'node:fs';
import { AttestationClient } from '../dist/index.js';

const { wiring, block } = JSON.parse(readFileSync(0, 'utf8'));
const client = new AttestationClient(wiring);
const encrypted = Buffer.from(block, 'base64');
for (let i = 0; i < 20; i++) client.decrypt(encrypted, { type: 'None' }).catch(() => {});
client.getEvidence().catch(() => {});
setTimeout(() => process.exit(7), Number(process.argv[2]));
