import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { throwIfAborted } from '../../base/abort.js';
import { type AttestationClient, AttestationError, encrypt, verifyToken } from '../../index.js';
import { SimulatedCvm } from '../../simulator/index.js';
import type { Context } from '../context.js';
import { CliError } from '../exit.js';
import { printSections } from '../output/table.js';
import { tokenSections } from '../present/token.js';
import { Story } from './story.js';

const MESSAGE = 'The launch code is 4711.';

const LOOPBACK = '127.0.0.1,localhost';

/** The whole of what the library is for, on a simulated machine that is gone afterwards. */
export async function runDemo(context: Context, tdx = false): Promise<void> {
  withoutProxyOnThisMachine();
  const { terminal, signal } = context;
  const story = new Story(terminal);

  story.step(
    'Start a simulated confidential VM',
    `A software TPM set up as Azure does it, ${tdx ? 'an Intel' : 'an AMD'}-like chain, metadata and attestation services.`,
  );
  const started = Date.now();
  const cvm = await terminal.progress(
    'making keys and starting the TPM',
    SimulatedCvm.start(tdx ? { vmType: 'tdx' } : {}),
  );
  try {
    throwIfAborted(signal);
    story.done(`up in ${((Date.now() - started) / 1000).toFixed(1)} s`);
    await using client = cvm.client();
    const token = await attestAndVerify(context, story, cvm, client);
    await encryptAndDecrypt(context, story, cvm, client, token);
  } finally {
    await cvm.stop();
  }
  story.step('Stop everything');
  const folder = dirname(cvm.eventLogPath);
  if (existsSync(folder)) throw new CliError('ERR_DEMO', `${folder} was left behind`);
  story.done('no process, socket or folder is left');
}

/** The environment's proxy does not reach services on the loopback interface of this machine. */
function withoutProxyOnThisMachine(): void {
  const listed = process.env.no_proxy || process.env.NO_PROXY;
  process.env.no_proxy = [listed, LOOPBACK].filter(Boolean).join(',');
}

async function attestAndVerify(
  { terminal, signal }: Context,
  story: Story,
  cvm: SimulatedCvm,
  client: AttestationClient,
): Promise<string> {
  story.step(
    'Attest',
    'The guest shows report, quote, PCRs and event log to the service, which checks them and issues a token.',
  );
  const started = Date.now();
  const nonce = 'a-nonce-of-the-relying-party';
  const token = await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload: { nonce } }, { signal });
  story.done(`token of ${token.length} characters in ${Date.now() - started} ms; only this TPM could decrypt it`);

  story.step(
    'Verify the token',
    'As a relying party would, anywhere and without a TPM: signature, issuer, nonce, what it says.',
  );
  const claims = await verifyToken(token, { issuer: cvm.attestationUrl, nonce, requireSecureBoot: true });
  story.done('verified');
  terminal.print();
  printSections(terminal, tokenSections(claims));
  return token;
}

async function encryptAndDecrypt(
  { signal }: Context,
  story: Story,
  cvm: SimulatedCvm,
  client: AttestationClient,
  token: string,
): Promise<void> {
  story.step(
    'Encrypt a message to the key in the token',
    'AES-256-GCM, its key wrapped with RSA-OAEP: any size, and needs no TPM.',
  );
  const { encryptedData, encryptionMetadata } = await encrypt(token, Buffer.from(MESSAGE));
  story.done(`“${MESSAGE}” → ${encryptedData.toString('hex').slice(0, 40)}…`);

  story.step(
    'Decrypt it',
    'The TPM unwraps the content key, as long as the machine is in the state that was attested.',
  );
  const plaintext = await client.decrypt(encryptedData, { encryptionMetadata, signal });
  if (plaintext.toString() !== MESSAGE) throw new CliError('ERR_DEMO', 'another message came out');
  story.done(`“${plaintext.toString()}”`);

  story.step('Change one bit of the ciphertext');
  const tampered = Buffer.from(encryptedData);
  tampered[0] = (tampered[0] ?? 0) ^ 1;
  story.refused(await refusal(client.decrypt(tampered, { encryptionMetadata, signal })));

  story.step(
    'Change PCR 7',
    'As if another boot loader had been measured: the key in the token is out of reach from now on.',
  );
  await cvm.extendPcr(7, Buffer.alloc(32, 0xee));
  story.refused(await refusal(client.decrypt(encryptedData, { encryptionMetadata, signal })));

  story.step('Free the buffer');
  client.free(plaintext);
  if (plaintext.some((byte) => byte !== 0)) throw new CliError('ERR_DEMO', 'the buffer was not zeroed');
  story.done(`${plaintext.length} bytes zeroed`);
}

/** The error that must come. */
async function refusal(attempt: Promise<unknown>): Promise<AttestationError> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof AttestationError) return error;
    throw error;
  }
  throw new CliError('ERR_DEMO', 'what should have been refused was accepted');
}
