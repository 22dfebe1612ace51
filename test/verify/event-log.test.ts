import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { compareEventLog, ErrorCode, parseEventLog, replayEventLog } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';

const u16 = (value: number): Buffer => Buffer.from(new Uint16Array([value]).buffer);
const u32 = (value: number): Buffer => Buffer.from(new Uint32Array([value]).buffer);
const sha = (hash: string, data: Uint8Array): Buffer => createHash(hash).update(data).digest();

/** Head of a crypto-agile log with the banks SHA-1 and SHA-256. */
function specId(): Buffer {
  const banks = Buffer.concat([u32(2), u16(4), u16(20), u16(0x0b), u16(32), Buffer.from([0])]);
  const data = Buffer.concat([Buffer.from('Spec ID Event03\0'), u32(0), Buffer.from([0, 2, 0, 2]), banks]);
  return Buffer.concat([u32(0), u32(3), Buffer.alloc(20), u32(data.length), data]);
}

function agileEvent(pcr: number, type: number, data: Buffer, measured: Uint8Array = data): Buffer {
  const digests = [u16(4), sha('sha1', measured), u16(0x0b), sha('sha256', measured)];
  return Buffer.concat([u32(pcr), u32(type), u32(2), ...digests, u32(data.length), data]);
}

const extend = (value: Uint8Array, digest: Uint8Array): Buffer =>
  createHash('sha256').update(value).update(digest).digest();
const refusal = { name: 'AttestationError', code: ErrorCode.HCL_REPORT_PARSING_FAILURE };

describe.skipIf(!withFixtures)('event log of a genuine SEV-SNP guest', () => {
  const log = (): ReturnType<typeof parseEventLog> => parseEventLog(fixture('eventlogs/ubuntu-2404-amd-sevsnp.bin'));

  it('replays', () => {
    const pcrs = replayEventLog(log());
    expect([...pcrs.keys()].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14]);
    // PCRs that hold nothing but the separator have one well-known value.
    expect(Buffer.from(pcrs.get(2) ?? []).toString('hex')).toBe(
      '3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969',
    );
  });

  it('says what was booted', () => {
    const result = compareEventLog(log(), replayEventLog(log()));
    expect(result.events).toHaveLength(117);
    expect(result.secureBoot).toBe(false);
    expect(result.bootApplications?.map(({ path }) => path.split('/').at(-1))).toEqual([
      '\\EFI\\ubuntu\\shimx64.efi',
      '\\EFI\\ubuntu\\grubx64.efi',
    ]);
    expect(result.kernelCommandLine).toMatch(/^\/vmlinuz-6\.8\.0-1010-gcp root=PARTUUID=/);
    const descriptions = result.events.filter((event) => event.pcr === 7).map((event) => event.description);
    expect(descriptions).toEqual([
      'SecureBoot = 0',
      'PK: x509 1',
      'KEK: x509 1',
      'db: x509 2',
      'dbx: sha256 371',
      'separator',
      'SbatLevel: sbat,1,2021030218\n',
    ]);
  });

  it('believes nothing of an event that was not measured', () => {
    const result = compareEventLog(log(), new Map([[7, new Uint8Array(32)]]));
    expect(result.secureBoot).toBeUndefined();
    expect(result.bootApplications).toBeUndefined();
    expect(Object.keys(result.absent)).toEqual(['secureBoot', 'bootApplications', 'kernelCommandLine']);
    expect(result.events.some((event) => event.measured || event.dataMeasured)).toBe(false);
  });

  it('notices data that is not what was measured', () => {
    const bytes = new Uint8Array(fixture('eventlogs/ubuntu-2404-amd-sevsnp.bin'));
    const secureBoot = 397 + 12 + 22 + 34 + 50 + 4 + 52; // the value of the SecureBoot variable
    expect(bytes[secureBoot]).toBe(0);
    bytes[secureBoot] = 1;
    const lying = parseEventLog(bytes);
    const result = compareEventLog(lying, replayEventLog(log()));
    expect(result.pcrs[7]?.matches).toBe(true);
    expect(result.secureBoot).toBeUndefined();
  });

  it('refuses every prefix that ends inside an event', () => {
    const bytes = fixture('eventlogs/ubuntu-2404-amd-sevsnp.bin');
    let accepted = 0;
    for (let length = 8; length < bytes.length; length += 7) {
      try {
        accepted += parseEventLog(bytes.subarray(0, length)).events.length > 0 ? 1 : 0;
      } catch (error) {
        expect(error).toMatchObject(refusal);
      }
    }
    expect(accepted).toBeLessThan(117); // only a prefix that ends between two events (or in padding) can be read
  });
});

describe('event log', () => {
  it('starts PCR 0 at the locality that the log states', () => {
    const locality = Buffer.concat([Buffer.from('StartupLocality\0'), Buffer.from([3])]);
    const log = parseEventLog(
      Buffer.concat([specId(), agileEvent(0, 3, locality, Buffer.alloc(0)), agileEvent(0, 8, Buffer.from('v'))]),
    );
    const start = Buffer.alloc(32);
    start[31] = 3;
    expect(Buffer.from(replayEventLog(log).get(0) ?? [])).toEqual(extend(start, sha('sha256', Buffer.from('v'))));
  });

  it('does not replay what was not extended', () => {
    const log = parseEventLog(Buffer.concat([specId(), agileEvent(5, 3, Buffer.from('note'))]));
    expect(replayEventLog(log).size).toBe(0);
  });

  it('reads the older SHA-1 form', () => {
    const data = Buffer.from([0, 0, 0, 0]);
    const event = Buffer.concat([u32(4), u32(4), sha('sha1', data), u32(4), data]);
    const log = parseEventLog(Buffer.concat([event, event]));
    expect(log).toMatchObject({ format: 'sha1', algorithms: ['sha1'] });
    expect(log.events).toHaveLength(2);
    expect(replayEventLog(log, 'sha1').get(4)).toHaveLength(20);
    expect(replayEventLog(log).size).toBe(0);
  });

  it('takes zeros or ones after the last event for padding', () => {
    const log = Buffer.concat([specId(), agileEvent(0, 4, Buffer.alloc(4))]);
    for (const padding of [0, 0xff]) {
      expect(parseEventLog(Buffer.concat([log, Buffer.alloc(100, padding)])).events).toHaveLength(2);
    }
  });

  it.each([
    ['a PCR that does not exist', agileEvent(24, 4, Buffer.alloc(4))],
    ['an event without a digest', Buffer.concat([u32(0), u32(4), u32(0), u32(4), Buffer.alloc(4, 1)])],
    [
      'two digests of one bank',
      Buffer.concat([u32(0), u32(4), u32(2), u16(4), Buffer.alloc(20), u16(4), Buffer.alloc(20), u32(0)]),
    ],
    [
      'an unknown bank',
      Buffer.concat([u32(0), u32(4), u32(2), u16(0x99), Buffer.alloc(20), u16(4), Buffer.alloc(20), u32(0)]),
    ],
    ['data past the end', Buffer.concat([agileEvent(0, 4, Buffer.alloc(4)).subarray(0, -8), u32(0xffffffff)])],
  ])('refuses %s', (_, event) => {
    expect(() => parseEventLog(Buffer.concat([specId(), event]))).toThrow(expect.objectContaining(refusal));
  });

  it('refuses nothing at all with a code of its own', () => {
    expect(() => parseEventLog(new Uint8Array())).toThrow(
      expect.objectContaining({ code: ErrorCode.HCL_REPORT_EMPTY }),
    );
  });

  it('keeps control characters away from a terminal', () => {
    const name = Buffer.from('\u001b[2J\0', 'utf16le');
    const variable = Buffer.concat([Buffer.alloc(16), Buffer.alloc(16), name, Buffer.from([1, 2])]);
    variable.writeUInt32LE(name.length / 2, 16);
    variable.writeUInt32LE(2, 24);
    const log = parseEventLog(Buffer.concat([specId(), agileEvent(7, 0x80000001, variable)]));
    const [, event] = compareEventLog(log, replayEventLog(log)).events;
    expect(event?.description).toBe('\ufffd[2J: 0102');
  });
});
