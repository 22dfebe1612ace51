import { createHash, createHmac, randomBytes } from 'node:crypto';
import { headerSize, type TpmTransport } from '../tpm/command.js';
import { Algorithm, CommandCode, PermanentHandle, ResponseCode } from '../tpm/constants.js';
import { TpmReader, TpmWriter } from '../tpm/encoding.js';
import { flushContext } from '../tpm/keys.js';
import { type Authorization, viewCommand } from './command-view.js';

const hashes = new Map<number, 'sha1' | 'sha256'>([
  [Algorithm.sha1, 'sha1'],
  [Algorithm.sha256, 'sha256'],
]);

const hmacSession = 0;
const continueSession = 0x01;
const parameterEncryption = 0x60;

/**
 * Acknowledges authorizations of commands that the TPM never sees. Beside passwords it knows HMAC sessions without bind
 * and salt, which is what tpm2-tools use: their key is empty, and so is the authorization value of every hierarchy here.
 *
 * The nonce of an answer is the paravisor's; the TPM does not learn it. A session that has been answered here is good for
 * more of the same and for FlushContext, not for a command that goes to the TPM.
 */
export class Sessions {
  readonly #tpm: TpmTransport;
  readonly #hashes = new Map<number, 'sha1' | 'sha256'>();

  constructor(tpm: TpmTransport) {
    this.#tpm = tpm;
  }

  /** Remembers a session that the TPM has just started. */
  observe(command: Buffer, code: number, response: Buffer): void {
    if (code !== CommandCode.StartAuthSession || response.readUInt32BE(6) !== ResponseCode.success) return;
    const { handles, parameters } = viewCommand(command, 2);
    parameters.sized(); // nonceCaller
    parameters.sized(); // encryptedSalt
    const type = parameters.u8();
    if (parameters.u16() !== Algorithm.null) parameters.bytes(4);
    const hash = hashes.get(parameters.u16());
    const unbound = handles.every((handle) => handle === PermanentHandle.null);
    const session = new TpmReader(response.subarray(headerSize)).u32();
    this.#hashes.delete(session);
    if (unbound && type === hmacSession && hash) this.#hashes.set(session, hash);
  }

  /** The authorization area of a successful response; undefined when one of the sessions is of another kind. */
  async acknowledge(
    authorizations: readonly Authorization[],
    code: number,
    parameters: Buffer,
  ): Promise<Buffer | undefined> {
    const area = new TpmWriter();
    for (const authorization of authorizations) {
      const { session, attributes } = authorization;
      if (session === PermanentHandle.password) {
        area.u16(0).u8(continueSession).u16(0);
        continue;
      }
      const hash = this.#hashes.get(session);
      if (!hash || attributes & parameterEncryption) return undefined;
      area.bytes(acknowledgeHmac(hash, authorization, code, parameters));
      if (!(attributes & continueSession)) await flushContext(this.#tpm, session);
    }
    return area.toBuffer();
  }
}

/** TPMS_AUTH_RESPONSE of an HMAC session whose key is empty (Part 1, 18.7). */
function acknowledgeHmac(
  hash: 'sha1' | 'sha256',
  { nonceCaller, attributes }: Authorization,
  code: number,
  parameters: Buffer,
): Buffer {
  const head = new TpmWriter().u32(ResponseCode.success).u32(code).toBuffer();
  const parameterHash = createHash(hash).update(head).update(parameters).digest();
  const nonceTpm = randomBytes(parameterHash.length);
  const hmac = createHmac(hash, '')
    .update(Buffer.concat([parameterHash, nonceTpm, nonceCaller, Uint8Array.of(attributes)]))
    .digest();
  return new TpmWriter().sized(nonceTpm).u8(attributes).sized(hmac).toBuffer();
}
