import { decodeBase64url } from '../base/base64url.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { bytesFromHex } from '../base/hex.js';
import { isJsonObject } from '../base/strict-json.js';

// A quote has 24 PCR values; nothing else has as many members.
const MAXIMUM_MEMBERS = 32;

/** A JSON object whose members are taken one by one; what is left over at the end is refused. */
export class JsonMembers {
  private readonly value: Readonly<Record<string, unknown>>;
  private readonly left: string[];

  /** `path` names the object in messages: empty for the whole text. */
  constructor(
    value: unknown,
    private readonly path = '',
  ) {
    if (!isJsonObject(value)) throw this.refused('', 'an object');
    this.value = value;
    this.left = Object.keys(value);
    if (this.left.length > MAXIMUM_MEMBERS) throw this.refused('', `an object of at most ${MAXIMUM_MEMBERS} members`);
  }

  has(name: string): boolean {
    return this.left.includes(name);
  }

  take(name: string): unknown {
    const index = this.left.indexOf(name);
    if (index < 0) return undefined;
    this.left.copyWithin(index, index + 1).pop();
    return this.value[name];
  }

  object(name: string): JsonMembers {
    return new JsonMembers(this.take(name), this.at(name));
  }

  text(name: string): string {
    const value = this.take(name);
    if (typeof value !== 'string') throw this.refused(name, 'a string');
    return value;
  }

  array(name: string): unknown[] {
    const value = this.take(name);
    if (!Array.isArray(value)) throw this.refused(name, 'an array');
    return value;
  }

  /** base64url without padding. */
  base64url(name: string): Uint8Array {
    const value = decodeBase64url(this.text(name));
    if (value === undefined) throw this.refused(name, 'base64url without padding');
    return value;
  }

  hex(name: string): Uint8Array {
    const text = this.text(name);
    const value = bytesFromHex(text);
    if (value === undefined) throw this.refused(name, 'hex digits');
    return value;
  }

  /** Names that were not taken yet. */
  names(): string[] {
    return [...this.left];
  }

  /** Refuses members that nothing asked for. */
  finish(): void {
    const [name] = this.left;
    if (name !== undefined) throw refusal(`unknown member '${this.at(name.slice(0, 60))}'`);
  }

  refused(name: string, expected: string): AttestationError {
    const path = name === '' ? this.path : this.at(name);
    return refusal(`${path === '' ? 'it' : `'${path}'`} must be ${expected}`);
  }

  private at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }
}

function refusal(message: string): AttestationError {
  return new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, `the evidence is refused: ${message}`);
}
