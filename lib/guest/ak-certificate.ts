import { createPublicKey, X509Certificate } from 'node:crypto';
import { parseTpm2bPublic } from '../abi/tpm.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { renewAkCertificate } from '../imds/ak-renewal.js';
import type { Imds } from '../imds/imds.js';
import type { GuestTpm } from '../tpm/tpm.js';
import { AzureTpm } from './azure-tpm.js';
import { tpmCall } from './tpm-failure.js';

const DAY_MS = 86_400_000;
/** A certificate with no more whole days left than this is renewed. */
const RENEWAL_DAYS = 90;
/** After a renewal that failed, the next attestations of this client do not wait for another one. */
const RENEWAL_PAUSE_MS = 10 * 60_000;
/** Issuer of certificates for a key that the platform has not finished provisioning. */
const PROVISIONING_ISSUER = 'MICROSOFT AZURE TRUSTED VM RSA';
/** TPMA_NV_PLATFORMCREATE: the owner cannot undefine such an index (TPM 2.0 Library, part 2, section 13.4). */
const NV_PLATFORM_CREATED = 0x4000_0000;

export interface AkCertificateOptions {
  tpm: GuestTpm;
  imds: Imds;
  logger: Logger;
  /** Whether a certificate near its end is replaced. */
  renew: boolean;
}

/** The certificate of the attestation key: read from NV, and renewed there when it is about to expire. */
export class AkCertificate {
  readonly #options: AkCertificateOptions;
  /** No renewal before this time, which is never while one is under way. */
  #pausedUntil = 0;
  /** What was read last, parsed: it is the same for months. */
  #known: { contents: Buffer; certificate: X509Certificate } | undefined;

  constructor(options: AkCertificateOptions) {
    this.#options = options;
  }

  /**
   * The whole NV index, zero padding included, as the request carries it.
   *
   * A certificate that cannot be parsed or renewed is logged, with its code (31 or 32), and does not stop an attestation.
   *
   * @throws AttestationError 13 when the index cannot be read, 29 when the key's provisioning is not finished.
   */
  async current(signal?: AbortSignal): Promise<Buffer> {
    const { tpm, logger, renew } = this.#options;
    const contents = await tpmCall(
      "the attestation key's certificate cannot be read",
      tpm.nvRead(AzureTpm.AK_CERTIFICATE, { ...(signal && { signal }) }),
      { signal },
    );
    let certificate: X509Certificate;
    try {
      certificate = this.#parsed(contents);
    } catch (error) {
      logger.warn(
        `code ${ErrorCode.AK_CERT_PARSING}: the attestation key's certificate cannot be parsed: ${words(error)}`,
      );
      return contents;
    }
    if (certificate.issuer.split('\n').some((part) => part.startsWith(`CN=${PROVISIONING_ISSUER}`))) {
      throw new AttestationError(
        ErrorCode.AK_CERT_PROVISIONING_FAILED,
        `the attestation key's certificate is issued by ${PROVISIONING_ISSUER}: its provisioning is not finished`,
      );
    }
    if (!renew || daysLeft(certificate) > RENEWAL_DAYS || Date.now() < this.#pausedUntil) return contents;
    return (await this.#renewed(certificate, signal)) ?? contents;
  }

  #parsed(contents: Buffer): X509Certificate {
    if (this.#known === undefined || !this.#known.contents.equals(contents)) {
      this.#known = { contents, certificate: parseDerCertificate(contents) };
    }
    return this.#known.certificate;
  }

  /** The renewed certificate, in NV by then; undefined when that failed. */
  async #renewed(current: X509Certificate, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
    const { imds, logger } = this.#options;
    this.#pausedUntil = Number.POSITIVE_INFINITY;
    try {
      await this.#requireReplaceable(signal);
      logger.info(`the attestation key's certificate expires in ${daysLeft(current)} days and is renewed`);
      const pem = await renewAkCertificate(imds, current.toString(), signal);
      const der = await this.#accepted(pem, current, signal);
      await this.#options.tpm.nvReplace(AzureTpm.AK_CERTIFICATE, der, { ...(signal && { signal }) });
      this.#pausedUntil = 0;
      return der;
    } catch (error) {
      this.#pausedUntil = signal?.aborted ? 0 : Date.now() + RENEWAL_PAUSE_MS;
      if (signal?.aborted) throw error;
      logger.warn(
        `code ${ErrorCode.AK_CERT_RENEW}: the attestation key's certificate was not renewed: ${words(error)}; attesting with the old one`,
      );
      return undefined;
    }
  }

  async #requireReplaceable(signal: AbortSignal | undefined): Promise<void> {
    const index = await this.#options.tpm.nvReadPublic(AzureTpm.AK_CERTIFICATE, { ...(signal && { signal }) });
    if (index !== undefined && (index.attributes & NV_PLATFORM_CREATED) !== 0) {
      throw new AttestationError(
        ErrorCode.AK_CERT_RENEW,
        'its index belongs to the platform, which renews it by itself',
      );
    }
  }

  /** Nothing goes to NV that is not a certificate of this very key, valid now and for longer than the old one. */
  async #accepted(pem: string, current: X509Certificate, signal: AbortSignal | undefined): Promise<Buffer> {
    let renewed: X509Certificate;
    try {
      renewed = new X509Certificate(pem);
    } catch (cause) {
      throw new AttestationError(ErrorCode.AK_CERT_PARSING, 'the renewed certificate cannot be parsed', { cause });
    }
    const key = await this.#options.tpm.readPublic(AzureTpm.ATTESTATION_KEY, { ...(signal && { signal }) });
    if (!isCertificateOf(renewed, key.publicArea)) throw refused('certifies another key');
    if (Date.parse(renewed.validFrom) > Date.now()) throw refused('is not valid yet');
    if (Date.parse(renewed.validTo) <= Date.parse(current.validTo))
      throw refused('does not last longer than the old one');
    return renewed.raw;
  }
}

/** A DER certificate out of an NV index that may be longer than it. */
export function parseDerCertificate(contents: Uint8Array): X509Certificate {
  return new X509Certificate(contents.subarray(0, derLength(contents)));
}

/** Bytes of the DER SEQUENCE at the head of `bytes`. */
function derLength(bytes: Uint8Array): number {
  const [tag = 0, first = 0] = bytes;
  const octets = first < 0x80 ? 0 : first & 0x7f;
  if (tag !== 0x30 || first === 0x80 || octets > 3) throw new RangeError('no DER certificate');
  let length = octets === 0 ? first : 0;
  for (const byte of bytes.subarray(2, 2 + octets)) length = length * 256 + byte;
  if (2 + octets + length > bytes.length) throw new RangeError('the certificate is cut short');
  return 2 + octets + length;
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
