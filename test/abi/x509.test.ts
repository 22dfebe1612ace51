import { createHash, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCertificate, parseCertificates } from '../../lib/abi/x509.js';
import { AttestationError } from '../../lib/index.js';
import { withFixtures } from '../fixtures.js';
import { fixtureCertificates } from './certificates.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function flip(bytes: Uint8Array, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
}

/** Parses hostile bytes: a certificate, or the documented error. Anything else fails the test. */
function outcome(bytes: Uint8Array) {
  try {
    return parseCertificate(bytes);
  } catch (error) {
    if (error instanceof AttestationError && (error.code === 20 || error.code === 21)) return undefined;
    throw error;
  }
}

describe.skipIf(!withFixtures)('parseCertificate on every certificate of the fixtures', () => {
  const certificates = withFixtures ? fixtureCertificates() : [];
  // Certificates of one issuer have the same form: the bits of one of them are enough.
  const oneOfEachIssuer = [
    ...new Map(certificates.map((each) => [parseCertificate(each.der).issuer.text, each])).values(),
  ];

  it('finds the certificates of AMD, Intel, Azure and the test authorities', () => {
    expect(certificates.length).toBeGreaterThan(40);
  });

  it('parseCertificate reads of each certificate what OpenSSL reads', () => {
    for (const { name, der } of certificates) {
      const parsed = parseCertificate(der);
      const witness = new X509Certificate(der);
      const spki = witness.publicKey.export({ type: 'spki', format: 'der' });
      expect(hex(parsed.serial).replace(/^0+(?=.)/, ''), name).toBe(
        witness.serialNumber.toLowerCase().replace(/^0+(?=.)/, ''),
      );
      expect(parsed.notBefore.getTime(), name).toBe(Date.parse(witness.validFrom));
      expect(parsed.notAfter.getTime(), name).toBe(Date.parse(witness.validTo));
      expect(hex(parsed.spki), name).toBe(hex(spki));
      expect(witness.subject.includes(`CN=${parsed.subject.commonName}`), name).toBe(true);
      expect(witness.issuer.includes(`CN=${parsed.issuer.commonName}`), name).toBe(true);
      expect(parsed.basicConstraints?.ca ?? false, name).toBe(witness.ca);
      expect(createHash('sha256').update(parsed.der).digest('hex'), name).toBe(
        witness.fingerprint256.replaceAll(':', '').toLowerCase(),
      );
      const jwk = witness.publicKey.export({ format: 'jwk' });
      const key = parsed.publicKey;
      if (key?.type === 'rsa') expect([b64(key.n), b64(key.e)], name).toEqual([jwk.n, jwk.e]);
      else if (key?.type === 'ec') expect([key.curve, b64(key.x), b64(key.y)], name).toEqual([jwk.crv, jwk.x, jwk.y]);
      else expect.unreachable(`${name} has a key that is not read`);
      expect(parsed.signatureAlgorithm.scheme, name).toBeDefined();
      expect(parsed.unknownCritical, name).toEqual([]);
    }
  });

  it('parseCertificate refuses every prefix of a certificate', () => {
    for (const { der } of certificates) {
      for (let length = 0; length < der.length; length++) expect(outcome(der.subarray(0, length))).toBeUndefined();
    }
  });

  it('parseCertificate refuses a byte after a certificate, and takes zeros only where padding is allowed', () => {
    for (const { der } of certificates) {
      const padded = new Uint8Array(der.length + 40);
      padded.set(der);
      expect(outcome(padded)).toBeUndefined();
      expect(parseCertificate(padded, { padding: true }).der).toEqual(der);
      padded[padded.length - 1] = 1;
      expect(() => parseCertificate(padded, { padding: true })).toThrow('trailing bytes');
    }
  });

  it('parseCertificate answers every single-bit change with error 20 or with the changed bytes', () => {
    let accepted = 0;
    for (const { der } of oneOfEachIssuer) {
      const changed = new Uint8Array(der);
      for (let bit = 0; bit < 8 * der.length; bit++) {
        flip(changed, bit);
        const parsed = outcome(changed);
        if (parsed !== undefined) {
          accepted++;
          // Nothing of a certificate is outside of what is signed, the algorithm and the signature.
          const size = parsed.tbs.length + parsed.signatureAlgorithm.raw.length + parsed.signature.length;
          if (parsed.der.length !== changed.length || der.length - size > 12) expect.unreachable('bytes went missing');
        }
        flip(changed, bit);
      }
    }
    expect(accepted).toBeGreaterThan(100_000); // names, keys and signatures hold what they like
  }, 120_000);

  it('OpenSSL reads what parseCertificate reads of single-bit changes before the key', () => {
    for (const { name, der } of oneOfEachIssuer.slice(0, 6)) {
      const changed = new Uint8Array(der);
      const { spki } = parseCertificate(changed);
      // OpenSSL decodes the key as well, which is left to the engines here.
      for (let bit = 0; bit < 8 * (spki.byteOffset - changed.byteOffset); bit++) {
        flip(changed, bit);
        if (outcome(changed) !== undefined)
          expect(() => new X509Certificate(changed), `${name} bit ${bit}`).not.toThrow();
        flip(changed, bit);
      }
    }
  });
});

function b64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

describe('parseCertificate on bytes that are not a certificate', () => {
  it('parseCertificate gives error 21 for nothing and for zeros', () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(100)]) {
      expect(() => parseCertificate(bytes)).toThrow(expect.objectContaining({ code: 21 }));
    }
    expect(() => parseCertificates('')).toThrow(expect.objectContaining({ code: 21 }));
  });

  it('parseCertificate gives error 20 or 21 for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(outcome(bytes)).toBeUndefined();
      }),
      { numRuns: 2000 },
    );
  });

  it('parseCertificates refuses PEM text without a block, without an end, of another label and of 17 certificates', () => {
    const block = '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n';
    for (const text of [
      'text',
      '-----BEGIN CERTIFICATE-----\nMAA=\n',
      '-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n',
      '-----BEGIN CERTIFICATE-----\nMAA\n-----END CERTIFICATE-----\n',
      '-----BEGIN CERTIFICATE-----\nMA*=\n-----END CERTIFICATE-----\n',
      '-----BEGIN CERTIFICATE-----\nMAB=\n-----END CERTIFICATE-----\n',
      '-----BEGIN CERTIFICATE-----\nMAA=\n-----END X509 CRL-----\n',
      block.repeat(17),
    ]) {
      expect(() => parseCertificates(text)).toThrow(expect.objectContaining({ code: 20 }));
    }
  });
});
