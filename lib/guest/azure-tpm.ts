/** Where an Azure guest's vTPM keeps what attestation needs (guest-attestation-protocol.md 1.2, layouts.md 1). */
export const AzureTpm = Object.freeze({
  /** Persistent handle of the attestation key: RSA-2048, restricted, RSASSA with SHA-256. */
  ATTESTATION_KEY: 0x81000003,
  /** NV index: certificate of the attestation key, DER, zero-padded where the index is longer. */
  AK_CERTIFICATE: 0x01c101d0,
  /** NV index: HCL report, made again when it is read from offset 0. */
  HCL_REPORT: 0x01400001,
  /** NV index: 64 bytes of the guest's that the next HCL report carries. */
  USER_DATA: 0x01400002,
});

/** PCRs that the ephemeral key is bound to and that an attestation quotes: firmware and boot, on Linux. */
export const ATTESTED_PCRS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7];
