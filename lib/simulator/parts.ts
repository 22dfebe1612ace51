import { type KeyObject, randomBytes, randomUUID, X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildEventLog, type EventLog, linuxBoot } from './evidence/event-log.js';
import { platforms } from './evidence/platform.js';
import { SimulatedImds } from './imds.js';
import { SimulatedKds } from './kds.js';
import type { CvmConfiguration } from './options.js';
import { EmulatedNv } from './paravisor/emulated-nv.js';
import { Paravisor, type ParavisorIdentity } from './paravisor/paravisor.js';
import { TpmProxy } from './paravisor/proxy.js';
import { ResourceManager } from './paravisor/resource-manager.js';
import { TpmClients } from './paravisor/tpm-clients.js';
import { SimulatedPcs } from './pcs.js';
import type { AmdAuthority, SigningLeaf } from './pki/amd.js';
import { type Authorities, sharedAuthorities, sharedIntelAuthority } from './pki/authorities.js';
import { freshRsaKeyPair } from './pki/key-pool.js';
import { createLoopbackTls, type LoopbackTls } from './pki/tls.js';
import { provisionAkCertificate, provisionKeys, replayBoot } from './provisioning.js';
import type { ScratchFolder } from './scratch-folder.js';
import { SimulatedAttestationService } from './service/attestation-service.js';
import { TdxPlatform } from './tdx/tdx-platform.js';
import type { TpmTransport } from './tpm/command.js';
import { guestKeyImportBlob, provisionGuestKey } from './tpm/guest-key.js';
import { SoftwareTpm } from './tpm/software-tpm.js';

/** The parts of a simulated CVM, started and wired to each other. */
export interface Parts {
  folder: ScratchFolder;
  vmType: 'snp' | 'tdx' | 'tvm';
  vmId: string;
  authorities: Authorities;
  /** Key of the chip, or of the provider, that signs the hardware report. */
  leaf: SigningLeaf;
  /** Undefined on every other VM. */
  tdx: TdxPlatform | undefined;
  /** Public half of the key that secrets are provisioned to; undefined where there is none that is known. */
  guestKey: KeyObject | undefined;
  /** What the boot measured. */
  bootLog: EventLog;
  softwareTpm: SoftwareTpm;
  tpm: TpmProxy;
  /** Undefined where clients share the bare TPM. */
  resources: ResourceManager | undefined;
  /** Undefined on a VM without a hardware report. */
  paravisor: Paravisor | undefined;
  imds: SimulatedImds;
  kds: SimulatedKds;
  /** Undefined on a VM that is not a TD. */
  pcs: SimulatedPcs | undefined;
  attestation: SimulatedAttestationService;
  tls: LoopbackTls | undefined;
}

/** How to take back what has been started, for a start that fails half way. */
type Undo = (() => Promise<unknown>)[];

export const eventLogFile = (folder: ScratchFolder): string => join(folder.path, 'binary_bios_measurements');
export const productUuidFile = (folder: ScratchFolder): string => join(folder.path, 'product_uuid');
export const osReleaseFile = (folder: ScratchFolder): string => join(folder.path, 'os-release');

const defaultOsRelease = [
  'PRETTY_NAME="Ubuntu 24.04.1 LTS"',
  'NAME="Ubuntu"',
  'VERSION_ID="24.04"',
  'VERSION="24.04.1 LTS (Noble Numbat)"',
  'ID=ubuntu',
  '',
].join('\n');

export async function startParts(folder: ScratchFolder, configuration: CvmConfiguration, undo: Undo): Promise<Parts> {
  const { product = 'Milan', vmType = 'snp', secureBoot = true } = configuration;
  const vmId = configuration.vmId ?? randomUUID().toUpperCase();
  const softwareTpm = await SoftwareTpm.start(folder.path);
  undo.push(() => softwareTpm.stop());
  const { authority, organization } = configuration;
  const authorities = await sharedAuthorities(product, authority, organization);
  const tdx =
    vmType === 'tdx'
      ? await TdxPlatform.create(await sharedIntelAuthority(authority, organization), configuration.tdx)
      : undefined;
  const chipId = configuration.snpReport?.chipId ?? randomBytes(platforms[product].hardwareIdSize);
  const leaf = await issueLeaf(authorities.amd, configuration, chipId);
  const { transport } = softwareTpm;
  const nv = new EmulatedNv(transport);
  const keys = await provisionKeys(transport);
  await provisionAkCertificate(
    transport,
    nv,
    authorities.vtpm,
    vmId,
    keys.attestationKey,
    configuration.tpm?.akCertificate,
  );
  const guestKey = await provisionSecretsKey(transport, configuration.tpm?.guestKey);
  const bootLog = buildEventLog(linuxBoot({ secureBoot }));
  await replayBoot(transport, bootLog);
  const identity = {
    product,
    vmId,
    secureBoot,
    chipId: leaf.kind === 'vlek' ? new Uint8Array(64) : chipId,
    attestationKey: keys.attestationKey.export({ format: 'jwk' }),
    endorsementKey: keys.endorsementKey.export({ format: 'jwk' }),
    signingKey: leaf.privateKey,
    tdx,
  };
  const paravisor = await startParavisor(identity, configuration, leaf, softwareTpm, nv);
  const resources = configuration.tpm?.resourceManager === false ? undefined : new ResourceManager(transport);
  const clients = resources && new TpmClients(resources);
  const tpm = await TpmProxy.listen(join(folder.path, 'tpm'), softwareTpm, nv, clients);
  undo.push(() => tpm.close());
  for (const fault of configuration.faults?.tpm ?? []) tpm.injectFault(fault);
  const services = await startServices(configuration, { vmId, chipId, authorities, leaf, tdx }, undo);
  await writeGuestFiles(folder, configuration, bootLog, vmId);
  return {
    folder,
    vmType,
    vmId,
    authorities,
    leaf,
    tdx,
    bootLog,
    guestKey,
    softwareTpm,
    tpm,
    resources,
    paravisor,
    ...services,
  };
}

/** Imports the guest's key for provisioned secrets; resolves with its public half if it was made here. */
async function provisionSecretsKey(
  tpm: TpmTransport,
  option: 'present' | 'absent' | Uint8Array = 'present',
): Promise<KeyObject | undefined> {
  if (option === 'absent') return undefined;
  if (option !== 'present') {
    await provisionGuestKey(tpm, option);
    return undefined;
  }
  const { privateKey, publicKey } = await freshRsaKeyPair();
  await provisionGuestKey(tpm, guestKeyImportBlob(privateKey));
  return publicKey;
}

export async function stopParts({ tpm, softwareTpm, imds, kds, pcs, attestation, folder }: Parts): Promise<void> {
  await Promise.all([tpm, imds, kds, pcs, attestation].map((part) => part?.close()));
  await softwareTpm.stop();
  await folder.remove();
}

function issueLeaf(authority: AmdAuthority, configuration: CvmConfiguration, chipId: Uint8Array): Promise<SigningLeaf> {
  const { snpReport, signedBy, vcek } = configuration;
  const tcb = snpReport?.reportedTcb ?? platforms[authority.product].tcb;
  return signedBy === 'vlek'
    ? authority.issueVlek({ tcb, ...vcek })
    : authority.issueVcek({ tcb, hardwareId: chipId, ...vcek });
}

async function startParavisor(
  identity: ParavisorIdentity,
  { vmType = 'snp', tpm, snpReport }: CvmConfiguration,
  leaf: SigningLeaf,
  { transport }: SoftwareTpm,
  nv: EmulatedNv,
): Promise<Paravisor | undefined> {
  const options = tpm?.hclReport ?? {};
  if (vmType === 'tvm' || options.state === 'absent') return undefined;
  // signing_key 1: the provider's
  const report = leaf.kind === 'vlek' ? { keyInfo: 1 << 2, ...snpReport } : { ...snpReport };
  const paravisor = new Paravisor(identity, options, report, transport);
  await paravisor.boot();
  nv.define(paravisor.index);
  return paravisor;
}

async function startServices(
  configuration: CvmConfiguration,
  {
    vmId,
    chipId,
    leaf,
    authorities,
    tdx,
  }: Pick<Parts, 'vmId' | 'leaf' | 'authorities' | 'tdx'> & {
    chipId: Uint8Array;
  },
  undo: Undo,
): Promise<Pick<Parts, 'imds' | 'kds' | 'pcs' | 'attestation' | 'tls'>> {
  const { faults, snpReport, attestation: options } = configuration;
  const { amd, vtpm, signer } = authorities;
  const tcb = snpReport?.reportedTcb ?? platforms[amd.product].tcb;
  const imds = new SimulatedImds({
    vmId,
    amd: tdx
      ? undefined
      : { product: amd.product, tcb, vcekPem: leaf.certificate.pem, chainPem: leaf.issuer.pem + amd.ark.pem },
    tdx,
    vtpmAuthority: vtpm,
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
      akAuthorities: [new X509Certificate(vtpm.certificate.der)],
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
  return { imds, kds, pcs, attestation, tls };
}

async function writeGuestFiles(
  folder: ScratchFolder,
  { eventLog = (log) => log, osRelease = defaultOsRelease }: CvmConfiguration,
  { bytes }: EventLog,
  vmId: string,
): Promise<void> {
  const log = eventLog(bytes);
  if (log) await writeFile(eventLogFile(folder), log);
  await writeFile(osReleaseFile(folder), osRelease);
  await writeFile(productUuidFile(folder), `${vmId.toLowerCase()}\n`);
}
