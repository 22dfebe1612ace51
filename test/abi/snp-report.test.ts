import { describe, expect, it } from 'vitest';
import { parseSnpReport, parseTcb } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';

const refusal = (code: number): unknown => expect.objectContaining({ name: 'AttestationError', code });

function reportOf(version: number): Buffer {
  const bytes = Buffer.alloc(1184);
  bytes.writeUInt32LE(version);
  return bytes;
}

function withCpuid(bytes: Buffer, family: number, model: number): Buffer {
  bytes[0x188] = family;
  bytes[0x189] = model;
  return bytes;
}

describe('parseSnpReport', () => {
  it('knows one size', () => {
    for (let size = 1; size < 2 * 1184; size++) {
      const bytes = new Uint8Array(size).fill(2);
      if (size === 1184) expect(parseSnpReport(bytes).version).toBe(0x02020202);
      else expect(() => parseSnpReport(bytes)).toThrow(refusal(20));
    }
    expect(() => parseSnpReport(new Uint8Array())).toThrow(refusal(21));
    expect(() => parseSnpReport(reportOf(0))).toThrow(refusal(20));
  });

  it.each([1, 2, 3, 4, 5, 6])('has in version %i the fields that it brought', (version) => {
    const report = parseSnpReport(reportOf(version));
    expect(report.unknownFields).toEqual([]);
    expect('launchTcb' in report && 'currentBuild' in report).toBe(version >= 2);
    expect('cpuidFamId' in report).toBe(version >= 3);
    expect('launchMitVector' in report && 'tioEn' in report.platformInfo).toBe(version >= 5);
  });

  it('reads mitigation vectors in version 5 and unknown bytes before it', () => {
    const bytes = reportOf(5);
    bytes[0x1f8] = 1;
    bytes[0x207] = 2;
    expect(parseSnpReport(bytes)).toMatchObject({ launchMitVector: 1n, currentMitVector: 2n << 56n });
    bytes[0] = 4;
    const [unknown, ...more] = parseSnpReport(bytes).unknownFields;
    expect(unknown?.offset).toBe(0x1f8);
    expect(more).toEqual([]);
  });

  it('lays the TCB out by the processor, the caller, or the shape of the chip id', () => {
    const bytes = reportOf(3);
    bytes.set([1, 2, 3, 4, 0, 0, 0, 0x51], 0x180);
    const turin = { fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 0x51 };
    expect(parseSnpReport(withCpuid(bytes, 0x1a, 2)).reportedTcb).toEqual(turin);
    const milan = parseSnpReport(withCpuid(bytes, 0x19, 1));
    expect(milan.reportedTcb).toEqual({ bootloader: 1, tee: 2, snp: 0, microcode: 0x51 });
    expect(milan.unknownFields.map(({ offset }) => offset)).toEqual([0x180]); // bytes 2 and 3 mean nothing there

    withCpuid(bytes, 0, 0)[0] = 2;
    expect(parseSnpReport(bytes).tcbLayout).toBe('Milan'); // a masked chip id says nothing
    bytes[0x1a0] = 1;
    expect(parseSnpReport(bytes).tcbLayout).toBe('Turin');
    bytes[0x1a8] = 1;
    expect(parseSnpReport(bytes).tcbLayout).toBe('Milan');
    expect(parseSnpReport(bytes, { product: 'Turin' }).reportedTcb).toEqual(turin);
  });

  it.each([
    [0x19, 0x00, 'Milan'],
    [0x19, 0x0f, 'Milan'],
    [0x19, 0x10, 'Genoa'],
    [0x19, 0x1f, 'Genoa'],
    [0x19, 0x20, undefined],
    [0x19, 0xa0, 'Genoa'],
    [0x19, 0xaf, 'Genoa'],
    [0x19, 0xb0, undefined],
    [0x1a, 0x00, 'Turin'],
    [0x1a, 0x11, 'Turin'],
    [0x1a, 0x12, undefined],
    [0x1a, 0x50, undefined],
    [0x17, 0x01, undefined],
  ])('takes family %i, model %i for %s', (family, model, product) => {
    expect(parseSnpReport(withCpuid(reportOf(3), family, model)).product).toBe(product);
  });

  it('keeps each of the 128 bits of guest policy and platform info, named or as an unknown one', () => {
    for (let bit = 0; bit < 64; bit++) {
      for (const [offset, part] of [
        [0x08, 'policy'],
        [0x40, 'platformInfo'],
      ] as const) {
        const bytes = reportOf(5);
        bytes.writeBigUInt64LE(1n << BigInt(bit), offset);
        const { raw, unknownBits, ...named } = parseSnpReport(bytes)[part];
        expect(raw).toBe(1n << BigInt(bit));
        const set = Object.values(named).filter((value) => value !== false && value !== 0).length;
        const alwaysOne = part === 'policy' && bit === 17;
        expect(set + (unknownBits === 0n ? 0 : 1)).toBe(alwaysOne ? 0 : 1);
      }
    }
  });

  it.skipIf(!withFixtures)('hands out views and copies nothing but the signature', () => {
    const bytes = fixture('snp-turin-v5/turin_attestation_report.bin');
    const report = parseSnpReport(bytes);
    for (const part of [report.measurement, report.chipId, report.reportData, report.raw]) {
      expect(part.buffer).toBe(bytes.buffer);
      expect(part.constructor).toBe(Uint8Array);
    }
    expect(report.platformInfo).toMatchObject({ raw: 0x65n, unknownBits: 0x40n });
  });

  it('believes the bytes and not what a subclass says of them', () => {
    class Lying extends Uint8Array {
      override get length(): number {
        return 1184;
      }
    }
    expect(() => parseSnpReport(new Lying(64))).toThrow(refusal(20));
    const proxied = new Proxy(new Uint8Array(1184), {});
    expect(() => parseSnpReport(proxied)).toThrow(refusal(8));
  });
});

describe('parseTcb', () => {
  it('knows eight bytes', () => {
    for (let size = 1; size < 16; size++) {
      if (size !== 8) expect(() => parseTcb(new Uint8Array(size), 'Milan')).toThrow(refusal(20));
    }
  });
});
