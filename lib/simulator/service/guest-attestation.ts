import type { Certificate } from '../../abi/x509.js';
import { guestClaims, guestRuntime, snpClaims } from './claims.js';
import type { GuestRequest, IsolationInfo } from './guest-request.js';
import { asObject, type JsonObject, parseJsonObject } from './json.js';
import { malformed, untrusted } from './refusal.js';
import { verifyParavisor, verifyRuntimeData, verifySnpEvidence } from './snp-evidence.js';
import { tdxClaims, verifyTdxEvidence } from './tdx-evidence.js';
import { type TpmEvidence, verifyBoundKey, verifyTpmEvidence } from './tpm-evidence.js';
import type { ServiceTrust } from './trust.js';

/** Outcome of a guest attestation: claims for the token and the key that it goes back under. */
export interface GuestAttestation {
  claims: JsonObject;
  evidence: TpmEvidence;
}

/** Verifies everything in a request to `/attest/AzureGuest`. @throws ServiceRefusal with the reason */
export async function attestGuest(request: GuestRequest, trust: ServiceTrust): Promise<GuestAttestation> {
  if (request.osVersionMajor === 0) throw untrusted('OSVersionMajor is 0');
  const evidence = await verifyTpmEvidence(request, trust);
  const isolation = await attestIsolation(request, evidence, trust);
  const claims = {
    ...guestClaims(request, evidence.secureBoot, isolation?.vmId ?? vmIdOf(evidence.akCertificate)),
    ...(isolation ? { 'x-ms-isolation-tee': isolation.claims } : {}),
    'x-ms-runtime': guestRuntime(request.clientPayload, evidence.encryptionKey),
  };
  return { claims, evidence };
}

async function attestIsolation(
  { isolation, eventLog }: GuestRequest,
  evidence: TpmEvidence,
  trust: ServiceTrust,
): Promise<{ claims: JsonObject; vmId: string | undefined } | undefined> {
  if (isolation.type === 'TrustedLaunch') return undefined;
  const { runtimeData } = isolation;
  const claims =
    isolation.type === 'Tdx' ? await attestTdx(isolation, eventLog, trust) : await attestSnp(isolation, trust);
  const runtime = parseJsonObject(runtimeData, 'RunTimeData');
  verifyBoundKey(runtimeData, evidence);
  const vmId = asObject(runtime['vm-configuration'] ?? {}, 'vm-configuration').vmUniqueId;
  return { claims: { ...claims, 'x-ms-runtime': runtime }, vmId: typeof vmId === 'string' ? vmId : undefined };
}

async function attestSnp(
  { snpReport, certificateChain, runtimeData }: Extract<IsolationInfo, { type: 'SevSnp' }>,
  trust: ServiceTrust,
): Promise<JsonObject> {
  const report = await verifySnpEvidence(snpReport, certificateChain, trust);
  verifyRuntimeData(report, runtimeData);
  verifyParavisor(report, trust.measurements);
  return snpClaims(report);
}

/** The service takes no TDX guest without an event log (tdx.md 4.1). */
async function attestTdx(
  { quote, runtimeData }: Extract<IsolationInfo, { type: 'Tdx' }>,
  eventLog: Buffer,
  trust: ServiceTrust,
): Promise<JsonObject> {
  if (eventLog.length === 0) throw malformed('TcgLogs is empty in attestation request');
  return tdxClaims(await verifyTdxEvidence(quote, runtimeData, trust.tdx, trust.now()));
}

/** VM id of the attestation key certificate's subject, `{uuid}.TrustedVM.Azure.windows.net`. */
function vmIdOf({ subject }: Certificate): string {
  return /^([0-9a-f-]{36})\./i.exec(subject.commonName ?? '')?.[1]?.toUpperCase() ?? '';
}
