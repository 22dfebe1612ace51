// What a decrypt of a wrapped key costs: the TPM's own time, and hardly anything else.
import { constants, createHash, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureHandle, PermanentHandle } from '../build/modules/simulator/tpm/constants.js';
import {
  attestationKeyTemplate,
  createPersistentKey,
  endorsementKeyTemplate,
} from '../build/modules/simulator/tpm/keys.js';
import { SoftwareTpm } from '../build/modules/simulator/tpm/software-tpm.js';
import { NativeTpm } from '../build/modules/tpm/native-tpm.js';
import { LineProgram, nativeProgram } from './_native.mjs';
import { compare, median } from './measure.mjs';

const PCRS = [0, 1, 2, 3, 4, 5, 6, 7];
const BATCH = 8;
/** Of the slow contender, so that its rounds are not far longer than the others'. */
const ANEW_BATCH = 1;
/**
 * How long an RSA key takes to generate is a matter of the TPM's seed, so many are drawn; what a caller can expect is the
 * mean.
 */
const RESETS = 40;

export async function run() {
  const folder = await mkdtemp(join(tmpdir(), 'bench-tpm-'));
  const swtpm = await SoftwareTpm.start(folder);
  const loop = new LineProgram(nativeProgram('tpm_loop'), [swtpm.tcti]);
  const reference = new LineProgram(nativeProgram('esys_decrypt'), [swtpm.tcti]);
  try {
    await createPersistentKey(
      swtpm.transport,
      PermanentHandle.endorsement,
      attestationKeyTemplate(),
      AzureHandle.attestationKey,
    );
    const ratios = { bare: [], single: [], anew: [] };
    const rates = { bare: [], library: [], anew: [] };
    for (let i = 0; i < RESETS; i++) {
      const { timings, ratio } = await underOneSeed(swtpm, loop, reference);
      ratios.bare.push(ratio('library', 'bare'));
      ratios.single.push(ratio('single', 'bare'));
      ratios.anew.push((ratio('library', 'anew') * BATCH) / ANEW_BATCH);
      for (const name of Object.keys(rates)) {
        rates[name].push(timings[name].median * (name === 'anew' ? ANEW_BATCH : BATCH));
      }
      await swtpm.reset();
    }
    const protectedRatio = await withParameterEncryption(swtpm);
    const perSecond = (name) => `${Math.round(median(rates[name]))}/s`;
    return {
      title: `Decrypts of wrapped keys in the TPM (swtpm, medians over ${RESETS} TPM resets)`,
      rows: [
        {
          question: 'decrypts a second against the same two commands in a bare C loop',
          ratio: median(ratios.bare),
          atLeast: 0.95,
          details: `${perSecond('library')} against ${perSecond('bare')}, ${BATCH} calls in flight`,
        },
        {
          question: 'the same, one call at a time',
          ratio: median(ratios.single),
          details: 'thread hand-over and promise for every single call',
        },
        {
          question: 'decrypts a second against the same as the reference client does it, a key anew each time',
          ratio: mean(ratios.anew),
          atLeast: 15,
          details: `${perSecond('anew')}, key generation included; from ${Math.min(...ratios.anew).toFixed(0)} to ${Math.max(...ratios.anew).toFixed(0)}, as the prime search has it`,
        },
        {
          question: 'with parameter encryption against without, one call at a time',
          ratio: protectedRatio,
          details: 'two HMACs, three KDFa blocks and AES-CFB here and in the TPM',
        },
      ],
    };
  } finally {
    loop.close();
    reference.close();
    await swtpm.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function underOneSeed(swtpm, loop, reference) {
  const tpm = new NativeTpm({ tcti: swtpm.tcti });
  try {
    const { publicArea } = await tpm.certifyEphemeralKey({ keyHandle: AzureHandle.attestationKey, pcrs: PCRS });
    const pcrs = await tpm.readPcrs('sha256', PCRS);
    const message = randomBytes(32);
    const ciphertext = publicEncrypt(
      { key: rsaKey(publicArea), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
      message,
    );
    const commands = rawCommands(publicArea, pcrs, ciphertext);
    const kept = await loadedOnce(swtpm, commands);
    const ask = async (program, line) => {
      const answer = await program.ask(line);
      if (!/^\d+$/.test(answer)) throw new Error(answer);
    };
    const open = async () => {
      const scheme = { scheme: 'RSA-OAEP', hash: 'SHA-256' };
      if (!(await tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme })).equals(message))
        throw new Error('wrong plaintext');
    };
    return await compare(
      {
        bare: () => ask(loop, `${BATCH} ${kept}`),
        library: () => Promise.all(Array.from({ length: BATCH }, open)),
        single: async () => {
          for (let i = 0; i < BATCH; i++) await open();
        },
        anew: () => ask(reference, `${ANEW_BATCH} ${ciphertext.toString('hex')}`),
      },
      { rounds: 2, roundMs: 40 },
    );
  } finally {
    await tpm.close();
  }
}

/** What a decrypt over a salted session keeps of the speed. */
async function withParameterEncryption(swtpm) {
  await createPersistentKey(
    swtpm.transport,
    PermanentHandle.endorsement,
    endorsementKeyTemplate(),
    AzureHandle.endorsementKey,
  );
  const clients = [false, true].map((parameterEncryption) => new NativeTpm({ tcti: swtpm.tcti, parameterEncryption }));
  try {
    const { publicArea } = await clients[0].certifyEphemeralKey({ keyHandle: AzureHandle.attestationKey, pcrs: PCRS });
    const ciphertext = publicEncrypt(
      { key: rsaKey(publicArea), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
      randomBytes(32),
    );
    const scheme = { scheme: 'RSA-OAEP', hash: 'SHA-256' };
    const [plain, encrypted] = clients.map((tpm) => () => tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme }));
    const { ratio } = await compare({ plain, encrypted });
    return ratio('encrypted', 'plain');
  } finally {
    await Promise.all(clients.map((tpm) => tpm.close()));
  }
}

/** A key and a session of the bare loop's own; resolves with the two commands of a decrypt. */
async function loadedOnce(swtpm, { createPrimary, startAuthSession, policyPcr, rsaDecrypt }) {
  const handleOf = async (command) => {
    const response = await swtpm.transport(Buffer.from(command, 'hex'));
    if (response.readUInt32BE(6) !== 0) throw new Error('the bare loop has no key');
    return response.toString('hex', 10, 14);
  };
  const key = await handleOf(createPrimary);
  const session = await handleOf(startAuthSession);
  return `${policyPcr(session)} ${rsaDecrypt(key, session)}`;
}

function rawCommands(publicArea, pcrs, ciphertext) {
  const digest = createHash('sha256');
  for (const index of PCRS) digest.update(pcrs.get(index));
  const pcrDigest = digest.digest('hex');
  const policy = publicArea.toString('hex', 12, 44);
  const template = `0001000b000204320020${policy}00100010080000000000${'0100'}${'00'.repeat(256)}`;
  const password = '00000009400000090000000000';
  const nonce = '00'.repeat(16);
  const selection = '00000001000b03ff0000';
  const createPrimary = command('8002', '131', `40000007${password}000400000000${sized(template)}000000000000`);
  const startAuthSession = command('8001', '176', `4000000740000007${sized(nonce)}0000010010000b`);
  const policyPcr = (session) => command('8001', '17f', `${session}0020${pcrDigest}${selection}`);
  const rsaDecrypt = (key, session) => {
    const authorization = `${session}${sized(nonce)}010000`;
    return command(
      '8002',
      '159',
      `${key}${hex(authorization.length / 2, 8)}${authorization}${sized(ciphertext.toString('hex'))}0017000b0000`,
    );
  };
  return { createPrimary, startAuthSession, policyPcr, rsaDecrypt };
}

function command(tag, code, rest) {
  return `${tag}${hex(10 + rest.length / 2, 8)}${code.padStart(8, '0')}${rest}`;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const hex = (value, digits) => value.toString(16).padStart(digits, '0');
const sized = (text) => `${hex(text.length / 2, 4)}${text}`;

function rsaKey(publicArea) {
  const n = publicArea.subarray(publicArea.length - 256).toString('base64url');
  return createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
}
