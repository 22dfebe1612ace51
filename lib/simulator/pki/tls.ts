import { randomBytes } from 'node:crypto';
import {
  basicConstraints,
  type Certificate,
  issueCertificate,
  keyUsage,
  subjectAlternativeName,
  subjectKeyIdentifier,
} from './certificate.js';
import { freshP256KeyPair } from './key-pool.js';

const oneDayMs = 24 * 3600 * 1000;

export interface LoopbackTlsOptions {
  /** DNS names in the certificate. Default `localhost`; anything else makes a certificate for another host. */
  dnsNames?: string[];
  notAfter?: Date;
}

/** TLS credentials of a server on the loopback interface. */
export interface LoopbackTls {
  /** The authority that a client has to trust. */
  ca: Certificate;
  certificate: Certificate;
  /** PKCS#8 PEM. */
  privateKeyPem: string;
}

/** Makes an authority and a certificate for `localhost` and 127.0.0.1 by it. */
export async function createLoopbackTls(options: LoopbackTlsOptions = {}): Promise<LoopbackTls> {
  const [caKeys, keys] = await Promise.all([freshP256KeyPair(), freshP256KeyPair()]);
  const issuer = { CN: 'Simulated TLS CA' };
  const validity = {
    notBefore: new Date(Date.now() - oneDayMs),
    notAfter: options.notAfter ?? new Date(Date.now() + 30 * oneDayMs),
    signingKey: caKeys.privateKey,
    signatureAlgorithm: 'ecdsa-sha256',
    issuer,
  } as const;
  const ca = issueCertificate({
    ...validity,
    subject: issuer,
    publicKey: caKeys.publicKey,
    serialNumber: randomBytes(19),
    extensions: [basicConstraints(true), keyUsage('keyCertSign'), subjectKeyIdentifier(caKeys.publicKey)],
  });
  const dnsNames = options.dnsNames ?? ['localhost'];
  const certificate = issueCertificate({
    ...validity,
    subject: { CN: dnsNames[0] ?? 'localhost' },
    publicKey: keys.publicKey,
    serialNumber: randomBytes(19),
    extensions: [
      basicConstraints(false),
      keyUsage('digitalSignature'),
      subjectAlternativeName(dnsNames, options.dnsNames ? [] : ['127.0.0.1']),
    ],
  });
  return { ca, certificate, privateKeyPem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
}
