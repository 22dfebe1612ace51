import { randomBytes, randomUUID, X509Certificate } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AttestationClient } from '../client.js';
import type { AttestationClientOptions } from '../client-options.js';
import { appendMeasurement, buildEventLog, type EventLog, linuxBoot } from './evidence/event-log.js';
import { platforms } from './evidence/platform.js';
import { SimulatedImds } from './imds.js';
import type { SimulatedCvmOptions } from './options.js';
import { EmulatedNv } from './paravisor/emulated-nv.js';
import { Paravisor } from './paravisor/paravisor.js';
import { TpmProxy, type TpmTrace } from './paravisor/proxy.js';
import { AmdAuthority, type SigningLeaf } from './pki/amd.js';
import { createLoopbackTls, type LoopbackTls } from './pki/tls.js';
import { type PublishedKey, TokenSigner } from './pki/token-signer.js';
import { VtpmAuthority } from './pki/vtpm.js';
import { provisionAkCertificate, provisionKeys, replayBoot } from './provisioning.js';
import { ScratchFolder } from './scratch-folder.js';
import { SimulatedAttestationService } from './service/attestation-service.js';
import { HandleRange, listHandles } from './tpm/capability.js';
import { pcrExtend, pcrRead } from './tpm/pcr.js';
import { SoftwareTpm } from './tpm/software-tpm.js';

const defaultOsRelease = [
  'PRETTY_NAME="Ubuntu 24.04.1 LTS"',
  'NAME="Ubuntu"',
  'VERSION_ID="24.04"',
  'VERSION="24.04.1 LTS (Noble Numbat)"',
  'ID=ubuntu',
  '',
].join('\n');

/** Everything of a simulated CVM that its constructor gets ready-made. */
interface Parts {
  folder: ScratchFolder;
  vmId: string;
  authority: AmdAuthority;
  vtpmAuthority: VtpmAuthority;
  leaf: SigningLeaf;
  bootLog: EventLog;
  softwareTpm: SoftwareTpm;
  tpm: TpmProxy;
  paravisor: Paravisor | undefined;
  imds: SimulatedImds;
  attestation: SimulatedAttestationService;
  tls: LoopbackTls | undefined;
}

/**
 * A confidential VM on Azure, simulated on any Linux machine: a software TPM provisioned as the platform does it, a
 * SEV-SNP report by an AMD-like chain, the instance metadata service and an attestation service.
 *
 * Everything is on Unix sockets and the loopback interface. `stop()` leaves no process, socket or folder; neither does
 * an exit without it. Several can run at once.
 */
export class SimulatedCvm implements AsyncDisposable {
  readonly #parts: Parts;
  #eventLog: EventLog;
  #stopped: Promise<void> | undefined;

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#eventLog = parts.bootLog;
  }

  /**
   * Starts a simulated CVM. The first one in a process generates RSA keys for its certificate authorities, which takes
   * seconds; see {@link keyFolderVariable}.
   *
   * @throws Error when there is no `swtpm` program
   */
  static async start(options: SimulatedCvmOptions = {}): Promise<SimulatedCvm> {
    const folder = await ScratchFolder.create();
    const undo: (() => Promise<unknown>)[] = [() => folder.remove()];
    try {
      return new SimulatedCvm(await startParts(folder, options, undo));
    } catch (error) {
      for (const step of undo.reverse()) await step().catch(() => {});
      throw error;
    }
  }

  /** TCTI string of the guest's TPM: the software TPM behind the simulated paravisor. */
  get tcti(): string {
    return `swtpm:path=${this.#parts.tpm.socketPath}`;
  }

  /** The TPM as the guest sees it: trace its commands, inject faults. */
  get tpm(): TpmProxy {
    return this.#parts.tpm;
  }

  /** The software TPM itself. Past the paravisor there is no HCL report, and nothing of this process in between. */
  get softwareTpm(): SoftwareTpm {
    return this.#parts.softwareTpm;
  }

  /** Origin of the instance metadata service, as the client's `imdsUrl` takes it. */
  get imdsUrl(): string {
    return this.#parts.imds.url;
  }

  get imds(): SimulatedImds {
    return this.#parts.imds;
  }

  /** Origin of the attestation service, its tokens' issuer. */
  get attestationUrl(): string {
    return this.#parts.attestation.url;
  }

  get attestation(): SimulatedAttestationService {
    return this.#parts.attestation;
  }

  /** PEM of the authority behind the attestation service's TLS certificate; undefined when it speaks plain HTTP. */
  get ca(): string | undefined {
    return this.#parts.tls?.ca.pem;
  }

  /** File with the TCG event log. */
  get eventLogPath(): string {
    return join(this.#parts.folder.path, 'binary_bios_measurements');
  }

  /** File with the os-release text. */
  get osReleasePath(): string {
    return join(this.#parts.folder.path, 'os-release');
  }

  /** UUID in upper case. */
  get vmId(): string {
    return this.#parts.vmId;
  }

  /** PEM certificates of the roots that prove this VM's hardware report, in place of AMD's. */
  get trustedRoots(): string[] {
    return [this.#parts.authority.ark.pem];
  }

  /** The AMD-like authority of this VM's product. */
  get authority(): AmdAuthority {
    return this.#parts.authority;
  }

  /** The authority that certified the attestation key. */
  get vtpmAuthority(): VtpmAuthority {
    return this.#parts.vtpmAuthority;
  }

  /** Certificate and private key of the chip, for tests that forge reports. */
  get signingLeaf(): SigningLeaf {
    return this.#parts.leaf;
  }

  /** Key set that the attestation service signs its tokens with. */
  get tokenKeys(): { keys: PublishedKey[] } {
    return this.#parts.attestation.tokenKeys;
  }

  /** The paravisor's HCL report as it stands; undefined on a VM that has none. */
  get hclReport(): Buffer | undefined {
    return this.#parts.paravisor?.current;
  }

  /** A client in this VM: its TPM, metadata service, event log and os-release; any option can be overridden. */
  client(options: AttestationClientOptions = {}): AttestationClient {
    const { ca } = this;
    return new AttestationClient({
      tcti: this.tcti,
      imdsUrl: this.imdsUrl,
      eventLogPath: this.eventLogPath,
      osReleasePath: this.osReleasePath,
      ...(ca === undefined || options.fetch ? {} : { ca }),
      ...options,
    });
  }

  /** Records the TPM commands of the guest until it is stopped. */
  trace(): TpmTrace {
    return this.#parts.tpm.trace();
  }

  /**
   * Measures a digest of 32 bytes into a PCR, as a boot loader would: with an entry in the event log.
   *
   * @param options.logged false leaves the log as it is, so that it does not replay any more
   */
  async extendPcr(index: number, digest: Uint8Array, options: { logged?: boolean } = {}): Promise<void> {
    const log = appendMeasurement(this.#eventLog, index, digest);
    const measurement = log.extends.at(-1);
    if (measurement) await pcrExtend(this.#parts.tpm.transport, index, measurement.digests);
    if (options.logged ?? true) await this.#setEventLog(log);
  }

  /** Values of the SHA-256 bank. */
  readPcrs(indices: readonly number[]): Promise<Map<number, Buffer>> {
    return pcrRead(this.#parts.tpm.transport, 'sha256', indices);
  }

  /** Objects and sessions that are loaded in the TPM: both lists are empty when a client has cleaned up. */
  async loadedHandles(): Promise<{ transient: number[]; sessions: number[] }> {
    const { transport } = this.#parts.softwareTpm;
    const transient = await listHandles(transport, HandleRange.transient);
    const loaded = await listHandles(transport, HandleRange.loadedSession);
    const saved = await listHandles(transport, HandleRange.savedSession);
    return { transient, sessions: [...new Set([...loaded, ...saved])] };
  }

  /** Reboots the VM: TPM reset, the same measured boot, a new HCL report. Keys of the null hierarchy are gone. */
  async reboot(): Promise<void> {
    const { tpm, softwareTpm, bootLog, paravisor } = this.#parts;
    await tpm.exclusively(async () => {
      await softwareTpm.reset();
      await replayBoot(softwareTpm.transport, bootLog);
      await paravisor?.boot();
    });
    await this.#setEventLog(bootLog);
  }

  /** Stops everything and removes what it left on disk. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopped ??= stopParts(this.#parts);
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #setEventLog(log: EventLog): Promise<void> {
    this.#eventLog = log;
    await writeFile(`${this.eventLogPath}.new`, log.bytes);
    await rename(`${this.eventLogPath}.new`, this.eventLogPath);
  }
}

async function startParts(
  folder: ScratchFolder,
  options: SimulatedCvmOptions,
  undo: (() => Promise<unknown>)[],
): Promise<Parts> {
  const { product = 'Milan', vmType = 'snp', secureBoot = true } = options;
  const vmId = options.vmId ?? randomUUID().toUpperCase();
  const startTpm = async (): Promise<SoftwareTpm> => {
    const tpm = await SoftwareTpm.start(folder.path);
    undo.push(() => tpm.stop());
    return tpm;
  };
  const [authority, vtpmAuthority, signer, softwareTpm] = await Promise.all([
    AmdAuthority.create({ product, ...(options.authority === undefined ? {} : { name: options.authority }) }),
    VtpmAuthority.create(options.authority),
    TokenSigner.create(options.authority),
    startTpm(),
  ]);
  const chipId = options.snpReport?.chipId ?? randomBytes(platforms[product].hardwareIdSize);
  const leaf = await issueLeaf(authority, options, chipId);
  const imds = new SimulatedImds({
    vmId,
    product,
    tcb: options.snpReport?.reportedTcb ?? platforms[product].tcb,
    vcekPem: leaf.certificate.pem,
    chainPem: leaf.issuer.pem + authority.ark.pem,
    vtpmAuthority,
  });
  undo.push(() => imds.close());
  const { transport } = softwareTpm;
  const nv = new EmulatedNv();
  const { attestationKey, endorsementKey } = await provisionKeys(transport);
  await provisionAkCertificate(transport, nv, vtpmAuthority, vmId, attestationKey, options.tpm?.akCertificate);
  const bootLog = buildEventLog(linuxBoot({ secureBoot }));
  await replayBoot(transport, bootLog);
  let paravisor: Paravisor | undefined;
  const hclOptions = options.tpm?.hclReport ?? {};
  if (vmType !== 'tvm' && hclOptions.state !== 'absent') {
    paravisor = new Paravisor(
      {
        vmType,
        product,
        vmId,
        secureBoot,
        chipId: leaf.kind === 'vlek' ? new Uint8Array(64) : chipId,
        attestationKey: attestationKey.export({ format: 'jwk' }),
        endorsementKey: endorsementKey.export({ format: 'jwk' }),
        signingKey: leaf.privateKey,
      },
      hclOptions,
      leaf.kind === 'vlek' ? { keyInfo: 1 << 2, ...options.snpReport } : { ...options.snpReport },
      transport,
    );
    await paravisor.boot();
    nv.define(paravisor.index);
  }
  const tls = await loopbackTls(options);
  const attestation = new SimulatedAttestationService({
    trust: {
      roots: [new X509Certificate(authority.ark.der)],
      akAuthorities: [new X509Certificate(vtpmAuthority.certificate.der)],
      now: () => new Date(),
    },
    signer,
    tls,
    tokenLifetimeSeconds: options.attestation?.tokenLifetimeSeconds,
    bearerToken: options.attestation?.bearerToken,
  });
  undo.push(() => attestation.close());
  const tpm = await TpmProxy.listen(join(folder.path, 'tpm'), softwareTpm, nv);
  undo.push(() => tpm.close());
  for (const fault of options.faults?.tpm ?? []) tpm.injectFault(fault);
  for (const [path, behaviours] of Object.entries(options.faults?.imds ?? {})) imds.respond(path, ...behaviours);
  for (const [path, behaviours] of Object.entries(options.faults?.attestation ?? {})) {
    attestation.respond(path, ...behaviours);
  }
  await Promise.all([imds.listen(), attestation.listen()]);
  await writeFile(join(folder.path, 'binary_bios_measurements'), bootLog.bytes);
  await writeFile(join(folder.path, 'os-release'), options.osRelease ?? defaultOsRelease);
  return {
    folder,
    vmId,
    authority,
    vtpmAuthority,
    leaf,
    bootLog,
    softwareTpm,
    tpm,
    paravisor,
    imds,
    attestation,
    tls,
  };
}

function issueLeaf(authority: AmdAuthority, options: SimulatedCvmOptions, chipId: Uint8Array): Promise<SigningLeaf> {
  const tcb = options.snpReport?.reportedTcb ?? platforms[authority.product].tcb;
  return options.signedBy === 'vlek'
    ? authority.issueVlek({ tcb, ...options.vcek })
    : authority.issueVcek({ tcb, hardwareId: chipId, ...options.vcek });
}

async function loopbackTls({ attestation }: SimulatedCvmOptions): Promise<LoopbackTls | undefined> {
  const { tls } = attestation ?? {};
  if (!tls) return undefined;
  return createLoopbackTls(tls === true ? {} : tls);
}

async function stopParts({ tpm, softwareTpm, imds, attestation, folder }: Parts): Promise<void> {
  await Promise.all([tpm.close(), imds.close(), attestation.close()]);
  await softwareTpm.stop();
  await folder.remove();
}
