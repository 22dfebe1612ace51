import { equalBytes, isZero, latin1Text } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import { readArguments } from '../../base/options.js';
import { sha2 } from '../../base/sha2.js';
import { describePartitions, describeSignatures, readImagePath, readVariable, ucs2 } from './efi-data.js';
import { EV_NO_ACTION, eventTypeName } from './event-types.js';
import type { TcgEvent } from './parse.js';
import type { Digest } from './replay.js';

const SHOWN_BYTES = 32;
const SHOWN_CHARACTERS = 4096;
const SIGNATURE_DATABASE = /^(?:PK|KEK|db[xtr]?)$/;

/** What an event says, in a line for people. */
export function describeEvent(event: TcgEvent): string {
  return readArguments('describeEvent', () => describe(event).slice(0, SHOWN_CHARACTERS));
}

function describe({ type, data }: TcgEvent): string {
  return inWords(eventTypeName(type), data) ?? textOf(data) ?? bytesText(data);
}

/** What is described by a structure of its own; undefined for all else. */
function inWords(type: string, data: Uint8Array): string | undefined {
  if (type === 'EV_SEPARATOR') {
    return isZero(data) || data.every((byte) => byte === 0xff) ? 'separator' : `error ${hex(data)}`;
  }
  if (type === 'EV_S_CRTM_VERSION') return data.length === 16 ? hex(data) : ucs2(data);
  if (/_VARIABLE_/.test(type)) return describeVariable(data);
  if (/_SERVICES_/.test(type)) return readImagePath(data);
  return /_GPT_/.test(type) ? describePartitions(data) : undefined;
}

function describeVariable(data: Uint8Array): string | undefined {
  const variable = readVariable(data);
  if (variable === undefined) return undefined;
  const { name, data: value } = variable;
  if (value.length === 0) return `${name} is absent`;
  if (SIGNATURE_DATABASE.test(name)) return `${name}: ${describeSignatures(value) ?? bytesText(value)}`;
  if (/^Boot[0-9A-F]{4}$/.test(name)) return `${name}: ${ucs2(value.subarray(6))}`; // after attributes and path length
  if (value.length === 1) return `${name} = ${value[0]}`;
  return `${name}: ${textOf(value) ?? bytesText(value)}`;
}

/** The part of an event's data that its SHA-256 digest is of; undefined when it is of something else. */
export function measuredBytes(event: TcgEvent, digest: Digest = sha2): Uint8Array | undefined {
  const expected = event.digests.sha256;
  if (expected === undefined || event.type === EV_NO_ACTION) return undefined;
  return candidates(event).find((bytes) => equalBytes(digest('SHA-256', bytes), expected));
}

function candidates({ type, data }: TcgEvent): Uint8Array[] {
  if (eventTypeName(type) === 'EV_EFI_VARIABLE_BOOT') {
    // Firmware before the profile's version 1.05 hashes the value alone.
    const value = readVariable(data)?.data;
    return value === undefined ? [data] : [data, value];
  }
  const text = textOf(data);
  if (text === undefined) return [data];
  // GRUB measures a string without its terminator and without the "grub_cmd: " in front of it.
  const whole = data.subarray(0, text.length);
  const colon = text.indexOf(': ');
  return colon < 0 ? [data, whole] : [data, whole, whole.subarray(colon + 2)];
}

/** Text of bytes that are ASCII, perhaps ended by a zero. */
export function textOf(data: Uint8Array): string | undefined {
  const end = data.at(-1) === 0 ? data.length - 1 : data.length;
  const text = data.subarray(0, end);
  const isText =
    text.length > 0 && text.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x09);
  return isText ? latin1Text(text) : undefined;
}

function bytesText(data: Uint8Array): string {
  return data.length <= SHOWN_BYTES ? hex(data) : `${hex(data.subarray(0, SHOWN_BYTES))}… (${data.length} bytes)`;
}
