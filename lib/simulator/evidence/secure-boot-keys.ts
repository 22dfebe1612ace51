import { createHash } from 'node:crypto';

/**
 * What the secure boot variables of a simulated machine hold: real certificates, because verifiers of event logs parse them.
 * Nobody has their keys.
 */
const certificates = {
  platformKey: [
    'MIIBmjCCAT+gAwIBAgIUekSwufC43DRdJckMtuiwNPzvn6YwCgYIKoZIzj0EAwIwITEfMB0GA1UEAwwWU2ltdWxhdGVkIFBsYXRmb3JtIEtl',
    'eTAgFw0yNjExMjYwNDE0NDhaGA8yMTI2MTEwMjA0MTQ0OFowITEfMB0GA1UEAwwWU2ltdWxhdGVkIFBsYXRmb3JtIEtleTBZMBMGByqGSM49',
    'AgEGCCqGSM49AwEHA0IABFtXwttm+zwewrii+psm+YstpKMg6M3vog//NLseYVaMBMxJuVlkpiwFIPY29/70odjrMnqB8BKyvUJBbRMqzA2j',
    'UzBRMB0GA1UdDgQWBBR4IPBvzNZPDxSCu7KA1drQUx3jZzAfBgNVHSMEGDAWgBR4IPBvzNZPDxSCu7KA1drQUx3jZzAPBgNVHRMBAf8EBTAD',
    'AQH/MAoGCCqGSM49BAMCA0kAMEYCIQC57vUo74maDYOCTxAqxwGfnzFBluBoL60NoPTZHrbntAIhAPNlmqOQABH9qO3FOxJ9SUA/yBTbNEHZ',
    'tF8MqHQdBAR4',
  ].join(''),
  imageAuthority: [
    'MIIBjjCCATWgAwIBAgIUEKVlBiMGcfikydgVv7WWlFZFaWIwCgYIKoZIzj0EAwIwHDEaMBgGA1UEAwwRU2ltdWxhdGVkIFVFRkkgQ0EwIBcN',
    'MjYxMTI2MDQxNDQ4WhgPMjEyNjExMDIwNDE0NDhaMBwxGjAYBgNVBAMMEVNpbXVsYXRlZCBVRUZJIENBMFkwEwYHKoZIzj0CAQYIKoZIzj0D',
    'AQcDQgAEwH8jyRmUPZCjbuvxImEUAFJ/xQKyrXzft+h7QjR86NnJWWixZBDvCt8quW0tFT/z0yojRxPx3Rh52QQAiwYZ0aNTMFEwHQYDVR0O',
    'BBYEFEQSZQwn4i1NFO7GpLHnkuuCYKV4MB8GA1UdIwQYMBaAFEQSZQwn4i1NFO7GpLHnkuuCYKV4MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZI',
    'zj0EAwIDRwAwRAIgUGTuzENrLeSdBHD/9x8RE1smfyVZyK3q+/ToEAiRo98CIEVlMkzOR6W5btIhBE2ZIOC4BE7PNnwDhTLVpD2oRlNu',
  ].join(''),
};

/** EFI_CERT_X509_GUID and EFI_CERT_SHA256_GUID. */
const signatureTypes = { x509: 'a159c0a5e494a74a87b5ab155c2bf072', sha256: '2616c4c14c509240aca941f936934328' };

const owner = createHash('sha256').update('simulated owner').digest().subarray(0, 16);

/** EFI_SIGNATURE_DATA: owner and content. */
const signatureData = (content: Buffer): Buffer => Buffer.concat([owner, content]);

/** EFI_SIGNATURE_LIST with one entry. */
function signatureList(type: keyof typeof signatureTypes, content: Buffer): Buffer {
  const signature = signatureData(content);
  const header = Buffer.alloc(28);
  Buffer.from(signatureTypes[type], 'hex').copy(header);
  header.writeUInt32LE(header.length + signature.length, 16);
  header.writeUInt32LE(signature.length, 24);
  return Buffer.concat([header, signature]);
}

const platformKey = Buffer.from(certificates.platformKey, 'base64');
const imageAuthority = Buffer.from(certificates.imageAuthority, 'base64');

/** Values of the variables. */
export const secureBootVariables = {
  PK: signatureList('x509', platformKey),
  KEK: signatureList('x509', platformKey),
  db: signatureList('x509', imageAuthority),
  dbx: signatureList('sha256', createHash('sha256').update('a simulated image that must not start').digest()),
};

/** The entry of db that an image was verified with, as firmware measures it: without the list around it. */
export const verifyingAuthority = signatureData(imageAuthority);
