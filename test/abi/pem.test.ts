import { describe, expect, it } from 'vitest';
import { encodePem, pemBlocks, splitPem } from '../../lib/abi/pem.js';

const one = Uint8Array.of(0x30, 0x03, 0x02, 0x01, 0x05);
const other = Uint8Array.of(0x30, 0x00);
const block = (der: Uint8Array, label = 'CERTIFICATE') => encodePem(label, der);
const refusal = (text: string): string | undefined => {
  try {
    splitPem(text, 'CERTIFICATE');
    return undefined;
  } catch (error) {
    return `${(error as { code?: number }).code} ${(error as Error).message}`;
  }
};

describe('PEM', () => {
  it('is read with line ends of every system, text between the blocks, and the NUL that ends a C string', () => {
    const text = `subject=CN = a\n${block(one)}\nissuer=CN = b\n${block(other)}`;
    for (const given of [text, text.replaceAll('\n', '\r\n'), text.replaceAll('\n', '\r'), `${text.trim()}\0`]) {
      expect(splitPem(given, 'CERTIFICATE')).toEqual([one, other]);
      expect(splitPem(Buffer.from(given), 'CERTIFICATE')).toEqual([one, other]);
    }
    expect(pemBlocks(block(one, 'X509 CRL'))).toEqual([{ label: 'X509 CRL', der: one }]);
  });

  it.each([
    ['a block inside a line', `${block(one).trim()}J${block(other)}`],
    ['a block that begins behind the end of another', `${block(one).trim()}${block(other)}`],
    ['text behind a block', `${block(one).trim()}J\n`],
    ['a block without an end', block(one).replace('-----END', '----END')],
    ['a block with another end', block(one).replace('END CERT', 'END CART')],
    ['a block of another kind', block(one, 'PRIVATE KEY')],
    ['a label in small letters', block(one).replaceAll('CERTIFICATE', 'certificate')],
    ['a header inside of a block', block(one).replace('\n', '\nProc-Type: 4\n')],
    ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
    ['base64 with a bit too many', block(other).replace('MAA=', 'MAB=')],
    ['no block', 'nothing'],
    ['17 blocks', block(one).repeat(17)],
  ])('is refused with %s', (_, text) => {
    expect(refusal(text)).toMatch(/^20 .*PEM text/);
  });
});
