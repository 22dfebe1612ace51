import { randomBytes, sign } from 'node:crypto';
import { newKeyPair } from '../../node/key-pair.js';

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const CONTEXT_0 = 0xa0;

const ECDSA_WITH_SHA256 = der(SEQUENCE, der(OBJECT_IDENTIFIER, Buffer.from('2a8648ce3d040302', 'hex')));
const COMMON_NAME = der(OBJECT_IDENTIFIER, Buffer.from('550403', 'hex'));
const VERSION_3 = der(CONTEXT_0, der(INTEGER, Buffer.of(2)));
const SERIAL_BYTES = 16;
const DAY_MS = 24 * 60 * 60 * 1000;
const LIFETIME_DAYS = 365;

/** A TLS identity whose private key exists in this process alone: what flag bit 0 of the channel says of it is true. */
export interface OwnCertificate {
  /** PEM. Handed to `node:tls` and to nobody else. */
  key: string;
  cert: string;
}

/**
 * A fresh P-256 key with a certificate that it signs itself (RFC 5280 section 4.1, no extensions). The certificate says
 * nothing about who this is: that is what the evidence is for.
 */
export function makeOwnCertificate(now = new Date()): OwnCertificate {
  const { privateKey, publicKey } = newKeyPair({ namedCurve: 'P-256' });
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from('attested channel')))));
  const tbs = der(
    SEQUENCE,
    VERSION_3,
    der(INTEGER, positive(randomBytes(SERIAL_BYTES))),
    ECDSA_WITH_SHA256,
    name,
    // A day back: the peer's clock may be behind.
    der(SEQUENCE, time(now.getTime() - DAY_MS), time(now.getTime() + LIFETIME_DAYS * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = der(BIT_STRING, Buffer.of(0), sign('sha256', tbs, privateKey));
  const certificate = der(SEQUENCE, tbs, ECDSA_WITH_SHA256, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${(certificate.match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`,
  };
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

/** A DER INTEGER is minimal and signed: the first bits are set to 01. */
function positive(bytes: Buffer): Buffer {
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

/** RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050 on. */
function time(milliseconds: number): Buffer {
  const text = new Date(milliseconds).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  const long = Number(text.slice(0, 4)) >= 2050;
  return der(long ? GENERALIZED_TIME : UTC_TIME, Buffer.from(`${long ? text : text.slice(2)}Z`, 'latin1'));
}
