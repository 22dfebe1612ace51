// verifyToken does everything a relying party needs; jose.jwtVerify checks signature, issuer and times. With warm keys the
// RSA operation should be most of either.
import { generateKeyPairSync, sign } from 'node:crypto';
import { createLocalJWKSet, importJWK, jwtVerify } from 'jose';
import { explainToken, verifyToken } from '../dist/index.js';
import { verifyToken as verifyTokenAnywhere } from '../dist/verify.js';
import { compare } from './measure.mjs';

const issuer = 'https://sharedbench.attest.example';
const kid = 'dRKh+hBcWUfQ/mSl3Iv6ZhStW3TSOt0ThwiTgUUqZAo=';

/** A guest token of the usual size, about 5 kB. */
function makeToken(privateKey) {
  const modulus = Buffer.alloc(256, 0xa5).toString('base64url');
  const rsa = (name, operation) => ({ e: 'AQAB', key_ops: [operation], kid: name, kty: 'RSA', n: modulus });
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    exp: now + 28_800,
    iat: now,
    iss: issuer,
    jti: '3bf48db13e9cbcbfd289370d9146aae318588399cdcda1495ad7e77006a53d71',
    nbf: now,
    secureboot: true,
    'x-ms-attestation-type': 'azurevm',
    'x-ms-azurevm-attestation-protocol-ver': '2.0',
    'x-ms-azurevm-attested-pcrs': [0, 1, 2, 3, 4, 5, 6, 7],
    'x-ms-azurevm-bootdebug-enabled': false,
    'x-ms-azurevm-dbvalidated': true,
    'x-ms-azurevm-dbxvalidated': true,
    'x-ms-azurevm-debuggersdisabled': true,
    'x-ms-azurevm-default-securebootkeysvalidated': true,
    'x-ms-azurevm-elam-enabled': false,
    'x-ms-azurevm-flightsigning-enabled': false,
    'x-ms-azurevm-hvci-policy': 0,
    'x-ms-azurevm-hypervisordebug-enabled': false,
    'x-ms-azurevm-is-windows': false,
    'x-ms-azurevm-kerneldebug-enabled': false,
    'x-ms-azurevm-osbuild': 'NotApplication',
    'x-ms-azurevm-osdistro': 'Ubuntu',
    'x-ms-azurevm-ostype': 'Linux',
    'x-ms-azurevm-osversion-major': 24,
    'x-ms-azurevm-osversion-minor': 4,
    'x-ms-azurevm-signingdisabled': true,
    'x-ms-azurevm-testsigning-enabled': false,
    'x-ms-azurevm-vmid': '70F5CE9A-2BDC-4B6B-8401-E9B964D3AEB7',
    'x-ms-isolation-tee': {
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-compliance-status': 'azure-compliant-cvm',
      'x-ms-runtime': {
        keys: [rsa('HCLAkPub', 'sign'), rsa('HCLEkPub', 'encrypt')],
        'vm-configuration': {
          'console-enabled': true,
          'secure-boot': true,
          'tpm-enabled': true,
          vmUniqueId: '70F5CE9A-2BDC-4B6B-8401-E9B964D3AEB7',
        },
        'user-data': '00'.repeat(64),
      },
      'x-ms-sevsnpvm-authorkeydigest': '00'.repeat(48),
      'x-ms-sevsnpvm-bootloader-svn': 4,
      'x-ms-sevsnpvm-familyId': `01${'00'.repeat(15)}`,
      'x-ms-sevsnpvm-guestsvn': 10,
      'x-ms-sevsnpvm-hostdata': '00'.repeat(32),
      'x-ms-sevsnpvm-idkeydigest': '03'.repeat(48),
      'x-ms-sevsnpvm-imageId': `02${'00'.repeat(15)}`,
      'x-ms-sevsnpvm-is-debuggable': false,
      'x-ms-sevsnpvm-launchmeasurement': '89'.repeat(48),
      'x-ms-sevsnpvm-microcode-svn': 219,
      'x-ms-sevsnpvm-migration-allowed': false,
      'x-ms-sevsnpvm-reportdata': '9b'.repeat(32) + '00'.repeat(32),
      'x-ms-sevsnpvm-reportid': 'b9'.repeat(32),
      'x-ms-sevsnpvm-smt-allowed': true,
      'x-ms-sevsnpvm-snpfw-svn': 24,
      'x-ms-sevsnpvm-tee-svn': 0,
      'x-ms-sevsnpvm-vmpl': 0,
    },
    'x-ms-policy-hash': 'wm9mHlvTU82e8UqoOy1Yj1FBRSNkfe99-69IYDq9eWs',
    'x-ms-runtime': {
      'client-payload': { nonce: 'QURFMDEwMQ==' },
      keys: [rsa('TpmEphemeralEncryptionKey', 'encrypt')],
    },
    'x-ms-ver': '1.0',
  };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part({ alg: 'RS256', jku: `${issuer}/certs`, kid, typ: 'JWT' })}.${part(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

/** @returns {Promise<{ title: string, rows: object[] }>} */
export async function run() {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' };
  const token = makeToken(privateKey);
  const keys = { keys: [jwk] };
  const key = await importJWK(jwk, 'RS256');
  const keySet = createLocalJWKSet(keys);
  const joseOptions = { issuer, algorithms: ['RS256'] };
  const options = { issuer, keys, nonce: 'ADE0101', requireSecureBoot: true };
  const { engine } = await explainToken(token, options);
  const { timings, measure } = await compare(
    {
      verifyToken: () => verifyToken(token, options),
      'verifyToken of ./verify': () => verifyTokenAnywhere(token, options),
      'jwtVerify with the key': () => jwtVerify(token, key, joseOptions),
      'jwtVerify with the key set': () => jwtVerify(token, keySet, joseOptions),
    },
    // Many short rounds: one verification takes 0.1 ms, and what else the machine does comes in longer bursts.
    { rounds: 45, roundMs: 20 },
  );
  const each = (name) => `${Math.round(timings[name].median).toLocaleString('en')}/s`;
  const row = (own, other, engineName, more) => ({
    question: `cost of ${own} beside ${other}`,
    ...measure(other, own),
    ...more,
    details: `engine ${engineName}: ${each(own)}, ${other} ${each(other)}, a token of ${token.length} characters`,
  });
  return {
    title: 'Token verification, keys warm, all checks on',
    rows: [
      row('verifyToken', 'jwtVerify with the key', engine, { atMost: 0.65 }),
      row('verifyToken', 'jwtVerify with the key set', engine, { atMost: 0.65 }),
      row('verifyToken of ./verify', 'jwtVerify with the key', 'webcrypto', { atMost: 1.15 }),
    ],
  };
}
