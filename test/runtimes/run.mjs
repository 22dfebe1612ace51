// node run.mjs SPECIFIER: the checks in Node, Deno and Bun.
import { readFileSync } from 'node:fs';
import { checkRuntime } from './check.mjs';

const vector = JSON.parse(readFileSync(new URL('vector.json', import.meta.url), 'utf8'));
const api = await import(process.argv[2]);
console.log(`RESULT ${JSON.stringify(await checkRuntime(api, vector))}`);
