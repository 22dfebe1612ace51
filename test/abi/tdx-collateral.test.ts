import { describe, expect, it } from 'vitest';
import { readQeIdentity } from '../../lib/abi/qe-identity.js';
import { readSignedJson } from '../../lib/abi/signed-json.js';
import { readDocumentHead, readTcbInfo } from '../../lib/abi/tcb-info.js';
import { exportTdxCollateral, importTdxCollateral } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';

const FILES = ['2023-07-50806f000000', '2025-06-00806f050000', '2025-07-b0c06f000000', '2026-03-90c06f000000'];
const file = (name: string): string => fixture(`tdx/collateral/${name}.json`).toString('utf8');
const refused = expect.objectContaining({ name: 'AttestationError', code: 20 });

describe.skipIf(!withFixtures)('importTdxCollateral', () => {
  it.each(FILES)('importTdxCollateral reads %s, and what it exports is the same', (name) => {
    const collateral = importTdxCollateral(file(name));
    expect(importTdxCollateral(JSON.parse(file(name)) as object)).toEqual(collateral);
    expect(importTdxCollateral(exportTdxCollateral(collateral))).toEqual(collateral);
    const info = readSignedJson(collateral.tcbInfo, 'tcbInfo').value;
    expect(readDocumentHead(info, 'TCB info')).toMatchObject({ id: 'TDX', version: 3 });
    expect(readTcbInfo(info).tcbLevels[0]?.tcb).toHaveLength(33);
    const identity = readSignedJson(collateral.qeIdentity, 'enclaveIdentity').value;
    expect(readDocumentHead(identity, 'QE identity')).toMatchObject({ id: 'TD_QE', version: 2 });
    expect(readQeIdentity(identity)).toMatchObject({ isvprodid: 2 });
  });

  it('importTdxCollateral reads text of many NULs in a moment, and takes those that end a text for its end', () => {
    const good = JSON.parse(file('2026-03-90c06f000000')) as Record<string, string>;
    const ended = { ...good, tcb_info: `${good.tcb_info}\0\0` };
    expect(importTdxCollateral(ended)).toEqual(importTdxCollateral(good));
    const began = process.cpuUsage();
    importTdxCollateral({ ...good, tcb_info: `${'\0'.repeat(500_000)}x` });
    expect(process.cpuUsage(began).user).toBeLessThan(500_000);
  });

  it('importTdxCollateral refuses each member missing, empty, of another type or not of its form', () => {
    const good = JSON.parse(file('2026-03-90c06f000000')) as Record<string, unknown>;
    for (const name of Object.keys(good).filter((member) => member !== 'pck_crl_issuer_chain')) {
      for (const value of [undefined, '', null, 1, {}, []]) {
        expect(() => importTdxCollateral({ ...good, [name]: value }), name).toThrow(refused);
      }
    }
    for (const name of ['tcb_info_signature', 'qe_identity_signature', 'pck_crl', 'root_ca_crl']) {
      expect(() => importTdxCollateral({ ...good, [name]: '30zz' }), name).toThrow(refused);
    }
  });

  it('importTdxCollateral refuses text that is not JSON with error 20, nothing with 21, other values with 8', () => {
    for (const text of ['{', '[]', 'null', '{"tcb_info":"a","tcb_info":"b"}']) {
      expect(() => importTdxCollateral(text)).toThrow(refused);
    }
    expect(() => importTdxCollateral('')).toThrow(expect.objectContaining({ code: 21 }));
    for (const value of [null, 1, [], undefined]) {
      expect(() => importTdxCollateral(value as unknown as string)).toThrow(expect.objectContaining({ code: 8 }));
    }
  });
});

describe('readSignedJson', () => {
  it('readSignedJson takes the bytes of the value as they are, whatever stands around and inside', () => {
    const inner = '{ "b": "}\\"{", "tcbInfo": [1, {"x":"\\\\"}] , "ü": 1}';
    for (const text of [
      `{"tcbInfo":${inner},"signature":"${'0a'.repeat(64)}"}`,
      `{ "signature":"${'0a'.repeat(64)}" , "other": {"tcbInfo": {}}, "tcb\\u0049nfo" :\n${inner} }`,
    ]) {
      const document = readSignedJson(text, 'tcbInfo');
      expect(document.text).toBe(inner);
      expect(document.signature).toEqual(new Uint8Array(64).fill(10));
    }
    expect(readSignedJson(`${inner.replace('tcbInfo', 'y')}\n`, 'tcbInfo').text).toBe(inner.replace('tcbInfo', 'y'));
  });

  it('readSignedJson refuses two members of the name, a value that is not an object, and a malformed signature', () => {
    for (const text of [
      '{"tcbInfo":{},"tcbInfo":{}}',
      '{"tcbInfo":{},"tcb\\u0049nfo":{}}',
      '{"tcbInfo":"{}"}',
      '{"tcbInfo":[]}',
      '{"tcbInfo":null}',
      '{"tcbInfo":{},"signature":"00"}',
      `{"tcbInfo":{},"signature":"${'zz'.repeat(64)}"}`,
      '{"tcbInfo":{},"signature":5}',
      '[]',
      '',
      '{"tcbInfo":{"a":1,"a":2}}',
    ]) {
      expect(() => readSignedJson(text, 'tcbInfo'), text).toThrow(refused);
    }
  });
});

describe.skipIf(!withFixtures)('readTcbInfo', () => {
  type Json = Record<string, unknown>;
  const info = (): Json => JSON.parse(String(JSON.parse(file('2026-03-90c06f000000')).tcb_info)) as Json;
  const levels = (value: Json): Json[] => value.tcbLevels as Json[];
  const tcb = (value: Json, index = 0): Json => levels(value)[index]?.tcb as Json;

  it.each<[string, (value: Json) => void]>([
    ['a component too few', (value) => (tcb(value).sgxtcbcomponents as unknown[]).pop()],
    ['a component too many', (value) => (tcb(value).tdxtcbcomponents as unknown[]).push({ svn: 0 })],
    ['an SVN of 256', (value) => Object.assign((tcb(value).sgxtcbcomponents as Json[])[0] ?? {}, { svn: 256 })],
    ['an SVN in a string', (value) => Object.assign((tcb(value).sgxtcbcomponents as Json[])[0] ?? {}, { svn: '3' })],
    ['a PCESVN of 65536', (value) => Object.assign(tcb(value), { pcesvn: 65_536 })],
    ['an unknown status', (value) => Object.assign(levels(value)[0] ?? {}, { tcbStatus: 'Fine' })],
    [
      'a verdict in place of a status',
      (value) => Object.assign(levels(value)[0] ?? {}, { tcbStatus: 'TDRelaunchAdvised' }),
    ],
    ['two equal levels', (value) => levels(value).push(structuredClone(levels(value)[0] ?? {}))],
    ['no level', (value) => Object.assign(value, { tcbLevels: [] })],
    ['an FMSPC of 5 bytes', (value) => Object.assign(value, { fmspc: '90C06F0000' })],
    ['another TCB type', (value) => Object.assign(value, { tcbType: 1 })],
    ['a date without a zone', (value) => Object.assign(value, { nextUpdate: '2026-03-20T10:58:51' })],
    ['a date that does not exist', (value) => Object.assign(value, { nextUpdate: '2026-02-30T10:58:51Z' })],
    [
      'one module twice, in another case',
      (value) => {
        const identities = value.tdxModuleIdentities as Json[];
        identities.push({ ...identities[0], id: String(identities[0]?.id).toLowerCase() });
      },
    ],
  ])('readTcbInfo refuses %s', (_, change) => {
    const value = info();
    change(value);
    // The head is read first, and by itself.
    expect(() => [readDocumentHead(value, 'TCB info'), readTcbInfo(value)]).toThrow(refused);
  });

  it('readTcbInfo puts levels in order, and leaves unknown members alone', () => {
    const value = info();
    const expected = readTcbInfo(value).tcbLevels;
    levels(value).reverse();
    expect(readTcbInfo({ ...value, somethingNew: { of: 'Intel' } }).tcbLevels).toEqual(expected);
  });
});
