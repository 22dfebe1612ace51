import type { X509Certificate } from 'node:crypto';
import { guestClaims, guestRuntime, snpClaims } from './claims.js';
import { type BootFacts, verifyEventLog } from './event-log-replay.js';
import type { GuestRequest, IsolationInfo } from './guest-request.js';
import { asArray, asObject, type JsonObject, parseJsonObject } from './json.js';
import { malformed, untrusted } from './refusal.js';
import { verifyParavisor, verifyRuntimeData, verifySnpEvidence } from './snp-evidence.js';
import { tdxClaims, verifyTdxEvidence } from './tdx-evidence.js';
import { type TpmEvidence, verifyTpmEvidence } from './tpm-evidence.js';
import type { ServiceTrust } from './trust.js';

/** Outcome of a guest attestation: claims for the token and the key that it goes back under. */
export interface GuestAttestation {
  claims: JsonObject;
  evidence: TpmEvidence;
}

/** Verifies everything in a request to `/attest/AzureGuest`. @throws ServiceRefusal with the reason */
export async function attestGuest(request: GuestRequest, trust: ServiceTrust): Promise<GuestAttestation> {
  if (request.osVersionMajor === 0) throw untrusted('OSVersionMajor is 0');
  const evidence = verifyTpmEvidence(request.tpm, trust.akAuthorities, trust.now());
  const isolation = await attestIsolation(request, evidence, trust);
  const boot = request.eventLog.length > 0 ? verifyEventLog(request.eventLog, evidence.pcrs) : unknownBoot;
  const claims = {
    ...guestClaims(request, boot, isolation?.vmId ?? vmIdOf(evidence.akCertificate)),
    ...(isolation ? { 'x-ms-isolation-tee': isolation.claims } : {}),
    'x-ms-runtime': guestRuntime(request.clientPayload, evidence.encryptionKey),
  };
  return { claims, evidence };
}

/** A guest may send no log; then nothing is said in favour of its boot. */
const unknownBoot: BootFacts = { secureBoot: false };

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
  verifyBoundKey(runtime, evidence);
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

/** The one key named HCLAkPub is the attestation key that signed the quote. */
function verifyBoundKey(runtime: JsonObject, { attestationKey }: TpmEvidence): void {
  const keys = asArray(runtime.keys, 'keys of RunTimeData')
    .map((key) => asObject(key, 'a key of RunTimeData'))
    .filter(({ kid }) => kid === 'HCLAkPub');
  const { n, e } = attestationKey.export({ format: 'jwk' });
  if (keys.length !== 1 || keys[0]?.kty !== 'RSA' || keys[0].n !== n || keys[0].e !== e) {
    throw untrusted('HCLAkPub of RunTimeData is not the key in AikPub');
  }
}

/** VM id of the attestation key certificate's subject, `{uuid}.TrustedVM.Azure.windows.net`. */
function vmIdOf({ subject }: X509Certificate): string {
  return /^CN=([0-9a-f-]{36})\./im.exec(subject)?.[1]?.toUpperCase() ?? '';
}
