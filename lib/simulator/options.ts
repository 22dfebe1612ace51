import type { Product } from '../abi/tcb.js';
import type { SnpReportFields } from './evidence/snp-report.js';
import type { Behaviour } from './http/behaviour.js';
import type { VaultFaultName } from './key-vault/faults.js';
import type { HclReportOptions } from './paravisor/paravisor.js';
import type { TpmFault } from './paravisor/tpm-faults.js';
import type { LeafOptions } from './pki/amd.js';
import type { LoopbackTlsOptions } from './pki/tls.js';
import type { AkCertificateOptions } from './pki/vtpm.js';
import type { EnvelopeOptions } from './service/envelope.js';
import type { TdxOptions } from './tdx/tdx-platform.js';

/** How the attestation key's certificate lies in NV 0x01C101D0. */
export interface AkCertificateIndexOptions extends AkCertificateOptions {
  /**
   * `absent`: the index is not defined; `unwritten`: it answers TPM_RC_NV_UNINITIALIZED (0x14a) forever; `pending`: only
   * to its first two reads, which start the request for a certificate.
   */
  state?: 'present' | 'absent' | 'unwritten' | 'pending';
  /** Bytes of the index, the certificate being zero-padded. Default: as long as the certificate; Azure's have up to 16384. */
  indexSize?: number;
  /** Created by the platform, so that the owner cannot replace it. Always so for a pending one and for one of more than 2048 bytes. */
  platformCreated?: boolean;
  /** Written instead of a certificate; `zeros` fills the whole index. */
  contents?: Uint8Array | 'zeros';
  /** What follows the certificate in an index that is larger. Default `zeros`; `stale` bytes are of an older one. */
  tail?: 'zeros' | 'stale';
}

/** Everything that can be chosen about a simulated CVM; the defaults make an ordinary Azure confidential VM. */
export interface CvmConfiguration {
  /** AMD product of the host. Default Milan. */
  product?: Product;
  /** SEV-SNP (default), trusted launch without any hardware report, or TDX. */
  vmType?: 'snp' | 'tvm' | 'tdx';
  /** Default: a fresh UUID in upper case. */
  vmId?: string;
  /** What the event log and the claims say. Default true. */
  secureBoot?: boolean;
  tpm?: {
    akCertificate?: AkCertificateIndexOptions;
    hclReport?: HclReportOptions;
    /**
     * The key at 0x81000004 that secrets are provisioned to. Default `present`; `absent` where the platform provisions
     * none. A TPM2_Import blob is imported as it is, and `cvm.protectSecret` then needs its `guestKey` option.
     */
    guestKey?: 'present' | 'absent' | Uint8Array;
    /**
     * Whether clients have spaces of their own, as at /dev/tpmrm0. Default true; false for a bare TPM, whose slots and
     * handles all clients share, as at /dev/tpm0.
     */
    resourceManager?: boolean;
  };
  /** Fields of the SNP report that are to differ from an ordinary guest's. */
  snpReport?: SnpReportFields;
  /** The TDX machine, where it is not to be an ordinary one. */
  tdx?: TdxOptions;
  /** The VCEK certificate, where it is not to be what the report needs. */
  vcek?: Partial<LeafOptions>;
  /** Report signed by a provider's key instead of the chip's. Default `vcek`. */
  signedBy?: 'vcek' | 'vlek';
  /**
   * Name of the certificate authorities. CVMs with the same name share their roots; another name makes machines whose
   * roots and token keys this one's relying parties do not trust. Default `default`.
   */
  authority?: string;
  /**
   * Organization in the names of the hardware vendor's certificates: verifiers of others insist on
   * `Advanced Micro Devices` or `Intel Corporation`. Default: one that nobody mistakes for theirs.
   */
  organization?: string;
  /** Text of os-release. */
  osRelease?: string;
  /** The attestation service. */
  attestation?: {
    /** Serve `https://localhost` with a certificate by {@link SimulatedCvm.ca} instead of `http://127.0.0.1`. */
    tls?: boolean | LoopbackTlsOptions;
    /** Lifetime of tokens. Default eight hours, as Azure's. */
    tokenLifetimeSeconds?: number;
    /** When set, attesting takes this bearer token, as private instances do. */
    bearerToken?: string;
    /** How the first guest tokens are put into envelopes, where that is not to be as it should. */
    envelopes?: EnvelopeOptions[];
  };
  /**
   * The event log that the guest finds. `empty` is a file of zero bytes, as on some Trusted Launch VMs; `windows` ends as
   * Windows' logs do: events with a digest of one bank only, then one that extends nothing at PCR 0xFFFFFFFF. A function
   * changes the log; undefined for a guest without one.
   */
  eventLog?: 'linux' | 'windows' | 'empty' | ((log: Buffer) => Buffer | undefined);
  /** PCRs that something was measured into that the event log does not tell of: 11 on unified kernel images. */
  unloggedPcrs?: readonly number[];
  /** Region of the metadata service. Default `westeurope`. */
  region?: string;
  /** Managed identities of the VM: its own, none, or two of which the guest has to name one. Default `one`. */
  identities?: 'none' | 'one' | 'many';
  /** The key vault: Key Vault Premium (default) or Managed HSM. */
  keyVault?: { flavour?: 'vault' | 'managed-hsm' };
  /** Trouble from the start; more can be asked for later on `cvm.tpm`, `cvm.imds` and `cvm.attestation`. */
  faults?: DetailedFaults;
}

/** What each part of a simulated CVM is to do wrong. */
export interface DetailedFaults {
  tpm?: TpmFault[];
  /** By path, without query; see `imdsPaths`. */
  imds?: Record<string, Behaviour[]>;
  /** By path, without query; see `attestationPaths`. */
  attestation?: Record<string, Behaviour[]>;
  /** Every answer of the key vault goes wrong in this way; see `vaultFaults`. */
  keyVault?: VaultFaultName[];
}
