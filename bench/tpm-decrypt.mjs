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
import { compare, median, summary } from './measure.mjs';

const PCRS = [0, 1, 2, 3, 4, 5, 6, 7];
const BATCH = 8;
/** Seeds under which the decrypt itself is measured; its rate hardly depends on them. */
const SEEDS = 12;
/**
 * How long an RSA key takes to generate is a matter of the TPM's seed, by a factor of five, so many are drawn: what a caller
 * can expect is the mean, and how well that is known depends on their number.
 */
const SEEDS_OF_KEYS = 240;

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
    const rates = { bare: [], library: [] };
    const ratios = { bare: [], single: [] };
    let quiet = true;
    for (let i = 0; i < SEEDS; i++) {
      const { timings, ratio, measure } = await underOneSeed(swtpm, againstBareLoop(swtpm, loop));
      ratios.bare.push(ratio('library', 'bare'));
      quiet &&= measure('library', 'bare').quiet;
      ratios.single.push(ratio('single', 'bare'));
      for (const name of Object.keys(rates)) rates[name].push(timings[name].median * BATCH);
    }
    const anew = [];
    for (let i = 0; i < SEEDS_OF_KEYS; i++) anew.push(await underOneSeed(swtpm, againstReference(reference)));
    const ratiosAnew = anew.map(({ total, ours }) => total / ours);
    const milliseconds = (part) => mean(anew.map((times) => times[part])).toFixed(1);
    const protectedRatio = await withParameterEncryption(swtpm);
    const perSecond = (name) => `${Math.round(median(rates[name]))}/s`;
    return {
      title: 'Decrypts of wrapped keys in the TPM (swtpm)',
      rows: [
        {
          question: 'decrypts a second against the same two commands in a bare C loop',
          ...summary(ratios.bare),
          quiet,
          atLeast: 0.97,
          details: `${perSecond('library')} against ${perSecond('bare')}, ${BATCH} calls in flight, ${SEEDS} seeds of the TPM`,
        },
        {
          question: 'the same, one call at a time',
          ...summary(ratios.single),
          quiet,
          details: 'thread hand-over and promise for every single call',
        },
        {
          question: 'decrypts a second against the same as the reference client does it, a key anew each time',
          ratio: mean(ratiosAnew),
          interval: intervalOfMean(ratiosAnew),
          atLeast: 15,
          details: `mean over ${anew.length} seeds; ${milliseconds('total')} ms, ${milliseconds('key')} of them CreatePrimary, against ${milliseconds('ours')}`,
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

/** Runs `measure` with a client whose key is loaded and a ciphertext for it, then gives the TPM another seed. */
async function underOneSeed(swtpm, measure) {
  const tpm = new NativeTpm({ tcti: swtpm.tcti });
  try {
    const { publicArea } = await tpm.certifyEphemeralKey({ keyHandle: AzureHandle.attestationKey, pcrs: PCRS });
    const message = randomBytes(32);
    const ciphertext = publicEncrypt(
      { key: rsaKey(publicArea), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
      message,
    );
    const scheme = { scheme: 'RSA-OAEP', hash: 'SHA-256' };
    const open = async () => {
      if (!(await tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme })).equals(message))
        throw new Error('wrong plaintext');
    };
    return await measure({ tpm, publicArea, ciphertext, open });
  } finally {
    await tpm.close();
    await swtpm.reset();
  }
}

const againstBareLoop =
  (swtpm, loop) =>
  async ({ tpm, publicArea, ciphertext, open }) => {
    const commands = rawCommands(publicArea, await tpm.readPcrs('sha256', PCRS), ciphertext);
    const kept = await loadedOnce(swtpm, commands);
    return compare(
      {
        bare: () => ask(loop, `${BATCH} ${kept}`),
        library: () => inFlight(open),
        single: async () => {
          for (let i = 0; i < BATCH; i++) await open();
        },
      },
      { rounds: 3, roundMs: 40 },
    );
  };

/** Milliseconds of one decrypt of the reference client, of the key for it, and of the library's between which it was. */
const againstReference =
  (reference) =>
  async ({ ciphertext, open }) => {
    const elapsed = async (work) => {
      const start = performance.now();
      await work();
      return performance.now() - start;
    };
    await open();
    const before = await elapsed(() => inFlight(open));
    let answer = '';
    const total = await elapsed(async () => {
      answer = await ask(reference, `1 ${ciphertext.toString('hex')}`);
    });
    const after = await elapsed(() => inFlight(open));
    return { total, key: Number(answer.split(' ')[1]) / 1e6, ours: (before + after) / (2 * BATCH) };
  };

const inFlight = (open) => Promise.all(Array.from({ length: BATCH }, open));

async function ask(program, line) {
  const answer = await program.ask(line);
  if (!/^\d+( \d+)?$/.test(answer)) throw new Error(answer);
  return answer;
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
/** Of the mean, by its standard error. */
function intervalOfMean(values) {
  const centre = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
  const half = 1.96 * Math.sqrt(variance / values.length);
  return [centre - half, centre + half];
}
const hex = (value, digits) => value.toString(16).padStart(digits, '0');
const sized = (text) => `${hex(text.length / 2, 4)}${text}`;

function rsaKey(publicArea) {
  const n = publicArea.subarray(publicArea.length - 256).toString('base64url');
  return createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
}
