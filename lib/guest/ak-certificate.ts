import { createPublicKey, X509Certificate } from 'node:crypto';
import { parseTpm2bPublic } from '../abi/tpm.js';
import { type Certificate, parseCertificate } from '../abi/x509.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { SignatureEngine } from '../engine/engine.js';
import { renewAkCertificate } from '../imds/ak-renewal.js';
import type { Imds } from '../imds/imds.js';
import type { GuestTpm } from '../tpm/native-tpm.js';
import { findPath } from '../verify/path.js';
import { isUndelivered, readAkCertificate, type StoredAkCertificate } from './ak-certificate-index.js';
import { AzureTpm } from './azure-tpm.js';
import type { IssuerCertificates } from './issuer-certificates.js';

const DAY_MS = 86_400_000;
/** A certificate with no more whole days left than this is renewed. */
const RENEWAL_DAYS = 90;
/** After a renewal that failed, the next calls of this client do not wait for another one. */
const RENEWAL_PAUSE_MS = 10 * 60_000;
/** TPMA_NV_PLATFORMCREATE: the owner cannot undefine such an index (TPM 2.0 Library, part 2, section 13.4). */
const NV_PLATFORM_CREATED = 0x4000_0000;

export interface AkCertificateOptions {
  tpm: GuestTpm;
  imds: Imds;
  logger: Logger;
  /** Whether a certificate near its end is renewed, and whether a renewed one goes to NV. */
  renew: boolean | 'nv';
  issuers: IssuerCertificates;
  /** Chosen at the first renewal. */
  engine: () => SignatureEngine;
}

/**
 * The certificate of the attestation key: read from NV, and renewed when it is about to expire. A renewed one is used from
 * memory: the metadata service is not authenticated, so nothing that it answers replaces what the platform wrote unless the
 * caller wants that, and then not before the attestation service has accepted it.
 */
export class AkCertificate {
  readonly #options: AkCertificateOptions;
  /** No renewal before this time, which is never while one is running. */
  #pausedUntil = 0;
  /** In place of these contents of NV. */
  #renewed: { certificate: X509Certificate; replaces: Buffer; stored: boolean } | undefined;

  constructor(options: AkCertificateOptions) {
    this.#options = options;
  }

  /**
   * As the request of an attestation carries it: the whole NV index, zero padding included, or a renewed certificate.
   *
   * A certificate that cannot be parsed or renewed is logged, with its code (31 or 32), and does not stop an attestation.
   *
   * @throws AttestationError 13 when the index cannot be read or was never written, 29 when it is all zeros or the key's
   * provisioning is not finished.
   */
  async current(signal?: AbortSignal): Promise<Buffer> {
    const { tpm, logger } = this.#options;
    const stored = await readAkCertificate(tpm, logger, signal);
    if (stored === undefined) {
      throw new AttestationError(ErrorCode.TPM_OPERATION_FAILURE, NOT_DEFINED, { tpmErrorCode: RC_NO_SUCH_INDEX });
    }
    return (await this.#replacement(stored, signal))?.raw ?? stored.contents;
  }

  /**
   * As evidence carries it: the certificate alone, with what there is between it and the root. Empty when the platform has
   * not delivered one, or one that can be parsed.
   */
  async evidence(signal?: AbortSignal): Promise<{ akCertificate?: Uint8Array; akCertificateChain?: Uint8Array[] }> {
    const { tpm, logger, issuers } = this.#options;
    let stored: StoredAkCertificate | undefined;
    try {
      stored = await readAkCertificate(tpm, logger, signal);
    } catch (error) {
      if (!isUndelivered(error)) throw error;
      logger.warn(`${(error as Error).message}; evidence without it`);
      return {};
    }
    const certificate = stored && ((await this.#replacement(stored, signal)) ?? stored.certificate);
    if (certificate === undefined) return {};
    const parsed = readable(certificate.raw);
    const chain = parsed === undefined ? [] : await issuers.above(parsed, signal);
    return {
      akCertificate: certificate.raw,
      ...(chain.length > 0 && { akCertificateChain: chain.map(({ der }) => der) }),
    };
  }

  /**
   * The attestation service has accepted evidence that carried `certificate`: with `'nv'` a renewed one goes to NV now. A
   * failure is logged, and what was there is put back.
   */
  async accepted(certificate: Buffer): Promise<void> {
    const renewed = this.#renewed;
    if (this.#options.renew !== 'nv' || renewed === undefined || renewed.stored) return;
    if (!renewed.certificate.raw.equals(certificate)) return;
    renewed.stored = true;
    const { tpm, logger } = this.#options;
    try {
      await tpm.nvReplace(AzureTpm.AK_CERTIFICATE, certificate);
      const written = await tpm.nvRead(AzureTpm.AK_CERTIFICATE);
      if (!written.equals(certificate)) throw refused('cannot be read back');
      renewed.replaces = written;
      logger.info('the renewed certificate of the attestation key was written to NV index 0x01C101D0');
    } catch (error) {
      logger.warn(`code ${ErrorCode.AK_CERT_RENEW}: the renewed certificate was not written: ${words(error)}`);
      await this.#restore(renewed.replaces);
    }
  }

  async #restore(contents: Buffer): Promise<void> {
    const { tpm, logger } = this.#options;
    try {
      const now = await tpm.nvReadIfDefined(AzureTpm.AK_CERTIFICATE).catch(() => undefined);
      if (now?.equals(contents)) return;
      await tpm.nvReplace(AzureTpm.AK_CERTIFICATE, contents);
      logger.warn('NV index 0x01C101D0 has its old certificate again');
    } catch (error) {
      logger.error(
        `NV index 0x01C101D0 cannot be restored: ${words(error)}; its contents were ${contents.toString('base64')}`,
      );
    }
  }

  /** A renewed certificate in place of the one in NV, where there is or has to be one. */
  async #replacement(stored: StoredAkCertificate, signal?: AbortSignal): Promise<X509Certificate | undefined> {
    const known = this.#renewed;
    if (known !== undefined) {
      if (known.replaces.equals(stored.contents) && Date.parse(known.certificate.validTo) > Date.now()) {
        return known.certificate;
      }
      this.#renewed = undefined; // NV has another certificate now
    }
    const { certificate } = stored;
    if (certificate === undefined || this.#options.renew === false) return undefined;
    if (daysLeft(certificate) > RENEWAL_DAYS || Date.now() < this.#pausedUntil) return undefined;
    return this.#renew(stored.contents, certificate, signal);
  }

  async #renew(
    contents: Buffer,
    current: X509Certificate,
    signal: AbortSignal | undefined,
  ): Promise<X509Certificate | undefined> {
    const { imds, logger } = this.#options;
    this.#pausedUntil = Number.POSITIVE_INFINITY;
    try {
      await this.#requireOwn(signal);
      logger.info(`the attestation key's certificate expires in ${daysLeft(current)} days and is renewed`);
      const pem = await renewAkCertificate(imds, current.toString(), signal);
      const certificate = await this.#verified(pem, current, signal);
      this.#renewed = { certificate, replaces: contents, stored: false };
      this.#pausedUntil = 0;
      return certificate;
    } catch (error) {
      this.#pausedUntil = signal?.aborted ? 0 : Date.now() + RENEWAL_PAUSE_MS;
      if (signal?.aborted) throw error;
      logger.warn(
        `code ${ErrorCode.AK_CERT_RENEW}: the attestation key's certificate was not renewed: ${words(error)}; the old one is used`,
      );
      return undefined;
    }
  }

  async #requireOwn(signal: AbortSignal | undefined): Promise<void> {
    const index = await this.#options.tpm.nvReadPublic(AzureTpm.AK_CERTIFICATE, { ...(signal && { signal }) });
    if (index !== undefined && (index.attributes & NV_PLATFORM_CREATED) !== 0) {
      throw refused('is not asked for: its index belongs to the platform, which renews it by itself');
    }
  }

  /** A certificate of this very key, by Azure's authority for virtual TPMs, valid now and for longer than the old one. */
  async #verified(pem: string, current: X509Certificate, signal: AbortSignal | undefined): Promise<X509Certificate> {
    const { tpm, issuers, engine } = this.#options;
    let renewed: X509Certificate;
    let parsed: Certificate;
    try {
      renewed = new X509Certificate(pem);
      parsed = parseCertificate(renewed.raw);
    } catch (cause) {
      throw new AttestationError(ErrorCode.AK_CERT_PARSING, 'the renewed certificate cannot be parsed', { cause });
    }
    const key = await tpm.readPublic(AzureTpm.ATTESTATION_KEY, { ...(signal && { signal }) });
    if (!isCertificateOf(renewed, key.publicArea)) throw refused('certifies another key');
    if (Date.parse(renewed.validTo) <= Date.parse(current.validTo))
      throw refused('does not last longer than the old one');
    const chain = await issuers.above(parsed, signal);
    const { roots } = issuers.sources;
    const verdict = await findPath(engine(), parsed, chain, { roots, now: new Date() });
    if ('problem' in verdict) throw refused(`does not lead to Azure's root for virtual TPMs: ${verdict.problem}`);
    return renewed;
  }
}

const NOT_DEFINED = "the attestation key's certificate cannot be read: NV index 0x01C101D0 is not defined";
/** TPM_RC_HANDLE for the first handle: what NV_Read answers for an index that is not defined. */
const RC_NO_SUCH_INDEX = 0x18b;

function readable(der: Uint8Array): Certificate | undefined {
  try {
    return parseCertificate(der);
  } catch {
    return undefined;
  }
}

function isCertificateOf(certificate: X509Certificate, tpm2bPublic: Uint8Array): boolean {
  const { modulus, exponent } = parseTpm2bPublic(tpm2bPublic);
  const e = Buffer.from(exponent.toString(16).padStart(6, '0'), 'hex');
  const key = createPublicKey({
    key: { kty: 'RSA', n: Buffer.from(modulus).toString('base64url'), e: e.toString('base64url') },
    format: 'jwk',
  });
  return certificate.publicKey.equals(key);
}

const daysLeft = (certificate: X509Certificate): number =>
  Math.floor((Date.parse(certificate.validTo) - Date.now()) / DAY_MS);

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const refused = (why: string): AttestationError =>
  new AttestationError(ErrorCode.AK_CERT_RENEW, `the renewed certificate ${why}`);
