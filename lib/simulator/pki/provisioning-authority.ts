import { type KeyObject, randomBytes } from 'node:crypto';
import {
  authorityKeyIdentifier,
  basicConstraints,
  type Certificate,
  type DistinguishedName,
  issueCertificate,
  keyUsage,
  subjectKeyIdentifier,
} from './certificate.js';
import { type KeyPair, pooledRsaKeyPair } from './key-pool.js';

const oneDayMs = 24 * 3600 * 1000;

const names = {
  root: { CN: 'Simulated Cloud Root CA', O: 'Simulated Azure' },
  issuer: { CN: 'Simulated Cloud Provisioning CA', O: 'Simulated Azure' },
} as const;

/** Signs the secrets that are provisioned to confidential VMs: root, intermediate, provisioning service (key-release.md 2.4). */
export class ProvisioningAuthority {
  readonly root: Certificate;
  readonly intermediate: Certificate;
  readonly #keys: Record<'root' | 'issuer' | 'service', KeyPair>;

  private constructor(keys: Record<'root' | 'issuer' | 'service', KeyPair>) {
    this.#keys = keys;
    this.root = this.#issue(names.root, keys.root.publicKey, names.root, keys.root, true);
    this.intermediate = this.#issue(names.issuer, keys.issuer.publicKey, names.root, keys.root, true);
  }

  /** @param name authorities of different names have different keys */
  static async create(name = 'default'): Promise<ProvisioningAuthority> {
    const [root, issuer, service] = await Promise.all(
      (['root', 'issuer', 'service'] as const).map((role) => pooledRsaKeyPair(`${name}-provisioning-${role}`, 2048)),
    );
    return new ProvisioningAuthority({ root, issuer, service } as Record<'root' | 'issuer' | 'service', KeyPair>);
  }

  /** Key of the provisioning service. */
  get signingKey(): KeyObject {
    return this.#keys.service.privateKey;
  }

  /** Certificate of the provisioning service; a name that does not end as Azure's makes one that must be refused. */
  serviceCertificate(commonName = 'simulated.SecureCPSProvisioning.cloudapp.net'): Certificate {
    return this.#issue({ CN: commonName }, this.#keys.service.publicKey, names.issuer, this.#keys.issuer, false);
  }

  #issue(
    subject: DistinguishedName,
    publicKey: KeyObject,
    issuer: DistinguishedName,
    issuerKeys: KeyPair,
    authority: boolean,
  ): Certificate {
    return issueCertificate({
      subject,
      issuer,
      publicKey,
      signingKey: issuerKeys.privateKey,
      signatureAlgorithm: 'rsa-sha256',
      serialNumber: randomBytes(19),
      notBefore: new Date(Date.now() - 365 * oneDayMs),
      notAfter: new Date(Date.now() + (authority ? 3650 : 365) * oneDayMs),
      extensions: [
        basicConstraints(authority),
        authority ? keyUsage('keyCertSign', 'cRLSign') : keyUsage('digitalSignature'),
        subjectKeyIdentifier(publicKey),
        authorityKeyIdentifier(issuerKeys.publicKey),
      ],
    });
  }
}
