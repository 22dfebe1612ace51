import { fixture } from '../fixtures.js';

/** One TPM command of a reference-client transcript and its answer, headers included. */
export interface TranscriptEntry {
  name: string;
  command: Buffer;
  response: Buffer;
}

/** The commands of a transcript in order: `code name rc=… time C=hex R=hex` a line. */
export function transcript(path: string): TranscriptEntry[] {
  return fixture(path)
    .toString('latin1')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const match = /^\S+ (\S+)\s+rc=\S+\s+\S+ C=([0-9a-f]+) R=([0-9a-f]+)$/.exec(line);
      if (match === null) throw new Error(`unexpected line in ${path}: ${line.slice(0, 80)}`);
      const [, name = '', command = '', response = ''] = match;
      return { name, command: Buffer.from(command, 'hex'), response: Buffer.from(response, 'hex') };
    });
}

/** Reads the parameters of a response: a cursor over big-endian TPM structures. */
export class ResponseReader {
  #offset: number;

  constructor(
    readonly bytes: Buffer,
    /** 10 for a response without sessions, 14 with them (parameterSize), 4 more where a handle comes first. */
    offset: number,
  ) {
    this.#offset = offset;
  }

  take(size: number): Buffer {
    this.#offset += size;
    return this.bytes.subarray(this.#offset - size, this.#offset);
  }

  uint16(): number {
    return this.take(2).readUInt16BE();
  }

  uint32(): number {
    return this.take(4).readUInt32BE();
  }

  /** A TPM2B without its size. */
  sized(): Buffer {
    return this.take(this.uint16());
  }

  /** A TPM2B with its size. */
  sizedWhole(): Buffer {
    const size = this.uint16();
    this.#offset -= 2;
    return this.take(size + 2);
  }
}

/** What the reference client read from its TPM for an attestation. */
export function tpmEvidence(path: string) {
  const entries = transcript(path);
  const reader = (name: string, offset: number): ResponseReader => {
    const entry = entries.find((candidate) => candidate.name === name);
    if (entry === undefined) throw new Error(`${path} has no ${name}`);
    return new ResponseReader(entry.response, offset);
  };
  const attestation = (name: string) => {
    const response = reader(name, 14);
    const message = response.sized();
    response.take(4); // TPMT_SIGNATURE: RSASSA, SHA-256
    return { message, signature: response.sized() };
  };
  const pcrs = reader('PCR_Read', 10);
  pcrs.take(14); // update counter, selection
  const count = pcrs.uint32();
  const certify = attestation('Certify');
  return {
    akPublic: reader('ReadPublic', 10).sizedWhole(),
    pcrs: new Map(Array.from({ length: count }, (_, index) => [index, pcrs.sized()] as const)),
    quote: attestation('Quote'),
    ephemeralKey: {
      publicArea: reader('CreatePrimary', 18).sizedWhole(),
      certifyInfo: certify.message,
      certifySignature: certify.signature,
    },
  };
}
