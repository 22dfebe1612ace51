// What bundlers are given, for a program that runs in Node: ENTRY becomes the entry point.
import * as api from 'ENTRY';
import { checkRuntime } from './check.mjs';
import vector from './vector.json';

checkRuntime(api, vector).then(async (result) => {
  // A guest without the addon has to say what is missing.
  // Not by name, which bundlers would look for: `./verify` has none.
  const guest = Object.entries(api).find(([name]) => name === 'createEncryptor')?.[1];
  let advice = '';
  try {
    if (guest !== undefined)
      guest(await api.tokenEncryptionKey(vector.machines[0].token, { verified: true }).then(({ jwk }) => jwk)).close();
  } catch (error) {
    advice = `${error.code} ${error.message}`;
  }
  console.log(`RESULT ${JSON.stringify({ ...result, advice })}`);
});
