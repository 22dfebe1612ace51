import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DerReader } from '../../lib/abi/der.js';
import { GENERALIZED_TIME, UTC_TIME } from '../../lib/abi/der-tags.js';
import { CRL_SIGN, KEY_CERT_SIGN, readExtensions, readKeyUsage } from '../../lib/abi/x509-extensions.js';
import { rawEcdsaSignature } from '../../lib/abi/x509-key.js';
import { readTime } from '../../lib/abi/x509-time.js';

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const reader = (hex: string): DerReader => new DerReader(bytes(hex), 'structure');
const refusal = expect.objectContaining({ name: 'AttestationError', code: 20 });

describe('DerReader', () => {
  it('DerReader tells object identifiers apart, however often and in whatever order they are read', () => {
    const encoded = Array.from({ length: 1000 }, (_, at) => [0x2a, 0x80 | (1 + (at >> 7)), at & 0x7f, at % 7]);
    for (let round = 0; round < 2; round++) {
      for (const [first, second, third, fourth] of encoded as [number, number, number, number][]) {
        const text = reader(`0604 ${Buffer.from([first, second, third, fourth]).toString('hex')}`).oid();
        expect(text).toBe(`1.2.${(second & 0x7f) * 128 + third}.${fourth}`);
      }
    }
  });

  it.each([
    ['an indefinite length', '30 80 00 00'],
    ['a one-byte length in two bytes', '04 81 05 0102030405'],
    ['a length with a leading zero', `04 82 00 80 ${'00'.repeat(128)}`],
    ['a length of five bytes', '04 85 00 00 00 00 01 00'],
    ['a length beyond the end', '04 05 01 02'],
    ['a length of 4 GiB', '04 84 ff ff ff ff'],
    ['a tag number above 30', '1f 20 00'],
    ['a tag without a length', '30'],
    ['nothing', ''],
  ])('DerReader refuses %s', (_, hex) => {
    expect(() => reader(hex).pass()).toThrow(refusal);
  });

  it.each([
    ['a negative integer', '02 01 80'],
    ['a positive integer with a leading zero', '02 02 00 7f'],
    ['a negative integer with a leading byte', '02 02 ff 80'],
    ['an integer without a byte', '02 00'],
    ['an integer of 21 bytes', `02 15 01${'00'.repeat(20)}`],
    ['another type', '04 01 00'],
  ])('DerReader refuses %s', (_, hex) => {
    expect(() => reader(hex).unsigned(20)).toThrow(refusal);
  });

  it('DerReader reads 0, 127, 128 and 65535 as they are encoded', () => {
    expect(['020100', '02017f', '02020080', '020300ffff'].map((hex) => reader(hex).small(65535))).toEqual([
      0, 127, 128, 65535,
    ]);
    expect(() => reader('0203010000').small(65535)).toThrow(refusal);
  });

  it('DerReader refuses bytes behind the last element', () => {
    const sequence = reader('3003 020100').enter();
    sequence.small(1);
    sequence.end();
    const more = reader('3006 020100 020100').enter();
    more.small(1);
    expect(() => more.end()).toThrow(refusal);
  });

  it('DerReader refuses nesting deeper than 16 levels', () => {
    let nested = '';
    for (let level = 0; level < 20; level++) nested = `30${(nested.length / 2).toString(16).padStart(2, '0')}${nested}`;
    let inner = reader(nested);
    expect(() => {
      for (;;) inner = inner.enter();
    }).toThrow('nested too deep');
  });

  it('DerReader refuses a boolean that is neither true nor false', () => {
    expect(reader('0101ff').boolean()).toBe(true);
    expect(reader('010100').boolean()).toBe(false);
    for (const hex of ['010101', '0100', '0102ffff']) expect(() => reader(hex).boolean()).toThrow(refusal);
  });

  it('DerReader reads object identifiers and refuses those with two encodings', () => {
    expect(reader('0608 2a8648ce3d030107').oid()).toBe('1.2.840.10045.3.1.7');
    expect(reader('060a 2a864886f84d010d0101').oid()).toBe('1.2.840.113741.1.13.1.1');
    expect(reader('0603 883703').oid()).toBe('2.999.3');
    expect(reader('0614 6983fbb8e1d5a2c0f8d7f3e7aaf1d8b5a9c7d801').oid()).toMatch(/^2\.25\.\d{30,}$/);
    for (const hex of ['0600', '060180', '06028001', '0602 2a80', `0641${'01'.repeat(65)}`]) {
      expect(() => reader(hex).oid()).toThrow(refusal);
    }
  });

  it('DerReader ends every walk over any bytes with elements that cover them or with error 20', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (input) => {
        const walk = new DerReader(input, 'structure');
        let covered = 0;
        try {
          while (!walk.done) covered += walk.encoded().length;
        } catch (error) {
          expect(error).toMatchObject({ code: 20 });
          return;
        }
        expect(covered).toBe(input.length);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('parts of a certificate', () => {
  const time = (tag: number, text: string): Date =>
    readTime(new DerReader(new Uint8Array([tag, text.length, ...Buffer.from(text)]), 'structure'));

  it('readTime reads both forms and the century that RFC 5280 gives', () => {
    expect(time(UTC_TIME, '491231235959Z').toISOString()).toBe('2049-12-31T23:59:59.000Z');
    expect(time(UTC_TIME, '500101000000Z').toISOString()).toBe('1950-01-01T00:00:00.000Z');
    expect(time(GENERALIZED_TIME, '20500101000000Z').toISOString()).toBe('2050-01-01T00:00:00.000Z');
  });

  it.each([
    '2501010000Z',
    '250101000000',
    '250101000000+0000',
    '250230000000Z',
    '251301000000Z',
    '250101240000Z',
    '250101006000Z',
    '25010100000aZ',
    '250101000000.5Z',
    '',
  ])('readTime refuses the time "%s"', (text) => {
    expect(() => time(UTC_TIME, text)).toThrow(refusal);
    expect(() => time(GENERALIZED_TIME, `20${text}`)).toThrow(refusal);
  });

  it('readExtensions refuses an extension that comes twice', () => {
    const extension = '3009 0603551d13 0402 3000';
    expect(readExtensions(reader(extension)).get('2.5.29.19')?.critical).toBe(false);
    expect(() => readExtensions(reader(`${extension}${extension}`))).toThrow('twice');
  });

  it('readKeyUsage gives the bits and refuses those behind the last', () => {
    expect(readKeyUsage(bytes('03020106'), 'structure')).toBe(KEY_CERT_SIGN | CRL_SIGN);
    for (const hex of ['03020107', '030208ff', '0301', '0304000000ff', '040106']) {
      expect(() => readKeyUsage(bytes(hex), 'structure')).toThrow(refusal);
    }
  });

  it('rawEcdsaSignature pads r and s, and refuses a second encoding of the same signature', () => {
    const raw = rawEcdsaSignature(bytes('3006 020101 020102'), 32);
    expect([raw.length, raw[31], raw[63]]).toEqual([64, 1, 2]);
    for (const hex of [
      '3007 020101 02020002',
      '3006 020101 020182',
      '3006 020101 020102 00',
      '3009 020101 020102 020103',
      '308106 020101 020102',
      '3003 020101',
      `3026 022101${'00'.repeat(32)} 020101`,
    ]) {
      expect(() => rawEcdsaSignature(bytes(hex), 32)).toThrow(refusal);
    }
  });
});
