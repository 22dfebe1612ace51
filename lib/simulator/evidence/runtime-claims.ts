import type { JsonWebKey } from 'node:crypto';

export interface RuntimeClaimsInput {
  attestationKey: JsonWebKey;
  /** Newer images name the endorsement key, too. */
  endorsementKey?: JsonWebKey;
  vmId: string;
  secureBoot: boolean;
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
  const claims = {
    keys: [
      claimsKey('HCLAkPub', 'sign', input.attestationKey),
      ...(input.endorsementKey ? [claimsKey('HCLEkPub', 'encrypt', input.endorsementKey)] : []),
    ],
    'vm-configuration': {
      'console-enabled': true,
      'secure-boot': input.secureBoot,
      'tpm-enabled': true,
      vmUniqueId: input.vmId,
    },
    ...(input.userData ? { 'user-data': Buffer.from(input.userData).toString('hex').toUpperCase() } : {}),
  };
  return Buffer.from(JSON.stringify(claims), 'utf8');
}
