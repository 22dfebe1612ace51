import { createHash, type KeyObject } from 'node:crypto';
import type { SnpReport } from '../../abi/snp-report-fields.js';
import type { GuestRequest } from './guest-request.js';
import type { JsonObject } from './json.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Hash of a policy text as tokens carry it. */
export function policyHash(policy: string): string {
  return createHash('sha256').update(policy).digest('base64url');
}

/** Claims about a SEV-SNP guest: top level in a platform token, under `x-ms-isolation-tee` in a guest's. */
export function snpClaims(report: SnpReport): JsonObject {
  const { reportedTcb: tcb, policy } = report;
  return {
    'x-ms-attestation-type': 'sevsnpvm',
    'x-ms-compliance-status': 'azure-compliant-cvm',
    'x-ms-sevsnpvm-authorkeydigest': hex(report.authorKeyDigest),
    'x-ms-sevsnpvm-bootloader-svn': tcb.bootloader,
    'x-ms-sevsnpvm-familyId': hex(report.familyId),
    'x-ms-sevsnpvm-guestsvn': report.guestSvn,
    'x-ms-sevsnpvm-hostdata': hex(report.hostData),
    'x-ms-sevsnpvm-idkeydigest': hex(report.idKeyDigest),
    'x-ms-sevsnpvm-imageId': hex(report.imageId),
    'x-ms-sevsnpvm-is-debuggable': policy.debug,
    'x-ms-sevsnpvm-launchmeasurement': hex(report.measurement),
    'x-ms-sevsnpvm-microcode-svn': tcb.microcode,
    'x-ms-sevsnpvm-migration-allowed': policy.migrateMa,
    'x-ms-sevsnpvm-reportdata': hex(report.reportData),
    'x-ms-sevsnpvm-reportid': hex(report.reportId),
    'x-ms-sevsnpvm-smt-allowed': policy.smt,
    'x-ms-sevsnpvm-snpfw-svn': tcb.snp,
    'x-ms-sevsnpvm-tee-svn': tcb.tee,
    'x-ms-sevsnpvm-vmpl': report.vmpl,
  };
}

/** Claims about a Linux guest, its boot and its operating system. */
export function guestClaims(request: GuestRequest, secureBoot: boolean, vmId: string): JsonObject {
  return {
    secureboot: secureBoot,
    'x-ms-attestation-type': 'azurevm',
    'x-ms-azurevm-attestation-protocol-ver': request.protocolVersion,
    'x-ms-azurevm-attested-pcrs': request.tpm.pcrSet,
    'x-ms-azurevm-bootdebug-enabled': false,
    'x-ms-azurevm-dbvalidated': true,
    'x-ms-azurevm-dbxvalidated': true,
    'x-ms-azurevm-debuggersdisabled': true,
    'x-ms-azurevm-default-securebootkeysvalidated': true,
    'x-ms-azurevm-elam-enabled': false,
    'x-ms-azurevm-flightsigning-enabled': false,
    'x-ms-azurevm-hvci-policy': 0,
    'x-ms-azurevm-hypervisordebug-enabled': false,
    'x-ms-azurevm-is-windows': false,
    'x-ms-azurevm-kerneldebug-enabled': false,
    'x-ms-azurevm-osbuild': request.osBuild,
    'x-ms-azurevm-osdistro': request.osDistro,
    'x-ms-azurevm-ostype': request.osType,
    'x-ms-azurevm-osversion-major': request.osVersionMajor,
    'x-ms-azurevm-osversion-minor': request.osVersionMinor,
    'x-ms-azurevm-signingdisabled': true,
    'x-ms-azurevm-testsigning-enabled': false,
    'x-ms-azurevm-vmid': vmId,
  };
}

/** `x-ms-runtime` of a guest token: the client's payload and the key that answers are to be encrypted to. */
export function guestRuntime(clientPayload: JsonObject, encryptionKey: KeyObject): JsonObject {
  const { n, e } = encryptionKey.export({ format: 'jwk' });
  return {
    ...(Object.keys(clientPayload).length > 0 ? { 'client-payload': clientPayload } : {}),
    keys: [{ e, key_ops: ['encrypt'], kid: 'TpmEphemeralEncryptionKey', kty: 'RSA', n }],
  };
}
