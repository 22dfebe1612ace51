import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePckExtension } from '../../lib/abi/pck-extension.js';
import { isTdQuote } from '../../lib/abi/td-quote.js';
import { parseCertificate, parseCertificates } from '../../lib/abi/x509.js';
import { hex } from '../../lib/base/hex.js';
import { AttestationError, parseTdQuote } from '../../lib/index.js';
import { withFixtures } from '../fixtures.js';
import { flip, genuineCases, genuineQuote, synthetic } from './tdx-fixtures.js';

function outcome(bytes: Uint8Array) {
  try {
    return parseTdQuote(bytes);
  } catch (error) {
    if (error instanceof AttestationError && (error.code === 20 || error.code === 21)) return undefined;
    throw error;
  }
}

/** Size of a quote without its padding. */
const usedSize = (quote: Uint8Array): number => quote.length - parseTdQuote(quote).padding.length;

const syntheticQuote = (name: string): Uint8Array => new Uint8Array(Buffer.from(synthetic(name).quote, 'base64'));

describe.skipIf(!withFixtures)('parseTdQuote', () => {
  it.each(genuineCases.map(({ name }) => name))('parseTdQuote reads the fields of the genuine quote %s', (name) => {
    const each = genuineCases.find((candidate) => candidate.name === name);
    const quote = parseTdQuote(genuineQuote(name));
    const { fields = {}, pck } = each ?? {};
    expect(isTdQuote(genuineQuote(name))).toBe(true);
    expect(quote.version).toBe(each?.quoteVersion);
    expect({
      tee_tcb_svn: hex(quote.teeTcbSvn),
      mr_seam: hex(quote.mrseam),
      mr_signer_seam: hex(quote.mrsignerseam),
      seam_attributes: hex(quote.seamAttributes),
      td_attributes: hex(quote.tdAttributes),
      xfam: hex(quote.xfam),
      mr_td: hex(quote.mrtd),
      mr_config_id: hex(quote.mrconfigid),
      mr_owner: hex(quote.mrowner),
      mr_owner_config: hex(quote.mrownerconfig),
      ...Object.fromEntries(quote.rtmrs.map((rtmr, index) => [`rtmr${index}`, hex(rtmr)])),
      report_data: hex(quote.reportData),
      ...(quote.teeTcbSvn2 === undefined ? {} : { tee_tcb_svn2: hex(quote.teeTcbSvn2) }),
      ...(quote.mrservicetd === undefined ? {} : { mr_service_td: hex(quote.mrservicetd) }),
    }).toEqual(fields);
    expect(quote.pckCertification.type).toBe(5);
    const [leaf, ...issuers] = parseCertificates(quote.pckCertification.data);
    expect(issuers.map(({ subject }) => subject.commonName)).toEqual([
      'Intel SGX PCK Platform CA',
      'Intel SGX Root CA',
    ]);
    const extension = leaf && parsePckExtension(leaf);
    expect(extension && hex(extension.fmspc)).toBe(pck?.fmspc);
    expect(extension && hex(extension.pceId)).toBe(pck?.pceid);
    expect(extension && hex(extension.ppid)).toBe(pck?.ppid);
    expect(extension?.pcesvn).toBe(pck?.pcesvn);
    expect(extension?.sgxComponents).toEqual(pck?.comp);
  });

  it('parseTdQuote refuses every prefix of a quote', () => {
    for (const name of ['azure-emr-v4-2026', 'emr-v5-gcp']) {
      const quote = genuineQuote(name);
      for (let length = 0; length < usedSize(quote); length++) {
        if (outcome(quote.subarray(0, length)) !== undefined) expect.unreachable(`${name} of ${length} bytes`);
      }
    }
  });

  it('parseTdQuote answers every single-bit change with error 20 or with a quote', () => {
    let read = 0;
    for (const name of ['azure-emr-v4-2026', 'emr-v5-gcp']) {
      const quote = genuineQuote(name);
      for (let bit = 0; bit < 8 * quote.length; bit++) {
        flip(quote, bit);
        if (outcome(quote) !== undefined) read++;
        flip(quote, bit);
      }
    }
    expect(read).toBeGreaterThan(70_000);
  });

  it('parseTdQuote refuses every length field set to anything but its value', () => {
    for (const name of ['azure-emr-v4-2026', 'emr-v5-gcp']) {
      const quote = genuineQuote(name);
      const data = parseTdQuote(quote).signed.length;
      const view = new DataView(quote.buffer);
      const authentication = data + 4 + 134 + 384 + 64;
      const size = view.getUint16(authentication, true);
      for (const at of [data, data + 4 + 130, authentication + 2 + size + 2]) {
        const value = view.getUint32(at, true);
        for (const hostile of [0, 1, 133, value - 1, value + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
          view.setUint32(at, hostile, true);
          if (outcome(quote) !== undefined) expect.unreachable(`${name}: ${hostile} at ${at}`);
        }
        view.setUint32(at, value, true);
      }
      for (const hostile of [0, size - 1, size + 1, 0xffff]) {
        view.setUint16(authentication, hostile, true);
        if (outcome(quote) !== undefined) expect.unreachable(`${name}: ${hostile} bytes of authentication data`);
      }
    }
  });

  it('parseTdQuote refuses a v5 quote whose signature data are 4 GiB long', () => {
    const quote = genuineQuote('emr-v5-gcp');
    new DataView(quote.buffer).setUint32(parseTdQuote(quote).signed.length, 0xffff_ffff, true);
    expect(() => parseTdQuote(quote)).toThrow('4294967295 bytes');
  });

  it('parseTdQuote refuses other certification data than 6 around a QE report', () => {
    const quote = genuineQuote('emr-v5-gcp');
    const view = new DataView(quote.buffer);
    const at = parseTdQuote(quote).signed.length + 4 + 128;
    for (let type = 0; type < 16; type++) {
      view.setUint16(at, type, true);
      expect(outcome(quote) !== undefined, `type ${type}`).toBe(type === 6);
    }
  });

  it('parseTdQuote refuses each body type with the size of another, and SGX bodies', () => {
    const quote = genuineQuote('emr-v5-gcp');
    const view = new DataView(quote.buffer);
    for (const [type, size] of [
      [1, 384],
      [1, 648],
      [2, 648],
      [3, 584],
      [4, 648],
      [5, 648],
      [0, 0],
      [3, 0xffff_ffff],
    ] as const) {
      view.setUint16(48, type, true);
      view.setUint32(50, size, true);
      expect(outcome(quote), `${type} with ${size}`).toBeUndefined();
    }
    expect(outcome(syntheticQuote('v5-size-mismatch'))).toBeUndefined();
  });

  it('parseTdQuote reads a v5 quote with a body of TDX 1.0, and one without QE authentication data', () => {
    expect(parseTdQuote(syntheticQuote('v5-body-type-2'))).toMatchObject({ version: 5, bodyType: 2 });
    expect(parseTdQuote(syntheticQuote('qe-auth-empty')).qeAuthenticationData.length).toBe(0);
  });

  it('parseTdQuote reads 65535 bytes of QE authentication data', () => {
    const quote = syntheticQuote('qe-auth-empty');
    const { signed } = parseTdQuote(quote);
    const authentication = signed.length + 4 + 134 + 384 + 64;
    const longer = new Uint8Array(quote.length + 65_535);
    longer.set(quote.subarray(0, authentication + 2));
    longer.set(quote.subarray(authentication + 2), authentication + 2 + 65_535);
    const view = new DataView(longer.buffer);
    view.setUint16(authentication, 65_535, true);
    for (const at of [signed.length, signed.length + 4 + 130])
      view.setUint32(at, view.getUint32(at, true) + 65_535, true);
    expect(parseTdQuote(longer).qeAuthenticationData.length).toBe(65_535);
  });

  it('parseTdQuote takes zeros behind the quote in silence, and warns of other bytes', () => {
    const quote = genuineQuote('azure-emr-v4-2026');
    expect(parseTdQuote(quote)).toMatchObject({ warnings: [] });
    quote[quote.length - 1] = 1;
    expect(parseTdQuote(quote).warnings).toEqual(['the bytes behind the TD quote are not zero']);
  });

  it('parseTdQuote does not read v5 with the offsets of v4', () => {
    const quote = genuineQuote('emr-v5-gcp');
    quote[0] = 4;
    expect(outcome(quote)).toBeUndefined();
  });
});

describe.skipIf(!withFixtures)('parsePckExtension', () => {
  const leaf = () => parseCertificates(parseTdQuote(genuineQuote('azure-emr-v4-2026')).pckCertification.data)[0];

  it('parsePckExtension answers every single-bit change of the extension with error 20 or with other values', () => {
    const der = new Uint8Array(leaf()?.der ?? []);
    const before = JSON.stringify(parsePckExtension(parseCertificate(der)));
    const extension = parseCertificate(der).extensions.get('1.2.840.113741.1.13.1')?.value;
    const start = 8 * (extension?.byteOffset ?? 0);
    for (let bit = start; bit < start + 8 * (extension?.length ?? 0); bit++) {
      flip(der, bit);
      try {
        expect(JSON.stringify(parsePckExtension(parseCertificate(der))), `bit ${bit}`).not.toBe(before);
      } catch (error) {
        if (!(error instanceof AttestationError) || error.code !== 20) throw error;
      }
      flip(der, bit);
    }
  });

  it('parsePckExtension refuses a certificate without the extension', () => {
    const [, ca] = parseCertificates(parseTdQuote(genuineQuote('azure-emr-v4-2026')).pckCertification.data);
    expect(() => ca && parsePckExtension(ca)).toThrow('is missing');
  });
});

describe('parseTdQuote on any bytes', () => {
  it('parseTdQuote gives error 21 for nothing, 20 for too much and 8 for what is not bytes', () => {
    expect(() => parseTdQuote(new Uint8Array())).toThrow(expect.objectContaining({ code: 21 }));
    expect(() => parseTdQuote(new Uint8Array(128 * 1024 + 1))).toThrow('larger than 128 KiB');
    expect(() => parseTdQuote(null as unknown as Uint8Array)).toThrow(expect.objectContaining({ code: 8 }));
  });

  it('parseTdQuote gives error 20 for random bytes behind a good header', () => {
    fc.assert(
      fc.property(fc.constantFrom(4, 5), fc.uint8Array({ maxLength: 1500 }), (version, bytes) => {
        const quote = new Uint8Array([version, 0, 2, 0, 0x81, 0, 0, 0, ...bytes]);
        expect(outcome(quote)).toBeUndefined();
      }),
    );
  });
});
