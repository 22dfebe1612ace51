import { createHash, type KeyObject, sign } from 'node:crypto';

/** Size that Azure pads quotes to. */
const paddedSize = 5006;

/** `939a7233…`: Intel's quoting enclave. */
const intelVendor = Buffer.from('939a7233f79c4ca9940a0db3957f0607', 'hex');

/** What the quoting enclave of a platform is; whatever is left out is as Intel's TD QE (tdx.md 2.2). */
export interface QuotingEnclave {
  mrSigner?: Uint8Array;
  isvProdId?: number;
  isvSvn?: number;
  /** 16 bytes. */
  attributes?: Uint8Array;
  miscSelect?: number;
}

export interface TdQuoteFields {
  /** 4 as on Azure (default), or 5. */
  version?: 4 | 5;
  /** 3 for a body of 648 bytes (TDX 1.5, default), 2 for one of 584. Version 5 only. */
  bodyType?: 2 | 3;
  quotingEnclave?: QuotingEnclave;
  /** Up to 65,535 bytes that the enclave hashes with its key. Default 32. */
  authenticationData?: Uint8Array;
  /** Total size with zeros at the end. Default 5006; 0 for none. */
  paddedSize?: number;
}

export interface QuoteSigner {
  attestationKey: { privateKey: KeyObject; publicKey: KeyObject };
  /** Key of the platform's PCK certificate, which signs the report of the quoting enclave. */
  pckKey: KeyObject;
  /** PCK certificate, PCK CA and root, PEM. */
  chain: string;
  /** 16 bytes. */
  cpuSvn: Uint8Array;
}

const intelQeSigner = Buffer.from('dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5', 'hex');

/** Turns a TDREPORT into a signed quote (tdx.md 1.2). */
export function buildTdQuote(tdReport: Uint8Array, signer: QuoteSigner, fields: TdQuoteFields = {}): Buffer {
  const { version = 4, bodyType = 3, quotingEnclave = {} } = fields;
  const authenticationData = fields.authenticationData ?? createHash('sha256').update('simulated QE').digest();
  const header = Buffer.alloc(48);
  header.writeUInt16LE(version, 0);
  header.writeUInt16LE(2, 2); // ECDSA P-256
  header.writeUInt32LE(0x81, 4);
  header.set(intelVendor, 12);
  header.set(createHash('sha256').update(signer.chain).digest().subarray(0, 16), 28); // id of the enclave
  const body = quoteBody(tdReport, version === 5 && bodyType === 3);
  const signed = Buffer.concat(version === 4 ? [header, body] : [header, u16(bodyType), u32(body.length), body]);
  const { x = '', y = '' } = signer.attestationKey.publicKey.export({ format: 'jwk' });
  const attestationKey = Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  const qeReport = quotingEnclaveReport(quotingEnclave, signer.cpuSvn, attestationKey, authenticationData);
  const chain = Buffer.from(`${signer.chain}\0`, 'ascii');
  const certification = Buffer.concat([
    qeReport,
    rawSignature(qeReport, signer.pckKey),
    u16(authenticationData.length),
    authenticationData,
    u16(5), // PCK chain as PEM
    u32(chain.length),
    chain,
  ]);
  const signature = Buffer.concat([
    rawSignature(signed, signer.attestationKey.privateKey),
    attestationKey,
    u16(6), // report of the quoting enclave
    u32(certification.length),
    certification,
  ]);
  const quote = Buffer.concat([signed, u32(signature.length), signature]);
  return Buffer.concat([quote, Buffer.alloc(Math.max(0, (fields.paddedSize ?? paddedSize) - quote.length))]);
}

/** 584 bytes out of a TDREPORT, 648 with TEE_TCB_SVN2 and MRSERVICETD. */
function quoteBody(tdReport: Uint8Array, tdx15: boolean): Buffer {
  const part = (offset: number, size: number): Uint8Array => tdReport.subarray(offset, offset + size);
  return Buffer.concat([
    part(0x108, 16), // TEE_TCB_SVN
    part(0x118, 48 + 48 + 8), // MRSEAM, MRSIGNERSEAM, SEAMATTRIBUTES
    part(0x200, 0x190), // ATTRIBUTES to RTMR3
    part(0x080, 64), // REPORTDATA
    ...(tdx15 ? [part(0x180, 16), part(0x390, 48)] : []),
  ]);
}

/** SGX report body of the quoting enclave, 384 bytes. */
function quotingEnclaveReport(
  enclave: QuotingEnclave,
  cpuSvn: Uint8Array,
  attestationKey: Uint8Array,
  authenticationData: Uint8Array,
): Buffer {
  const report = Buffer.alloc(384);
  report.set(cpuSvn, 0);
  report.writeUInt32LE(enclave.miscSelect ?? 0, 16);
  report.set(enclave.attributes ?? Buffer.from('1500000000000000e700000000000000', 'hex'), 48);
  report.set(createHash('sha256').update('simulated MRENCLAVE').digest(), 64);
  report.set(enclave.mrSigner ?? intelQeSigner, 128);
  report.writeUInt16LE(enclave.isvProdId ?? 2, 256);
  report.writeUInt16LE(enclave.isvSvn ?? 4, 258);
  report.set(createHash('sha256').update(attestationKey).update(authenticationData).digest(), 320);
  return report;
}

const rawSignature = (data: Uint8Array, key: KeyObject): Buffer =>
  sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' });

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
