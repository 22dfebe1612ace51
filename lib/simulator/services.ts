import { X509Certificate } from 'node:crypto';
import { platforms } from './evidence/platform.js';
import { SimulatedImds } from './imds.js';
import { instanceMetadata } from './instance-metadata.js';
import { SimulatedKds } from './kds.js';
import { SimulatedIdentities } from './key-vault/identities.js';
import type { SimulatedKeyVault } from './key-vault/simulated-key-vault.js';
import { startKeyVault } from './key-vault/start-key-vault.js';
import type { CvmConfiguration } from './options.js';
import { SimulatedPcs } from './pcs.js';
import type { SigningLeaf } from './pki/amd.js';
import type { Authorities } from './pki/authorities.js';
import { createLoopbackTls, type LoopbackTls } from './pki/tls.js';
import type { AkCertificateOptions } from './pki/vtpm.js';
import type { SimulatedPublisher } from './publisher.js';
import { SimulatedAttestationService } from './service/attestation-service.js';
import type { TdxPlatform } from './tdx/tdx-platform.js';
import type { MachineVerification } from './verification.js';

/** How to take back what has been started, for a start that fails half way. */
export type Undo = (() => Promise<unknown>)[];

/** Everything of a simulated CVM that answers HTTP requests. */
export interface Services {
  publisher: SimulatedPublisher;
  imds: SimulatedImds;
  kds: SimulatedKds;
  /** Undefined on a VM that is not a TD. */
  pcs: SimulatedPcs | undefined;
  attestation: SimulatedAttestationService;
  tls: LoopbackTls | undefined;
  identities: SimulatedIdentities;
  keyVault: SimulatedKeyVault;
}

/** What the services tell of. */
interface Machine {
  vmId: string;
  chipId: Uint8Array;
  leaf: SigningLeaf;
  authorities: Authorities;
  tdx: TdxPlatform | undefined;
  publisher: SimulatedPublisher;
  akCertificate: AkCertificateOptions;
  /** What a relying party accepts it with. */
  verification: MachineVerification;
}

export async function startServices(
  configuration: CvmConfiguration,
  { vmId, chipId, leaf, authorities, tdx, publisher, akCertificate, verification }: Machine,
  undo: Undo,
): Promise<Services> {
  const { faults, snpReport, attestation: options } = configuration;
  const { amd, vtpm, signer } = authorities;
  const tcb = snpReport?.reportedTcb ?? platforms[amd.product].tcb;
  const identities = new SimulatedIdentities(configuration.identities);
  const imds = new SimulatedImds({
    vmId,
    identities,
    amd: tdx
      ? undefined
      : { product: amd.product, tcb, vcekPem: leaf.certificate.pem, chainPem: leaf.issuer.pem + amd.ark.pem },
    tdx,
    vtpmAuthority: vtpm,
    akCertificate,
    instance: instanceMetadata(vmId, configuration),
  });
  undo.push(() => imds.close());
  const kds = new SimulatedKds({ authority: amd, vcek: leaf.certificate.der, chipId, tcb });
  undo.push(() => kds.close());
  const pcs = tdx && new SimulatedPcs({ collateral: tdx.collateral });
  undo.push(async () => pcs?.close());
  const tls = options?.tls ? await createLoopbackTls(options.tls === true ? {} : options.tls) : undefined;
  const attestation = new SimulatedAttestationService({
    trust: {
      roots: [new X509Certificate(amd.ark.der)],
      akAuthorities: [vtpm.certificate, ...vtpm.cloudIssuers()].map(({ der }) => new X509Certificate(der)),
      measurements:
        verification.policy.measurement === undefined ? undefined : [verification.policy.measurement].flat(),
      tdx: tdx && { roots: verification.trustedRoots, collateral: tdx.collateral, policy: verification.policy },
      now: () => new Date(),
    },
    signer,
    tls,
    tokenLifetimeSeconds: options?.tokenLifetimeSeconds,
    bearerToken: options?.bearerToken,
  });
  undo.push(() => attestation.close());
  for (const [path, behaviours] of Object.entries(faults?.imds ?? {})) imds.respond(path, ...behaviours);
  for (const [path, behaviours] of Object.entries(faults?.attestation ?? {})) attestation.respond(path, ...behaviours);
  attestation.sealNext(...(options?.envelopes ?? []));
  await Promise.all([imds, kds, pcs, attestation].map((server) => server?.listen()));
  const keyVault = await startKeyVault(configuration, { identities, attestation, tls });
  undo.push(() => keyVault.close());
  return { publisher, imds, kds, pcs, attestation, tls, identities, keyVault };
}

export async function stopServices({ publisher, imds, kds, pcs, attestation, keyVault }: Services): Promise<void> {
  await Promise.all([publisher, imds, kds, pcs, attestation, keyVault].map((part) => part?.close()));
}
