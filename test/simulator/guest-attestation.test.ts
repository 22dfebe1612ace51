import { createHash, createPublicKey, type KeyObject, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  AmdAuthority,
  buildSnpReport,
  SimulatedCvm,
  type SnpReportFields,
  signSnpReport,
  VtpmAuthority,
} from '../../lib/simulator/index.js';
import { PermanentHandle } from '../../lib/simulator/tpm/constants.js';
import { attestationKeyTemplate, createPrimary, flushContext } from '../../lib/simulator/tpm/keys.js';
import {
  attestationInfo,
  certifiedKey,
  certify,
  collect,
  ephemeralKeyTemplate,
  post,
  postGuest,
  quote,
  type RawRequest,
  sized,
} from './raw-guest.js';

let cvm: SimulatedCvm;
let good: RawRequest;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  good = await collect(cvm);
});
afterAll(() => cvm.stop());

const flipped = (bytes: Buffer, offset: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[offset] = (copy[offset] ?? 0) ^ 1;
  return copy;
};

/** Key of a TPM2B_PUBLIC of RSA-2048: its modulus comes last. */
const rsaKey = (publicArea: Buffer): KeyObject =>
  createPublicKey({
    key: { kty: 'RSA', n: publicArea.subarray(-256).toString('base64url'), e: 'AQAB' },
    format: 'jwk',
  });

/** A report of this VM with other fields, signed by its own chip. */
const reportWith = (fields: SnpReportFields): Buffer =>
  signSnpReport(
    buildSnpReport('Milan', {
      chipId: good.snpReport.subarray(0x1a0, 0x1e0),
      reportData: good.snpReport.subarray(0x50, 0x90),
      ...fields,
    }),
    cvm.signingLeaf.privateKey,
  );

/** A second restricted signing key of the same TPM. */
async function withOtherAk<T>(use: (handle: number, publicArea: Buffer) => Promise<T>): Promise<T> {
  const tpm = cvm.tpm.transport;
  const { handle, publicArea } = await createPrimary(tpm, PermanentHandle.owner, attestationKeyTemplate());
  try {
    return await use(handle, sized(publicArea));
  } finally {
    await flushContext(tpm, handle);
  }
}

async function refusal(changes: Partial<RawRequest>): Promise<string> {
  const answer = await postGuest(cvm, attestationInfo({ ...good, ...changes }));
  expect(answer.status).toBe(400);
  return `${answer.error?.code}: ${answer.error?.message}`;
}

describe('POST /attest/AzureGuest', () => {
  it('answers genuine evidence with an envelope, in standard base64 and in base64url', async () => {
    for (const encoding of ['base64', 'base64url'] as const) {
      const answer = await postGuest(cvm, attestationInfo(good, encoding));
      expect(answer).toMatchObject({ status: 200, token: expect.stringMatching(/^[\w-]+$/) });
      const envelope = JSON.parse(Buffer.from(answer.token ?? '', 'base64url').toString());
      expect(envelope.EncryptionParams).toMatchObject({
        Cipher: 'AES',
        BlockMode: 'ChainingModeGCM',
        KeySizeInBits: 256,
      });
      expect(Buffer.from(envelope.EncryptedInnerKey, 'base64')).toHaveLength(256);
      expect(Buffer.from(envelope.AuthenticationData, 'base64')).toHaveLength(16);
    }
  });

  it('takes an absent client payload and an empty event log', async () => {
    const answer = await postGuest(cvm, attestationInfo({ ...good, clientPayload: null, eventLog: Buffer.alloc(0) }));
    expect(answer.status).toBe(200);
  });

  it('takes a key of the owner hierarchy, as other clients make it', async () => {
    const key = await certifiedKey(cvm.tpm.transport, ephemeralKeyTemplate(good.pcrs), PermanentHandle.owner);
    expect((await postGuest(cvm, attestationInfo({ ...good, ...key }))).status).toBe(200);
  });

  it("takes what Microsoft's Python and Rust clients send", async () => {
    // Raw and nested payloads, versions as digits, the whole answer of TPM2_ReadPublic, a key from an empty `unique`.
    const template = ephemeralKeyTemplate(good.pcrs, undefined, Buffer.alloc(0));
    const key = await certifiedKey(cvm.tpm.transport, template, PermanentHandle.owner);
    const aikPub = Buffer.concat([good.aikPub, randomBytes(72)]);
    const clientPayload = { nonce: 'raw text', nested: { list: [1, 2] } } as unknown as Record<string, string>;
    const info = attestationInfo({ ...good, ...key, aikPub, clientPayload }, 'base64url');
    const answer = await postGuest(cvm, { ...info, OSVersionMajor: '24', OSVersionMinor: '04' });
    expect(answer).toMatchObject({ status: 200, token: expect.any(String) });
    expect((await postGuest(cvm, { ...info, OSVersionMajor: '24.04' })).status).toBe(400);
    const longer = { ...info, TpmInfo: { ...(info.TpmInfo as object), AikPub: `${aikPub.toString('base64url')}AAAA` } };
    expect((await postGuest(cvm, longer)).status).toBe(400);
  });

  describe('refuses the attestation key', () => {
    it('of a quote that another key of the same TPM signed', async () => {
      const other = await withOtherAk((handle) => quote(cvm.tpm.transport, good.pcrSet, handle));
      const changes = { quote: other.message, quoteSignature: other.signature };
      expect(await refusal(changes)).toMatch(/^AttestationFailed: .* quote signature \(ERR_QUOTE_SIGNATURE\)/);
    });

    it('that is not the one of its certificate', async () => {
      const aikPub = await withOtherAk((_handle, publicArea) => Promise.resolve(publicArea));
      expect(await refusal({ aikPub })).toMatch(/AikCert is not of the key in AikPub/);
    });

    it('that is certified, but not the one bound into the report', async () => {
      const changes = await withOtherAk(async (handle, aikPub) => {
        const tpm = cvm.tpm.transport;
        const key = rsaKey(aikPub);
        const quoted = await quote(tpm, good.pcrSet, handle);
        const ephemeral = await createPrimary(tpm, PermanentHandle.null, ephemeralKeyTemplate(good.pcrs));
        const certified = await certify(tpm, ephemeral.handle, handle);
        await flushContext(tpm, ephemeral.handle);
        return {
          aikPub,
          aikCert: cvm.vtpmAuthority.issueAkCertificate(key, cvm.vmId).der,
          quote: quoted.message,
          quoteSignature: quoted.signature,
          certifyInfo: certified.message,
          certifySignature: certified.signature,
        };
      });
      expect(await refusal(changes)).toBe('AttestationFailed: HCLAkPub of RunTimeData is not the key in AikPub');
    });

    it('that is an unrestricted key', async () => {
      const template = attestationKeyTemplate();
      template.writeUInt32BE(template.readUInt32BE(4) & ~0x10000, 4);
      const { handle, publicArea } = await createPrimary(cvm.tpm.transport, PermanentHandle.owner, template);
      await flushContext(cvm.tpm.transport, handle);
      expect(await refusal({ aikPub: sized(publicArea) })).toMatch(/restricted signing key/);
    });

    it('with an untrusted certificate, an expired one, and none', async () => {
      const key = rsaKey(good.aikPub);
      const stranger = await VtpmAuthority.create('stranger');
      const by = (authority: VtpmAuthority, daysToExpiry: number) =>
        authority.issueAkCertificate(key, cvm.vmId, { daysToExpiry }).der;
      expect(await refusal({ aikCert: by(stranger, 300) })).toMatch(/not by a trusted authority/);
      expect(await refusal({ aikCert: by(cvm.vtpmAuthority, -1) })).toMatch(/not valid after/);
      expect(await refusal({ aikCert: by(cvm.vtpmAuthority, 400) })).toMatch(/not valid before/);
      expect(await refusal({ aikCert: Buffer.alloc(0) })).toMatch(/^InvalidParameter: AikCert/);
    });

    it('but not for what follows its certificate in the NV index', async () => {
      for (const byte of [0, 0x5a]) {
        const padded = Buffer.concat([good.aikCert, Buffer.alloc(4096, byte)], 4096);
        expect((await postGuest(cvm, attestationInfo({ ...good, aikCert: padded }))).status).toBe(200);
      }
    });
  });

  describe('refuses the quote', () => {
    it('with a flipped bit in message or signature', async () => {
      expect(await refusal({ quote: flipped(good.quote, 60) })).toMatch(/quote signature \(ERR_QUOTE_SIGNATURE\)/);
      expect(await refusal({ quoteSignature: flipped(good.quoteSignature, 3) })).toMatch(
        /quote signature \(ERR_QUOTE_SIGNATURE\)/,
      );
    });

    it('of fewer PCRs than the list says, and a list that leaves one out', async () => {
      const fewer = await quote(cvm.tpm.transport, [0, 1, 2, 3]);
      const changes = { quote: fewer.message, quoteSignature: fewer.signature };
      expect(await refusal(changes)).toMatch(/PCR selection \(ERR_PCR_SELECTION\)/);
      const short = { ...changes, pcrSet: [0, 1, 2, 3], pcrs: good.pcrs.slice(0, 4) };
      expect(await refusal(short)).toMatch(/PCRs that must be quoted \(ERR_PCR_SELECTION\)/);
      expect(await refusal({ pcrs: good.pcrs.slice(1) })).toMatch(/PCRs and PcrSet differ/);
      expect(await refusal({ pcrSet: [...good.pcrSet].reverse() })).toMatch(/not an ascending list/);
    });

    it('whose PCR values are not the listed ones', async () => {
      const pcrs = good.pcrs.map((pcr) => (pcr.index === 4 ? { index: 4, digest: randomBytes(32) } : pcr));
      expect(await refusal({ pcrs })).toMatch(/PCR digest \(ERR_PCR_DIGEST\)/);
    });

    it('that is not a quote at all, though the attestation key signed it', async () => {
      const changes = { quote: good.certifyInfo, quoteSignature: good.certifySignature };
      expect(await refusal(changes)).toMatch(/type \(ERR_QUOTE_TYPE\): expected 0x8018, found 0x8017/);
    });
  });

  describe('refuses the encryption key', () => {
    it('that is not the certified one', async () => {
      const other = ephemeralKeyTemplate(good.pcrs);
      other.writeUInt8(1, other.length - 1);
      const { encKeyPub } = await certifiedKey(cvm.tpm.transport, other);
      expect(await refusal({ encKeyPub })).toMatch(/certified name \(ERR_ENCRYPTION_KEY\)/);
    });

    it('whose certification another key signed', async () => {
      const { handle } = await createPrimary(cvm.tpm.transport, PermanentHandle.null, ephemeralKeyTemplate(good.pcrs));
      const other = await withOtherAk((ak) => certify(cvm.tpm.transport, handle, ak));
      await flushContext(cvm.tpm.transport, handle);
      const changes = { certifyInfo: other.message, certifySignature: other.signature };
      expect(await refusal(changes)).toMatch(/certification signature \(ERR_ENCRYPTION_KEY\)/);
    });

    it('that is bound to other PCR values, or usable without a policy', async () => {
      const elsewhere = good.pcrs.map(({ index }) => ({ index, digest: Buffer.alloc(32) }));
      const unbound = await certifiedKey(cvm.tpm.transport, ephemeralKeyTemplate(elsewhere));
      expect(await refusal(unbound)).toMatch(/key is bound to the quoted PCRs \(ERR_ENCRYPTION_KEY\)/);
      const withAuth = await certifiedKey(cvm.tpm.transport, ephemeralKeyTemplate(good.pcrs, 0x00020472));
      expect(await refusal(withAuth)).toMatch(/key attributes \(ERR_ENCRYPTION_KEY\).* found 0x20472/);
    });

    it('that was certified before a reboot', async () => {
      await using other = await SimulatedCvm.start();
      const before = await collect(other);
      await other.reboot();
      const after = await collect(other);
      const mixed = {
        ...after,
        encKeyPub: before.encKeyPub,
        certifyInfo: before.certifyInfo,
        certifySignature: before.certifySignature,
      };
      expect(before.encKeyPub.equals(after.encKeyPub)).toBe(false);
      const answer = await postGuest(other, attestationInfo(mixed));
      expect(answer.error?.message).toMatch(/certified in the boot that was quoted \(ERR_ENCRYPTION_KEY\)/);
      expect((await postGuest(other, attestationInfo(after))).status).toBe(200);
    });
  });

  describe('refuses the SEV-SNP report', () => {
    it('with any flipped bit', async () => {
      for (const offset of [0x04, 0x50, 0x90, 0x150, 0x29f, 0x2a0, 0x2e8]) {
        const reason = await refusal({ snpReport: flipped(good.snpReport, offset) });
        expect(reason, `offset ${offset}`).toMatch(/signature of the SNP report|SNP report|guest policy|leaf/);
      }
    });

    it('with something after its signature', async () => {
      expect(await refusal({ snpReport: flipped(good.snpReport, 1183) })).toMatch(/ERR_SNP_SIGNATURE_ENCODING/);
      expect(await refusal({ snpReport: flipped(good.snpReport, 0x2a0 + 50) })).toMatch(/ERR_SNP_SIGNATURE_ENCODING/);
    });

    it('of a length that no report has', async () => {
      expect(await refusal({ snpReport: good.snpReport.subarray(0, 1183) })).toMatch(/1183 bytes, not 1184/);
    });

    it.each<[string, SnpReportFields, RegExp]>([
      ['a debug policy', { policy: 0xb001fn }, /debugging .*ERR_POLICY/],
      ['a migration agent', { policy: 0x7001fn }, /migration agent .*ERR_POLICY/],
      ['another VMPL', { vmpl: 2 }, /VMPL .* found 2/],
      ['an unknown version', { version: 1 }, /ERR_SNP_VERSION/],
      ['an unknown signature algorithm', { signatureAlgorithm: 2 }, /ERR_SNP_SIGNATURE_ALGO/],
      ['a masked chip', { keyInfo: 2 }, /ERR_CHIP_KEY_MASKED/],
      ['a signing key of another kind', { keyInfo: 4 }, /ERR_SIGNING_KEY/],
      ['no signing key', { keyInfo: 7 << 2 }, /ERR_SIGNING_KEY/],
      ['another chip', { chipId: randomBytes(64) }, /ERR_HWID_MISMATCH/],
      ['another TCB', { reportedTcb: { bootloader: 3, tee: 0, snp: 24, microcode: 219 } }, /ERR_TCB_MISMATCH/],
      ['another processor', { cpuid: [0x1a, 0x02, 0x01] }, /ERR_PRODUCT/],
      ['other report data', { reportData: randomBytes(64) }, /does not hash to the report data/],
    ])('with %s, though the chip signed it', async (_name, fields, reason) => {
      expect(await refusal({ snpReport: reportWith(fields) })).toMatch(reason);
    });

    it('with a tail behind the hash in its report data', async () => {
      const reportData = Buffer.from(good.snpReport.subarray(0x50, 0x90));
      reportData[40] = 1;
      expect(await refusal({ snpReport: reportWith({ reportData }) })).toMatch(/does not hash to the report data/);
    });

    it('with changed runtime data', async () => {
      const runtimeData = flipped(good.runtimeData, good.runtimeData.length - 10);
      expect(await refusal({ runtimeData })).toMatch(/does not hash to the report data/);
    });

    it('with a second HCLAkPub in its runtime data', async () => {
      const claims = JSON.parse(good.runtimeData.toString()) as { keys: unknown[] };
      claims.keys.push(claims.keys[0]);
      const runtimeData = Buffer.from(JSON.stringify(claims));
      const reportData = Buffer.concat([createHash('sha256').update(runtimeData).digest(), Buffer.alloc(32)]);
      expect(await refusal({ runtimeData, snpReport: reportWith({ reportData }) })).toMatch(/HCLAkPub/);
    });
  });

  describe('refuses the chain', () => {
    it('of an untrusted authority, though all of it is consistent', async () => {
      const stranger = await AmdAuthority.create({ product: 'Milan', name: 'stranger' });
      const leaf = await stranger.issueVcek({
        tcb: { bootloader: 4, tee: 0, snp: 24, microcode: 219 },
        hardwareId: good.snpReport.subarray(0x1a0, 0x1e0),
      });
      const snpReport = signSnpReport(Buffer.from(good.snpReport), leaf.privateKey);
      const foreign = leaf.certificate.pem + stranger.chainPem;
      expect(await refusal({ certificateChain: foreign, snpReport })).toMatch(/ERR_ARK_NOT_TRUSTED/);
      const mixed = leaf.certificate.pem + cvm.authority.chainPem;
      expect(await refusal({ certificateChain: mixed, snpReport })).toMatch(/ERR_CERTIFICATE/);
    });

    it('that is incomplete or garbage', async () => {
      const { pem } = cvm.signingLeaf.certificate;
      expect(await refusal({ certificateChain: pem })).toMatch(/1 certificates, not 3/);
      expect(await refusal({ certificateChain: 'no certificate' })).toMatch(/0 certificates, not 3/);
    });
  });

  describe('refuses the event log', () => {
    it('that does not replay to the quoted PCRs', async () => {
      expect(await refusal({ eventLog: flipped(good.eventLog, 120) })).toMatch(/ERR_EVENT_LOG/);
      const lastEventSize = 12 + (2 + 20) + (2 + 32) + 4 + 'Exit Boot Services Returned with Success'.length;
      const withoutLast = good.eventLog.subarray(0, good.eventLog.length - lastEventSize);
      expect(await refusal({ eventLog: withoutLast })).toMatch(/event log replays to PCR 5 \(ERR_EVENT_LOG\)/);
    });

    it('that is cut off or no log', async () => {
      expect(await refusal({ eventLog: good.eventLog.subarray(0, -1) })).toMatch(
        /event log can be read \(ERR_EVENT_LOG\)/,
      );
      expect(await refusal({ eventLog: randomBytes(200) })).toMatch(/event log can be read \(ERR_EVENT_LOG\)/);
    });
  });

  it.each([
    ['no body', null, /request body/],
    ['no AttestationInfo', {}, /AttestationInfo is not a string/],
    ['AttestationInfo that is not base64', { AttestationInfo: '***' }, /AttestationInfo is not base64/],
    ['AttestationInfo that is not JSON', { AttestationInfo: 'AAAA' }, /AttestationInfo is not JSON/],
    ['an empty request', { AttestationInfo: Buffer.from('{}').toString('base64url') }, /AttestationProtocolVersion/],
  ])('refuses %s', async (_name, body, reason) => {
    const answer = await post(cvm, '/attest/AzureGuest?api-version=2020-10-01', body);
    expect(answer).toMatchObject({
      status: 400,
      error: { code: 'InvalidParameter', message: expect.stringMatching(reason) },
    });
  });

  it.each(['Tpm', 'Vbs', ''])('refuses isolation type "%s"', async (isolationType) => {
    expect(await refusal({ isolationType })).toMatch(/not supported/);
  });

  it('refuses another api-version, method, path and media type with their own status', async () => {
    const url = `${cvm.attestationUrl}/attest/AzureGuest`;
    expect((await post(cvm, '/attest/AzureGuest?api-version=2018-09-01', {})).error?.code).toBe(
      'UnsupportedApiVersion',
    );
    expect((await post(cvm, '/attest/Nothing?api-version=2020-10-01', {})).status).toBe(404);
    expect((await fetch(`${url}?api-version=2020-10-01`)).status).toBe(405);
    expect((await fetch(`${url}?api-version=2020-10-01`, { method: 'POST', body: '{}' })).status).toBe(415);
  });
});
