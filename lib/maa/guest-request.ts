/** What a confidential VM shows besides the TPM's evidence. */
export interface IsolationEvidence {
  /** SEV-SNP report, 1184 bytes. */
  snpReport: Uint8Array;
  /** VCEK in PEM followed by its chain in PEM, as the host's certificate service returned them. */
  vcekCertChain: string;
  /** The HCL's variable data: exactly the bytes that the report's report_data hashes. */
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

export interface GuestEvidence {
  clientPayload: Record<string, string> | null;
  os: OsInfo;
  /** TCG event log as the firmware wrote it; empty when there is none. */
  eventLog: Uint8Array;
  /** Absent for a trusted launch VM. */
  isolation?: IsolationEvidence;
  tpm: TpmEvidence;
}

/**
 * The `AttestationInfo` of `POST /attest/AzureGuest`, protocol version 2.0, before it is encoded. Members, encodings and
 * values are those of the reference client, in its order.
 */
export function attestationInfo(evidence: GuestEvidence): Record<string, unknown> {
  const { os, tpm, isolation } = evidence;
  const indices = [...tpm.pcrs.keys()].sort((a, b) => a - b);
  return {
    AttestationProtocolVersion: '2.0',
    ClientPayload: evidence.clientPayload,
    IsolationInfo:
      isolation === undefined
        ? { Type: 'TrustedLaunch' }
        : {
            Evidence: { Proof: base64(proof(isolation)), RunTimeData: base64(isolation.runtimeData) },
            Type: 'SevSnp',
          },
    // Sic: what the reference client sends on Linux.
    OSBuild: base64('NotApplication'),
    OSDistro: base64(os.distribution),
    OSType: base64('Linux'),
    OSVersionMajor: os.versionMajor,
    OSVersionMinor: os.versionMinor,
    TcgLogs: base64(evidence.eventLog),
    TpmInfo: {
      AikCert: base64(tpm.akCertificate),
      AikPub: base64(tpm.akPublic),
      EncKeyCertifyInfo: base64(tpm.ephemeralKey.certifyInfo),
      EncKeyCertifyInfoSignature: base64(tpm.ephemeralKey.certifySignature),
      EncKeyPub: base64(tpm.ephemeralKey.publicArea),
      PCRs: indices.map((index) => ({ Digest: base64(tpm.pcrs.get(index) ?? ''), Index: index })),
      PcrQuote: base64(tpm.quote.message),
      PcrSet: indices,
      PcrSignature: base64(tpm.quote.signature),
    },
  };
}

/** The body of the request: one member, base64url without padding. */
export function guestRequestBody(evidence: GuestEvidence): string {
  const info = Buffer.from(JSON.stringify(attestationInfo(evidence)), 'utf8');
  return JSON.stringify({ AttestationInfo: info.toString('base64url') });
}

function proof(isolation: IsolationEvidence): string {
  return JSON.stringify({
    SnpReport: Buffer.from(isolation.snpReport).toString('base64url'),
    VcekCertChain: base64(isolation.vcekCertChain),
  });
}

function base64(value: string | Uint8Array): string {
  const bytes =
    typeof value === 'string'
      ? Buffer.from(value, 'utf8')
      : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return bytes.toString('base64');
}
