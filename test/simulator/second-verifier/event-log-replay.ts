import { createHash } from 'node:crypto';
import { malformed, untrusted } from '../../../lib/simulator/service/refusal.js';
import { Algorithm } from '../../../lib/simulator/tpm/constants.js';

/** What a boot's event log tells once it replays to the quoted PCRs. */
export interface BootFacts {
  /** Value of the SecureBoot variable; false when the log does not say. */
  secureBoot: boolean;
}

const noActionEvent = 0x3;
const variableDriverConfigEvent = 0x80000001;
const globalVariable = '61dfe48bca93d211aa0d00e098032b8c';

/** Little-endian reader over a log; a log that ends too early is refused. */
class LogReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length;
  }

  bytes(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw malformed('TcgLogs ends in the middle of an event');
    const taken = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  u16(): number {
    return this.bytes(2).readUInt16LE();
  }

  u32(): number {
    return this.bytes(4).readUInt32LE();
  }
}

/** Digest sizes by algorithm, from the log's first event (TCG_EfiSpecIDEvent). */
function readHeader(reader: LogReader): Map<number, number> {
  const [pcr, type] = [reader.u32(), reader.u32()];
  reader.bytes(20);
  const event = new LogReader(reader.bytes(reader.u32()));
  if (pcr !== 0 || type !== noActionEvent || event.bytes(16).toString('latin1') !== 'Spec ID Event03\0') {
    throw malformed('TcgLogs is not a crypto-agile event log');
  }
  event.bytes(8);
  const count = event.u32();
  if (count > 16) throw malformed(`TcgLogs has ${count} digest algorithms`);
  const sizes = new Map<number, number>();
  for (let i = 0; i < count; i++) sizes.set(event.u16(), event.u16());
  return sizes;
}

/** Replays the SHA-256 bank and compares it with the quoted PCRs. Events of PCRs that were not quoted are passed over. */
export function verifyEventLog(log: Buffer, pcrs: Map<number, Buffer>): BootFacts {
  const reader = new LogReader(log);
  const sizes = readHeader(reader);
  const replayed = new Map<number, Buffer>([...pcrs.keys()].map((index) => [index, Buffer.alloc(32)]));
  let secureBoot = false;
  while (!reader.done) {
    const [pcr, type, digestCount] = [reader.u32(), reader.u32(), reader.u32()];
    let digest: Buffer | undefined;
    for (let i = 0; i < digestCount; i++) {
      const algorithm = reader.u16();
      const size = sizes.get(algorithm);
      if (size === undefined) throw malformed(`TcgLogs has a digest of algorithm 0x${algorithm.toString(16)}`);
      const value = reader.bytes(size);
      if (algorithm === Algorithm.sha256) digest = value;
    }
    const data = reader.bytes(reader.u32());
    const before = replayed.get(pcr);
    if (type === noActionEvent || !before) continue;
    if (digest?.length !== 32) throw malformed('TcgLogs has an event without a SHA-256 digest');
    replayed.set(pcr, createHash('sha256').update(before).update(digest).digest());
    if (pcr === 7 && type === variableDriverConfigEvent) secureBoot ||= saysSecureBoot(data, digest);
  }
  for (const [index, value] of pcrs) {
    if (!replayed.get(index)?.equals(value)) throw untrusted(`TcgLogs does not replay to PCR ${index}`);
  }
  return { secureBoot };
}

/** Whether this UEFI_VARIABLE_DATA is `SecureBoot` with value 1; its digest has to be of these very bytes. */
function saysSecureBoot(data: Buffer, digest: Buffer): boolean {
  const name = Buffer.from('SecureBoot', 'utf16le');
  if (data.length !== 32 + name.length + 1 || data.subarray(0, 16).toString('hex') !== globalVariable) return false;
  if (!data.subarray(32, 32 + name.length).equals(name)) return false;
  if (!createHash('sha256').update(data).digest().equals(digest)) {
    throw untrusted('TcgLogs shows another SecureBoot variable than was measured');
  }
  return data[data.length - 1] === 1;
}
