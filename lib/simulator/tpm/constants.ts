/** Constants of the TPM 2.0 Library specification, Part 2, as far as the simulator uses them. */

/** TPM_ST */
export const StructureTag = {
  noSessions: 0x8001,
  sessions: 0x8002,
  attestCertify: 0x8017,
  attestQuote: 0x8018,
} as const;

/** TPM_GENERATED_VALUE: first four bytes of everything that a TPM attests to. */
export const tpmGenerated = 0xff544347;

/** TPM_ALG_ID */
export const Algorithm = {
  rsa: 0x0001,
  sha1: 0x0004,
  aes: 0x0006,
  sha256: 0x000b,
  null: 0x0010,
  rsassa: 0x0014,
  cfb: 0x0043,
} as const;

/** TPM_RH and TPM_RS_PW */
export const PermanentHandle = {
  owner: 0x40000001,
  null: 0x40000007,
  password: 0x40000009,
  endorsement: 0x4000000b,
  platform: 0x4000000c,
} as const;

/** TPM_CC */
export const CommandCode = {
  NV_UndefineSpace: 0x122,
  HierarchyControl: 0x121,
  EvictControl: 0x120,
  NV_DefineSpace: 0x12a,
  CreatePrimary: 0x131,
  NV_Write: 0x137,
  Certify: 0x148,
  NV_Read: 0x14e,
  RSA_Decrypt: 0x159,
  Quote: 0x158,
  FlushContext: 0x165,
  NV_ReadPublic: 0x169,
  ReadPublic: 0x173,
  StartAuthSession: 0x176,
  GetCapability: 0x17a,
  GetRandom: 0x17b,
  PCR_Read: 0x17e,
  PolicyPCR: 0x17f,
  PCR_Extend: 0x182,
  PolicyGetDigest: 0x189,
  ContextLoad: 0x161,
  ContextSave: 0x162,
  Startup: 0x144,
  Shutdown: 0x145,
  ReadClock: 0x181,
  Import: 0x156,
  Load: 0x157,
  Create: 0x153,
  LoadExternal: 0x167,
  GetTestResult: 0x17c,
  SelfTest: 0x143,
  PolicyRestart: 0x180,
  PCR_Reset: 0x13d,
  Clear: 0x126,
  TestParms: 0x18a,
} as const;

const commandNames = new Map<number, string>(Object.entries(CommandCode).map(([name, code]) => [code, name]));

/** Name of a command without its `TPM2_` prefix; hexadecimal for one that the simulator does not know. */
export function commandName(code: number): string {
  return commandNames.get(code) ?? `0x${code.toString(16)}`;
}

/** TPM_RC as the paravisor answers in the TPM's place. */
export const ResponseCode = {
  success: 0,
  nvRange: 0x146,
  nvAuthorization: 0x149,
  nvUninitialized: 0x14a,
  nvDefined: 0x14c,
  authType: 0x124,
  commandSize: 0x142,
  /** TPM_RC_VALUE of parameter 1 */
  valueOfParameter1: 0x1c4,
  /** TPM_RC_HANDLE of parameter 1 */
  handleOfParameter1: 0x1cb,
  contextGap: 0x901,
  objectMemory: 0x902,
  sessionMemory: 0x903,
  /** TPM_RC_REFERENCE_H0 and S0: the first handle, the first session is not loaded. */
  retry: 0x922,
  referenceHandle0: 0x910,
  referenceSession0: 0x918,
} as const;

/** TPMA_NV */
export const NvAttribute = {
  ownerWrite: 1 << 1,
  authWrite: 1 << 2,
  platformWrite: 1 << 0,
  platformRead: 1 << 16,
  ownerRead: 1 << 17,
  authRead: 1 << 18,
  noDictionaryAttack: 1 << 25,
  written: 1 << 29,
  platformCreated: 1 << 30,
} as const;

/** TPMA_OBJECT */
export const ObjectAttribute = {
  fixedTpm: 1 << 1,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDictionaryAttack: 1 << 10,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;

/** Handles and NV indices of an Azure guest (layouts.md 1, guest-attestation-protocol.md 1.2). */
export const AzureHandle = {
  storageRootKey: 0x81000001,
  attestationKey: 0x81000003,
  /** Key that secrets are provisioned to (key-release.md 2.1). */
  guestKey: 0x81000004,
  endorsementKey: 0x81010001,
  attestationKeyCertificate: 0x01c101d0,
  hclReport: 0x01400001,
  userData: 0x01400002,
} as const;
