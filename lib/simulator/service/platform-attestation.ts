import { createHash } from 'node:crypto';
import { snpClaims } from './claims.js';
import { asObject, asString, decodeBase64, type JsonObject, parseJsonObject } from './json.js';
import { malformed, untrusted } from './refusal.js';
import { verifyParavisor, verifyRuntimeData, verifySnpEvidence } from './snp-evidence.js';
import { tdxClaims, verifyTdxEvidence } from './tdx-evidence.js';
import type { ServiceTrust } from './trust.js';

/** Data of a `RuntimeData` or `InitTimeData` object. */
interface AttestedData {
  bytes: Buffer;
  /** Parsed, when `dataType` is JSON. */
  json: JsonObject | undefined;
}

/** Outcome of `/attest/SevSnpVm`. */
export interface PlatformAttestation {
  claims: JsonObject;
  /** The token that comes of a draft policy cannot be validated: it is not signed. */
  draftPolicy: string | undefined;
}

/** Verifies everything in a request to `/attest/SevSnpVm`. @throws ServiceRefusal with the reason */
export async function attestPlatform(body: Buffer, trust: ServiceTrust): Promise<PlatformAttestation> {
  const request = parseJsonObject(body, 'the request body');
  const runtime = parseData(request.runtimeData, 'runtimeData');
  const initTime = parseData(request.initTimeData, 'initTimeData');
  const nonce = optionalString(request.nonce, 'nonce');
  const draftPolicy = optionalString(request.draftPolicyForAttestation, 'draftPolicyForAttestation');
  const { snpReport, certificateChain } = parseReport(request.report);
  const report = await verifySnpEvidence(snpReport, certificateChain, trust);
  if (runtime) verifyRuntimeData(report, runtime.bytes);
  verifyParavisor(report, trust.measurements);
  if (initTime && !createHash('sha256').update(initTime.bytes).digest().equals(report.hostData)) {
    throw untrusted('the init time data does not hash to the host data');
  }
  const claims = {
    ...(nonce === undefined ? {} : { nonce }),
    ...snpClaims(report),
    ...(runtime?.json ? { 'x-ms-runtime': runtime.json } : {}),
    ...(initTime?.json ? { 'x-ms-inittime': initTime.json } : {}),
  };
  return { claims, draftPolicy };
}

/** Verifies everything in a request to `/attest/TdxVm`. @throws ServiceRefusal with the reason */
export async function attestTdPlatform(body: Buffer, trust: ServiceTrust): Promise<PlatformAttestation> {
  const request = parseJsonObject(body, 'the request body');
  const quote = decodeBase64(request.quote ?? '', 'quote');
  if (quote.length === 0) throw malformed('quote is empty');
  const runtime = parseData(request.runtimeData, 'runtimeData');
  const initTime = parseData(request.initTimeData, 'initTimeData');
  const nonce = optionalString(request.nonce, 'nonce');
  if (request.draftPolicyForAttestation !== undefined) throw malformed('draftPolicyForAttestation is not for TdxVm');
  const evidence = await verifyTdxEvidence(quote, runtime?.bytes, trust.tdx, trust.now());
  // As large as MRCONFIGID, where a host puts it.
  const configuration = initTime && createHash('sha384').update(initTime.bytes).digest();
  if (configuration && !configuration.equals(evidence.quote.mrconfigid)) {
    throw untrusted('the init time data does not hash to MRCONFIGID');
  }
  const claims = {
    ...(nonce === undefined ? {} : { nonce }),
    ...tdxClaims(evidence),
    ...(runtime?.json ? { 'x-ms-runtime': runtime.json } : {}),
    ...(initTime?.json ? { 'x-ms-inittime': initTime.json } : {}),
  };
  return { claims, draftPolicy: undefined };
}

function parseReport(value: unknown): { snpReport: Buffer; certificateChain: string } {
  const encoded = decodeBase64(value ?? '', 'report');
  if (encoded.length === 0) throw malformed('report is empty');
  const report = parseJsonObject(encoded, 'report');
  return {
    snpReport: decodeBase64(report.SnpReport, 'SnpReport'),
    certificateChain: decodeBase64(report.VcekCertChain, 'VcekCertChain').toString('latin1'),
  };
}

/** Empty data counts as none, as the service has it. */
function parseData(value: unknown, what: string): AttestedData | undefined {
  if (value === undefined || value === null) return undefined;
  const { data, dataType } = asObject(value, what);
  const bytes = decodeBase64(data ?? '', `${what}.data`);
  if (dataType !== 'JSON' && dataType !== 'Binary') throw malformed(`${what}.dataType is neither Binary nor JSON`);
  if (bytes.length === 0) return undefined;
  return { bytes, json: dataType === 'JSON' ? parseJsonObject(bytes, `${what}.data`) : undefined };
}

function optionalString(value: unknown, what: string): string | undefined {
  return value === undefined || value === null ? undefined : asString(value, what);
}
