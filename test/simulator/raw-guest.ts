import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { SimulatedCvm } from '../../lib/simulator/index.js';
import { attestationPaths, imdsPaths } from '../../lib/simulator/index.js';
import { execute, type TpmTransport } from '../../lib/simulator/tpm/command.js';
import { Algorithm, AzureHandle, CommandCode, PermanentHandle } from '../../lib/simulator/tpm/constants.js';
import { TpmWriter } from '../../lib/simulator/tpm/encoding.js';
import { createPrimary, flushContext } from '../../lib/simulator/tpm/keys.js';
import { nvRead } from '../../lib/simulator/tpm/nv.js';
import { marshalPcrSelection, pcrRead } from '../../lib/simulator/tpm/pcr.js';

/** What a guest sends, before it is encoded: tests change a member and send it. */
export interface RawRequest {
  aikCert: Buffer;
  aikPub: Buffer;
  quote: Buffer;
  quoteSignature: Buffer;
  pcrSet: number[];
  pcrs: { index: number; digest: Buffer }[];
  encKeyPub: Buffer;
  certifyInfo: Buffer;
  certifySignature: Buffer;
  eventLog: Buffer;
  clientPayload: Record<string, string> | null;
  isolationType: string;
  snpReport: Buffer;
  certificateChain: string;
  runtimeData: Buffer;
}

const { attestationKey } = AzureHandle;
const empty = Buffer.alloc(0);
const nullScheme = new TpmWriter().u16(Algorithm.null).toBuffer();

/** Signature out of a TPMT_SIGNATURE of RSASSA. */
const rawSignature = (signature: Buffer): Buffer => signature.subarray(6);

export const sized = (bytes: Buffer): Buffer => new TpmWriter().sized(bytes).toBuffer();

export async function quote(
  tpm: TpmTransport,
  pcrs: readonly number[],
  key: number = attestationKey,
): Promise<{ message: Buffer; signature: Buffer }> {
  const selection = new TpmWriter().u32(1).bytes(marshalPcrSelection('sha256', pcrs)).toBuffer();
  const { parameters } = await execute(tpm, {
    code: CommandCode.Quote,
    handles: [key],
    authorized: 1,
    parameters: new TpmWriter().sized(empty).bytes(nullScheme).bytes(selection).toBuffer(),
  });
  const message = Buffer.from(parameters.sized());
  return { message, signature: Buffer.from(rawSignature(parameters.bytes(parameters.remaining))) };
}

export async function certify(
  tpm: TpmTransport,
  object: number,
  key: number = attestationKey,
): Promise<{ message: Buffer; signature: Buffer }> {
  const { parameters } = await execute(tpm, {
    code: CommandCode.Certify,
    handles: [object, key],
    authorized: 2,
    parameters: new TpmWriter().sized(empty).bytes(nullScheme).toBuffer(),
  });
  const message = Buffer.from(parameters.sized());
  return { message, signature: Buffer.from(rawSignature(parameters.bytes(parameters.remaining))) };
}

/** TPMT_PUBLIC of the ephemeral key of guest-attestation-protocol.md 1.4, bound to these PCR values. */
export function ephemeralKeyTemplate(
  pcrs: readonly { index: number; digest: Buffer }[],
  attributes = 0x00020432,
  unique: Uint8Array = Buffer.alloc(256),
): Buffer {
  const pcrDigest = createHash('sha256')
    .update(Buffer.concat(pcrs.map(({ digest }) => digest)))
    .digest();
  const selection = marshalPcrSelection(
    'sha256',
    pcrs.map(({ index }) => index),
  );
  const policy = createHash('sha256')
    .update(new TpmWriter().bytes(Buffer.alloc(32)).u32(0x17f).u32(1).bytes(selection).bytes(pcrDigest).toBuffer())
    .digest();
  return new TpmWriter()
    .u16(Algorithm.rsa)
    .u16(Algorithm.sha256)
    .u32(attributes)
    .sized(policy)
    .u16(Algorithm.null)
    .u16(Algorithm.null)
    .u16(2048)
    .u32(0)
    .sized(unique)
    .toBuffer();
}

async function readPublic(tpm: TpmTransport, handle: number): Promise<Buffer> {
  const { parameters } = await execute(tpm, { code: CommandCode.ReadPublic, handles: [handle] });
  return Buffer.from(sized(Buffer.from(parameters.sized())));
}

export interface CertifiedKey {
  encKeyPub: Buffer;
  certifyInfo: Buffer;
  certifySignature: Buffer;
}

/** Makes and certifies an ephemeral key, then flushes it. */
export async function certifiedKey(
  tpm: TpmTransport,
  template: Buffer,
  hierarchy: number = PermanentHandle.null,
): Promise<CertifiedKey> {
  const { handle, publicArea } = await createPrimary(tpm, hierarchy, template);
  try {
    const { message, signature } = await certify(tpm, handle);
    return { encKeyPub: sized(publicArea), certifyInfo: message, certifySignature: signature };
  } finally {
    await flushContext(tpm, handle);
  }
}

/** Collects a guest's evidence with nothing but the simulator's own TPM commands. */
export async function collect(cvm: SimulatedCvm): Promise<RawRequest> {
  const tpm = cvm.tpm.transport;
  const pcrSet = [0, 1, 2, 3, 4, 5, 6, 7];
  const pcrs = [...(await pcrRead(tpm, 'sha256', pcrSet))].map(([index, digest]) => ({ index, digest }));
  const { message, signature } = await quote(tpm, pcrSet);
  const key = await certifiedKey(tpm, ephemeralKeyTemplate(pcrs));
  const hcl = cvm.hclReport ? await nvRead(tpm, AzureHandle.hclReport) : Buffer.alloc(1236);
  const thim = await fetch(`${cvm.imdsUrl}${imdsPaths.thimCertification}`, { headers: { Metadata: 'true' } });
  const { vcekCert, certificateChain } = (await thim.json()) as { vcekCert: string; certificateChain: string };
  return {
    aikCert: await nvRead(tpm, AzureHandle.attestationKeyCertificate),
    aikPub: await readPublic(tpm, attestationKey),
    quote: message,
    quoteSignature: signature,
    pcrSet,
    pcrs,
    ...key,
    eventLog: await readFile(cvm.eventLogPath),
    clientPayload: { nonce: Buffer.from('fresh').toString('base64') },
    isolationType: cvm.hclReport ? 'SevSnp' : 'TrustedLaunch',
    snpReport: hcl.subarray(32, 32 + 1184),
    certificateChain: vcekCert + certificateChain,
    runtimeData: hcl.subarray(1236, 1236 + hcl.readUInt32LE(1232)),
  };
}

/** The inner JSON of a request as the protocol has it. */
export function attestationInfo(
  request: RawRequest,
  encoding: 'base64' | 'base64url' = 'base64',
): Record<string, unknown> {
  const b64 = (bytes: Buffer | string): string => Buffer.from(bytes).toString(encoding);
  const proof = { SnpReport: request.snpReport.toString('base64url'), VcekCertChain: b64(request.certificateChain) };
  return {
    AttestationProtocolVersion: '2.0',
    ClientPayload: request.clientPayload,
    IsolationInfo: {
      ...(request.isolationType === 'TrustedLaunch'
        ? {}
        : { Evidence: { Proof: b64(JSON.stringify(proof)), RunTimeData: b64(request.runtimeData) } }),
      Type: request.isolationType,
    },
    OSBuild: b64('NotApplication'),
    OSDistro: b64('Ubuntu'),
    OSType: b64('Linux'),
    OSVersionMajor: 24,
    OSVersionMinor: 4,
    TcgLogs: b64(request.eventLog),
    TpmInfo: {
      AikCert: b64(request.aikCert),
      AikPub: b64(request.aikPub),
      EncKeyCertifyInfo: b64(request.certifyInfo),
      EncKeyCertifyInfoSignature: b64(request.certifySignature),
      EncKeyPub: b64(request.encKeyPub),
      PCRs: request.pcrs.map(({ index, digest }) => ({ Digest: b64(digest), Index: index })),
      PcrQuote: b64(request.quote),
      PcrSet: request.pcrSet,
      PcrSignature: b64(request.quoteSignature),
    },
  };
}

export interface ServiceAnswer {
  status: number;
  token?: string;
  error?: { code: string; message: string };
}

export async function post(cvm: SimulatedCvm, path: string, body: unknown): Promise<ServiceAnswer> {
  const response = await fetch(`${cvm.attestationUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, ...((await response.json()) as Omit<ServiceAnswer, 'status'>) };
}

/** Sends a guest attestation request. */
export function postGuest(cvm: SimulatedCvm, info: Record<string, unknown>): Promise<ServiceAnswer> {
  const AttestationInfo = Buffer.from(JSON.stringify(info)).toString('base64url');
  return post(cvm, `${attestationPaths.guest}?api-version=2020-10-01`, { AttestationInfo });
}
