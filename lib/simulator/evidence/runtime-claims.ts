import type { JsonWebKey } from 'node:crypto';

export interface RuntimeClaimsInput {
  attestationKey: JsonWebKey;
  /** Newer images name the endorsement key, too. */
  endorsementKey?: JsonWebKey;
  vmId: string;
  secureBoot: boolean;
  /** Members and spelling of OpenHCL instead of the older HCL's. */
  openHcl?: boolean;
  /** 64 bytes that the guest wrote to NV 0x01400002; undefined as on older images. */
  userData?: Uint8Array;
}

const claimsKey = (kid: string, operation: string, key: JsonWebKey): Record<string, unknown> => ({
  kid,
  key_ops: [operation],
  kty: 'RSA',
  e: key.e,
  n: key.n,
});

/** The JSON text whose hash the paravisor puts into the hardware report, members in Azure's order. */
export function buildRuntimeClaims(input: RuntimeClaimsInput): Buffer {
  const spell = (text: string): string => (input.openHcl ? text.toLowerCase() : text.toUpperCase());
  const claims = {
    keys: [
      claimsKey('HCLAkPub', 'sign', input.attestationKey),
      ...(input.endorsementKey ? [claimsKey('HCLEkPub', 'encrypt', input.endorsementKey)] : []),
    ],
    'vm-configuration': input.openHcl ? openHclConfiguration(input) : hclConfiguration(input),
    ...(input.userData ? { 'user-data': spell(Buffer.from(input.userData).toString('hex')) } : {}),
  };
  return Buffer.from(JSON.stringify(claims), 'utf8');
}

const hclConfiguration = ({ secureBoot, vmId }: RuntimeClaimsInput): Record<string, unknown> => ({
  'console-enabled': true,
  'secure-boot': secureBoot,
  'tpm-enabled': true,
  vmUniqueId: vmId,
});

/** As OpenHCL serializes them; `current-time` in seconds since 1970. */
const openHclConfiguration = ({ secureBoot, vmId }: RuntimeClaimsInput): Record<string, unknown> => ({
  'current-time': Math.floor(Date.now() / 1000),
  'root-cert-thumbprint': '',
  'console-enabled': false,
  'interactive-console-enabled': false,
  'secure-boot': secureBoot,
  'tpm-enabled': true,
  'tpm-persisted': true,
  'filtered-vpci-devices-allowed': false,
  vmUniqueId: vmId.toLowerCase(),
});
