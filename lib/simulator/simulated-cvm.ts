import { rename, writeFile } from 'node:fs/promises';
import { AttestationClient } from '../guest/client.js';
import type { AttestationClientOptions } from '../guest/client-options.js';
import { configurationOf, type SimulatedCvmOptions } from './configuration.js';
import { appendMeasurement, type EventLog } from './evidence/event-log.js';
import { type ForeignReport, foreignReport } from './evidence/foreign-guest.js';
import type { SnpReportFields } from './evidence/snp-report.js';
import { eventLogFile, osReleaseFile, productUuidFile } from './guest-files.js';
import type { SimulatedImds } from './imds.js';
import type { SimulatedKds } from './kds.js';
import type { SimulatedIdentities } from './key-vault/identities.js';
import type { SimulatedKeyVault } from './key-vault/simulated-key-vault.js';
import type { TpmProxy, TpmTrace } from './paravisor/proxy.js';
import { type Parts, startParts, stopParts } from './parts.js';
import type { SimulatedPcs } from './pcs.js';
import type { AmdAuthority, SigningLeaf } from './pki/amd.js';
import type { PublishedKey } from './pki/token-signer.js';
import type { VtpmAuthority } from './pki/vtpm.js';
import { replayBoot } from './provisioning.js';
import { ScratchFolder } from './scratch-folder.js';
import { type ProtectSecretOptions, protectSecret } from './secrets/protect-secret.js';
import type { SimulatedAttestationService } from './service/attestation-service.js';
import type { SimulatedTdxCollateral } from './tdx/collateral.js';
import type { TdReportFields } from './tdx/td-report.js';
import type { TdxPlatform } from './tdx/tdx-platform.js';
import { HandleRange, listHandles } from './tpm/capability.js';
import { pcrExtend, pcrRead } from './tpm/pcr.js';
import type { SoftwareTpm } from './tpm/software-tpm.js';
import { type MachineVerification, verificationOf } from './verification.js';

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
      return new SimulatedCvm(await startParts(folder, configurationOf(options), undo));
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

  /** Origin of AMD's key service, as `KdsClient` takes it for `baseUrl`. */
  get kdsUrl(): string {
    return this.#parts.kds.url;
  }

  get kds(): SimulatedKds {
    return this.#parts.kds;
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
    return eventLogFile(this.#parts.folder);
  }

  /** File with the os-release text. */
  get osReleasePath(): string {
    return osReleaseFile(this.#parts.folder);
  }

  /** File with the machine's UUID in lower case, as /sys/class/dmi/id/product_uuid. */
  get productUuidPath(): string {
    return productUuidFile(this.#parts.folder);
  }

  /** UUID in upper case. */
  get vmId(): string {
    return this.#parts.vmId;
  }

  /** PEM certificates of the roots that prove this VM's hardware report, in place of AMD's and Intel's. */
  get trustedRoots(): string[] {
    return this.verification.trustedRoots;
  }

  /** What Intel publishes about the platform of a TDX machine; undefined on any other. */
  get tdxCollateral(): SimulatedTdxCollateral | undefined {
    return this.#parts.tdx?.collateral;
  }

  /** The platform of a TDX machine: makes TDREPORTs and quotes. Undefined on any other. */
  get tdx(): TdxPlatform | undefined {
    return this.#parts.tdx;
  }

  /** Intel's provisioning certification service, for a TDX machine; undefined on any other. */
  get pcs(): SimulatedPcs | undefined {
    return this.#parts.pcs;
  }

  /** Origin of {@link pcs}. */
  get pcsUrl(): string | undefined {
    return this.#parts.pcs?.url;
  }

  /** SEV-SNP, TDX, or a trusted launch VM. */
  get vmType(): 'snp' | 'tdx' | 'tvm' {
    return this.#parts.vmType;
  }

  /**
   * Options of `verifyEvidence` that accept this machine: its roots, which replace the pinned ones, and a policy that
   * names its launch measurement. Anything else that a relying party demands is to be added.
   */
  get verification(): MachineVerification {
    return verificationOf(this.#parts);
  }

  /** The AMD-like authority of this VM's product. */
  get authority(): AmdAuthority {
    return this.#parts.authorities.amd;
  }

  /** The authority that certified the attestation key. */
  get vtpmAuthority(): VtpmAuthority {
    return this.#parts.authorities.vtpm;
  }

  /**
   * PEM certificates that a certificate of the attestation key chains to: the root, and the issuer that Azure's clients
   * have to bring along because certificates of the `global` hierarchy do not say where it is.
   */
  get vtpmRoots(): string[] {
    const { root, certificate } = this.vtpmAuthority;
    return [root.pem, certificate.pem];
  }

  /** Certificate and private key of the chip, for tests that forge reports. */
  get signingLeaf(): SigningLeaf {
    return this.#parts.leaf;
  }

  /** The key vault that releases keys to this machine. */
  get keyVault(): SimulatedKeyVault {
    return this.#parts.keyVault;
  }

  /** Address of the key vault, as `releaseKey` takes it for `vaultUrl`. */
  get keyVaultUrl(): string {
    return this.#parts.keyVault.url;
  }

  /** The managed identities of this machine, which may be changed while it runs. */
  get identities(): SimulatedIdentities {
    return this.#parts.identities;
  }

  /** Key set that the attestation service signs its tokens with. */
  get tokenKeys(): { keys: PublishedKey[] } {
    return this.#parts.attestation.tokenKeys;
  }

  /** The paravisor's HCL report as it stands; undefined on a VM that has none. */
  get hclReport(): Buffer | undefined {
    return this.#parts.paravisor?.current;
  }

  /** Certificate of the root that signs provisioned secrets, for the `trustedRoots` of `unprotectSecret`. */
  get secretRoots(): string[] {
    return [this.#parts.authorities.provisioning.root.pem];
  }

  /**
   * Protects a secret for this VM as Azure's control plane does, for `client.unprotectSecret`: a compact JWS.
   *
   * @throws Error when the machine has no key for provisioned secrets, unless `guestKey` names one
   */
  protectSecret(secret: Uint8Array, options: ProtectSecretOptions = {}): string {
    const { guestKey, vmId, authorities } = this.#parts;
    const recipient = options.guestKey ?? guestKey;
    if (!recipient) throw new Error('this machine has no key that secrets are provisioned to');
    return protectSecret(secret, options, { vmId, guestKey: recipient, authority: authorities.provisioning });
  }

  /** A client in this VM: its TPM, metadata service, event log and os-release; any option can be overridden. */
  client(options: AttestationClientOptions = {}): AttestationClient {
    const { ca } = this;
    return new AttestationClient({
      tcti: this.tcti,
      imdsUrl: this.imdsUrl,
      eventLogPath: this.eventLogPath,
      osReleasePath: this.osReleasePath,
      productUuidPath: this.productUuidPath,
      keyVault: { allowedHosts: [this.keyVault.host], trustedRoots: this.keyVault.trustedRoots },
      secretRoots: this.secretRoots,
      ...(ca === undefined || options.fetch ? {} : { ca }),
      trustedRoots: this.vtpmRoots,
      ...options,
    });
  }

  /**
   * An HCL report around runtime data of the caller's choice, by this machine's hardware but not by Azure's paravisor: what
   * a guest elsewhere on such hardware can have signed. A verifier has to refuse it by its launch measurement.
   *
   * @param fields of the hardware report that are to differ
   */
  foreignReport(runtimeData: Uint8Array, fields: SnpReportFields & TdReportFields = {}): ForeignReport {
    return foreignReport(this.#parts, runtimeData, fields);
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

  /** Objects and sessions that clients hold in the TPM: both lists are empty when all have cleaned up. */
  async loadedHandles(): Promise<{ transient: number[]; sessions: number[] }> {
    const { resources, softwareTpm } = this.#parts;
    if (resources) return resources.held();
    const { transport } = softwareTpm;
    const transient = await listHandles(transport, HandleRange.transient);
    const loaded = await listHandles(transport, HandleRange.loadedSession);
    const saved = await listHandles(transport, HandleRange.savedSession);
    return { transient, sessions: [...new Set([...loaded, ...saved])] };
  }

  /** Reboots the VM: TPM reset, the same measured boot, a new HCL report. Keys of the null hierarchy are gone. */
  async reboot(): Promise<void> {
    const { tpm, softwareTpm, bootLog, unloggedPcrs, paravisor } = this.#parts;
    await tpm.exclusively(async () => {
      await softwareTpm.reset();
      this.#parts.resources?.forget();
      await replayBoot(softwareTpm.transport, bootLog, unloggedPcrs);
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
