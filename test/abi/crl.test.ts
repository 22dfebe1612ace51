import { describe, expect, it } from 'vitest';
import { parseEndorsementExtensions } from '../../lib/abi/amd-extensions.js';
import { isRevoked, parseRevocationList } from '../../lib/abi/crl.js';
import { parseCertificate, parseCertificates } from '../../lib/abi/x509.js';
import { AttestationError } from '../../lib/index.js';
import { fixture, withFixtures } from '../fixtures.js';

const intelLists = (): Uint8Array[] => {
  const text = fixture('tdx/collateral/2026-03-90c06f000000.json').toString('utf8');
  const { root_ca_crl, pck_crl } = JSON.parse(text) as Record<string, string>;
  return [root_ca_crl, pck_crl].map((list) => new Uint8Array(Buffer.from(list ?? '', 'hex')));
};

function outcome(bytes: Uint8Array) {
  try {
    return parseRevocationList(bytes);
  } catch (error) {
    if (error instanceof AttestationError && (error.code === 20 || error.code === 21)) return undefined;
    throw error;
  }
}

describe.skipIf(!withFixtures)('parseRevocationList', () => {
  it("parseRevocationList reads Intel's lists", () => {
    const [root, pck] = intelLists().map((list) => parseRevocationList(list));
    expect(root?.issuer.commonName).toBe('Intel SGX Root CA');
    expect(root?.revoked).toEqual([]);
    expect(root?.nextUpdate?.toISOString()).toBe('2026-04-03T11:21:57.000Z');
    expect(pck?.issuer.text).toBe('C=US, ST=CA, L=Santa Clara, O=Intel Corporation, CN=Intel SGX PCK Platform CA');
    const revoked = (serial: string) => pck !== undefined && isRevoked(pck, Buffer.from(serial, 'hex'));
    expect(revoked('efae6e9715fca13b87e333e8261ed6d990a926ad')).toBe(true);
    expect(revoked('efae6e9715fca13b87e333e8261ed6d990a926ae')).toBe(false);
    expect(revoked('ae6e9715fca13b87e333e8261ed6d990a926ad')).toBe(false);
    expect(pck?.signatureAlgorithm.scheme).toEqual({ scheme: 'ecdsa', hash: 'SHA-256' });
    expect(pck?.unknownCritical).toEqual([]);
  });

  it('parseRevocationList reads PEM text of one list and refuses two', () => {
    const [der = new Uint8Array()] = intelLists();
    const pem = `-----BEGIN X509 CRL-----\n${Buffer.from(der).toString('base64')}\n-----END X509 CRL-----\n`;
    expect(parseRevocationList(pem).der).toEqual(der);
    expect(() => parseRevocationList(pem + pem)).toThrow(expect.objectContaining({ code: 20 }));
    expect(() => parseRevocationList('')).toThrow(expect.objectContaining({ code: 21 }));
  });

  it('parseRevocationList refuses every prefix of a list and a byte after it', () => {
    for (const list of intelLists()) {
      for (let length = 0; length < list.length; length++) expect(outcome(list.subarray(0, length))).toBeUndefined();
      expect(outcome(new Uint8Array([...list, 0]))).toBeUndefined();
    }
  });

  it('parseRevocationList answers every single-bit change with error 20 or with a list', () => {
    let read = 0;
    for (const list of intelLists()) {
      for (let bit = 0; bit < 8 * Math.min(list.length, 1200); bit++) {
        list[bit >> 3] = (list[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        if (outcome(list) !== undefined) read++;
        list[bit >> 3] = (list[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      }
    }
    expect(read).toBeGreaterThan(1000);
  }, 60_000);
});

describe.skipIf(!withFixtures)('parseEndorsementExtensions', () => {
  it('parseEndorsementExtensions reads the levels and hardware ids of Milan, Genoa and Turin', () => {
    const milan = parseEndorsementExtensions(parseCertificate(fixture('azure-milan-v3/vcek.der')));
    expect(milan).toMatchObject({ structVersion: 0, productName: 'Milan-B0' });
    expect(milan.tcb).toEqual({ bootloader: 4, tee: 0, snp: 24, microcode: 219 });
    expect(milan.hwid?.length).toBe(64);
    const [genoa] = parseCertificates(fixture('snp-genoa-v3/genoa_vcek.pem'));
    expect(genoa && parseEndorsementExtensions(genoa)).toMatchObject({ structVersion: 0, productName: 'Genoa' });
  });

  it('parseEndorsementExtensions refuses a certificate without them', () => {
    const [root] = parseCertificates(fixture('amd-chains/ask_ark_milan.pem'));
    expect(() => root && parseEndorsementExtensions(root)).toThrow(expect.objectContaining({ code: 20 }));
  });
});
