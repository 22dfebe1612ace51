import { type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { appendWindowsEvents, buildEventLog, type EventLog, linuxBoot } from './evidence/event-log.js';
import { platforms } from './evidence/platform.js';
import { writeGuestFiles } from './guest-files.js';
import type { AkCertificateIndexOptions, CvmConfiguration } from './options.js';
import { EmulatedNv } from './paravisor/emulated-nv.js';
import { Paravisor, type ParavisorIdentity } from './paravisor/paravisor.js';
import { TpmProxy } from './paravisor/proxy.js';
import { ResourceManager } from './paravisor/resource-manager.js';
import { TpmClients } from './paravisor/tpm-clients.js';
import type { AmdAuthority, SigningLeaf } from './pki/amd.js';
import { type Authorities, sharedAuthorities, sharedIntelAuthority } from './pki/authorities.js';
import { provisionAkCertificate, provisionKeys, provisionSecretsKey, replayBoot } from './provisioning.js';
import { SimulatedPublisher } from './publisher.js';
import type { ScratchFolder } from './scratch-folder.js';
import { type Services, startServices, stopServices, type Undo } from './services.js';
import { TdxPlatform } from './tdx/tdx-platform.js';
import { SoftwareTpm } from './tpm/software-tpm.js';
import { verificationOf } from './verification.js';

/** The parts of a simulated CVM, started and wired to each other. */
export interface Parts extends Services {
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
  /** What else it measured, without saying so. */
  unloggedPcrs: readonly number[];
  softwareTpm: SoftwareTpm;
  tpm: TpmProxy;
  /** Undefined where clients share the bare TPM. */
  resources: ResourceManager | undefined;
  /** Undefined on a VM without a hardware report. */
  paravisor: Paravisor | undefined;
}

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
  const publisher = new SimulatedPublisher(authorities.vtpm);
  undo.push(() => publisher.close());
  await publisher.listen();
  const akOptions: AkCertificateIndexOptions = {
    subjectKind: vmType === 'tvm' ? 'TrustedVM' : 'ConfidentialVM',
    publisher: publisher.url,
    ...configuration.tpm?.akCertificate,
  };
  await provisionAkCertificate(transport, nv, authorities.vtpm, vmId, keys.attestationKey, akOptions);
  const guestKey = await provisionSecretsKey(transport, configuration.tpm?.guestKey);
  const linux = buildEventLog(linuxBoot({ secureBoot }));
  const bootLog = configuration.eventLog === 'windows' ? appendWindowsEvents(linux) : linux;
  const { unloggedPcrs = [] } = configuration;
  await replayBoot(transport, bootLog, unloggedPcrs);
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
  const verification = verificationOf({ authorities, leaf, paravisor, tdx });
  const machine = { vmId, chipId, authorities, leaf, tdx, verification };
  const services = await startServices(configuration, { ...machine, akCertificate: akOptions, publisher }, undo);
  await writeGuestFiles(folder, configuration, bootLog.bytes, vmId);
  return {
    folder,
    vmType,
    vmId,
    authorities,
    leaf,
    tdx,
    bootLog,
    unloggedPcrs,
    guestKey,
    softwareTpm,
    tpm,
    resources,
    paravisor,
    ...services,
  };
}

export async function stopParts(parts: Parts): Promise<void> {
  await Promise.all([parts.tpm.close(), stopServices(parts)]);
  await parts.softwareTpm.stop();
  await parts.folder.remove();
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
