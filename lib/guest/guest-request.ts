/** What a confidential VM shows besides the TPM's evidence. */
export type IsolationEvidence = SevSnpIsolation | TdxIsolation;

export interface SevSnpIsolation {
  type: 'SevSnp';
  /** SEV-SNP report, 1184 bytes. */
  snpReport: Uint8Array;
  /** VCEK in PEM followed by its chain in PEM, as the host's certificate service returned them. */
  vcekCertChain: string;
  /** The HCL's variable data: exactly the bytes that the report's report_data hashes. */
  runtimeData: Uint8Array;
}

export interface TdxIsolation {
  type: 'Tdx';
  /** As the host's quoting service returned it, padding included. */
  tdQuote: Uint8Array;
  /** As for SEV-SNP. */
  runtimeData: Uint8Array;
}

/** The TPM's part of the evidence. */
export interface TpmEvidence {
  /** As read from NV, trailing zeros included. */
  akCertificate: Uint8Array;
  /** TPM2B_PUBLIC, with its size. */
  akPublic: Uint8Array;
  /** SHA-256 values by PCR index. */
  pcrs: ReadonlyMap<number, Uint8Array>;
  /** TPMS_ATTEST without a size, and the raw RSASSA signature over it. */
  quote: { message: Uint8Array; signature: Uint8Array };
  /** TPM2B_PUBLIC with its size; TPMS_ATTEST without; raw signature. */
  ephemeralKey: { publicArea: Uint8Array; certifyInfo: Uint8Array; certifySignature: Uint8Array };
}

/** What the request says about the operating system. */
export interface OsInfo {
  /** `NAME` of os-release. */
  distribution: string;
  versionMajor: number;
  versionMinor: number;
}

/** What is known of the machine apart from its TPM. */
export interface MachineEvidence {
  clientPayload: Record<string, string> | null;
  os: OsInfo;
  /** TCG event log as the firmware wrote it; empty when there is none. */
  eventLog: Uint8Array;
  /** Absent for a trusted launch VM. */
  isolation?: IsolationEvidence;
}

/**
 * The body of `POST /attest/AzureGuest`, protocol version 2.0: one member, `AttestationInfo`, a JSON object in base64url
 * without padding. Its members, encodings and values are those of the reference client, in its order.
 *
 * Most of the 30 KB are about the machine. They are encoded here, while the TPM is still signing, and what the TPM shows
 * is appended when it is there.
 *
 * @returns makes the body out of the TPM's evidence
 */
export function guestRequest(machine: MachineEvidence): (tpm: TpmEvidence) => string {
  const head = Buffer.from(`${JSON.stringify(machineInfo(machine)).slice(0, -1)},"TpmInfo":`, 'utf8');
  // Base64 goes by groups of 3 bytes: an incomplete one waits for what follows.
  const complete = head.length - (head.length % 3);
  const encoded = head.toString('base64url', 0, complete);
  return (tpm) => {
    const tail = Buffer.concat([head.subarray(complete), Buffer.from(`${JSON.stringify(tpmInfo(tpm))}}`, 'utf8')]);
    return `{"AttestationInfo":"${encoded}${tail.toString('base64url')}"}`;
  };
}

function machineInfo(machine: MachineEvidence): Record<string, unknown> {
  const { os, isolation } = machine;
  return {
    AttestationProtocolVersion: '2.0',
    ClientPayload: machine.clientPayload,
    IsolationInfo:
      isolation === undefined
        ? { Type: 'TrustedLaunch' }
        : {
            Evidence: { Proof: proof(isolation), RunTimeData: base64(isolation.runtimeData) },
            Type: isolation.type,
          },
    // Sic: what the reference client sends on Linux.
    OSBuild: base64('NotApplication'),
    OSDistro: base64(os.distribution),
    OSType: base64('Linux'),
    OSVersionMajor: os.versionMajor,
    OSVersionMinor: os.versionMinor,
    TcgLogs: base64(machine.eventLog),
  };
}

/** The last member, and the one that follows {@link machineInfo}. */
function tpmInfo(tpm: TpmEvidence): Record<string, unknown> {
  const indices = [...tpm.pcrs.keys()].sort((a, b) => a - b);
  return {
    AikCert: base64(tpm.akCertificate),
    AikPub: base64(tpm.akPublic),
    EncKeyCertifyInfo: base64(tpm.ephemeralKey.certifyInfo),
    EncKeyCertifyInfoSignature: base64(tpm.ephemeralKey.certifySignature),
    EncKeyPub: base64(tpm.ephemeralKey.publicArea),
    PCRs: indices.map((index) => ({ Digest: base64(tpm.pcrs.get(index) ?? ''), Index: index })),
    PcrQuote: base64(tpm.quote.message),
    PcrSet: indices,
    PcrSignature: base64(tpm.quote.signature),
  };
}

/** SEV-SNP: report and certificates as a JSON text. TDX: the quote itself; the service has its own collateral. */
function proof(isolation: IsolationEvidence): string {
  if (isolation.type === 'Tdx') return base64(isolation.tdQuote);
  return base64(
    JSON.stringify({
      SnpReport: Buffer.from(isolation.snpReport).toString('base64url'),
      VcekCertChain: base64(isolation.vcekCertChain),
    }),
  );
}

function base64(value: string | Uint8Array): string {
  const bytes =
    typeof value === 'string'
      ? Buffer.from(value, 'utf8')
      : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return bytes.toString('base64');
}
