import { CompactEncrypt, compactDecrypt, exportJWK, generateKeyPair, importJWK } from 'jose';
import { encryptJwe } from '../../../dist/index.js';
import { here, installers, pythonPath, pythonVersion } from '../install.mjs';
import { evidenceOf, tokenWithKey } from '../machines.mjs';
import { Witness } from '../witness.mjs';

const plaintext = Buffer.from('sealed by one, opened by the other');

/** JOSE libraries: ciphertexts to the key of a token, both ways. */
export async function judgeJose(results, machines) {
  const machine = machines.milan;
  const client = machine.client();
  try {
    const token = await client.attest({ attestationUrl: machine.attestationUrl });
    const [, payload] = token.split('.');
    const jwk = JSON.parse(Buffer.from(payload, 'base64url').toString())['x-ms-runtime'].keys[0];
    const { version: joseVersion } = (await import('jose/package.json', { with: { type: 'json' } })).default;
    await results.run('jose', joseVersion, 'their ciphertext → ours', 'the TPM opens its JWE', async () => {
      const key = await importJWK({ kty: 'RSA', n: jwk.n, e: jwk.e }, 'RSA-OAEP-256');
      const jwe = await new CompactEncrypt(plaintext)
        .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })
        .encrypt(key);
      expectPlaintext(await client.decryptJwe(jwe));
    });
    const { privateKey, publicKey } = await generateKeyPair('RSA-OAEP-256', { extractable: true });
    const own = await exportJWK(privateKey);
    const forOwn = tokenWithKey(token, await exportJWK(publicKey));
    await results.run('jose', joseVersion, 'our ciphertext → theirs', 'opens our JWE', async () => {
      expectPlaintext((await compactDecrypt(await encryptJwe(forOwn, plaintext), privateKey)).plaintext);
    });
    await judgeJoserfc(results, client, jwk, { own, forOwn });
    await evidenceOf(machine);
  } finally {
    await client.close();
  }
}

async function judgeJoserfc(results, client, jwk, { own, forOwn }) {
  const name = 'joserfc (Python)';
  const missing = await installers.python();
  if (missing) return results.skip(name, '', 'both', 'everything', missing);
  const version = await pythonVersion('joserfc');
  const witness = new Witness('python3', [`${here}witness-python/witness.py`], pythonPath);
  const alg = 'RSA-OAEP-256';
  await results.run(name, version, 'their ciphertext → ours', 'the TPM opens its JWE', async () => {
    const key = { kty: 'RSA', n: jwk.n, e: jwk.e };
    const answer = await witness.ask({ op: 'jwe-encrypt', alg, key, plaintext: plaintext.toString('base64') });
    if (!answer.ok) throw new Error(answer.error);
    expectPlaintext(await client.decryptJwe(answer.jwe));
  });
  await results.run(name, version, 'our ciphertext → theirs', 'opens our JWE', async () => {
    const answer = await witness.ask({ op: 'jwe-decrypt', alg, key: own, jwe: await encryptJwe(forOwn, plaintext) });
    if (!answer.ok) throw new Error(answer.error);
    expectPlaintext(Buffer.from(answer.plaintext, 'base64'));
  });
  await witness.stop();
}

function expectPlaintext(bytes) {
  if (!plaintext.equals(bytes)) throw new Error('opens to something else');
}
