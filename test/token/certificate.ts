import { sign } from 'node:crypto';
import type { KeyPair } from './issuer.js';

const tlv = (tag: number, ...contents: Uint8Array[]): Buffer => {
  const content = Buffer.concat(contents);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};
const sequence = (...contents: Uint8Array[]): Buffer => tlv(0x30, ...contents);
const time = (text: string): Buffer => tlv(0x18, Buffer.from(text));

const SHA256_WITH_RSA = sequence(Buffer.from('06092a864886f70d01010b', 'hex'), tlv(0x05));
const COMMON_NAME = Buffer.from('0603550403', 'hex');

/** A self-signed X.509 certificate as in a key set: base64 DER. */
export function selfSignedCertificate(keys: KeyPair, commonName: string): string {
  const name = sequence(tlv(0x31, sequence(COMMON_NAME, tlv(0x0c, Buffer.from(commonName)))));
  const tbs = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([1])),
    SHA256_WITH_RSA,
    name,
    sequence(time('20200101000000Z'), time('20991231235959Z')),
    name,
    keys.publicKey.export({ format: 'der', type: 'spki' }),
  );
  const signature = tlv(0x03, Buffer.from([0]), sign('sha256', tbs, keys.privateKey));
  return sequence(tbs, SHA256_WITH_RSA, signature).toString('base64');
}
