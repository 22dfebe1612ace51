import { type Certificate, parseCertificates } from '../abi/x509.js';

/**
 * SHA-256 of the SubjectPublicKeyInfo of the roots that the certificates of Azure's attestation keys chain to. A name says
 * nothing: two families of intermediates, `Global Virtual TPM CA - nn` and `Azure Cloud Virtual TPM CA - nn`, end in it.
 */
export const AZURE_VTPM_ROOT_KEYS: readonly string[] = /* @__PURE__ */ Object.freeze([
  // Azure Virtual TPM Root Certificate Authority 2023, until 2048-06-01
  '5cbc52672ae101263c2976736044a964c1182ce9412c39937183baddcccb8cdf',
]);

/**
 * Trust anchors (RFC 5280 section 6.1.1 d): name, key, validity and constraints of Microsoft's certificates, in the form of
 * certificates that name no issuer and have no signature. Whoever trusts the root's key trusts both.
 *
 * - Azure Virtual TPM Root Certificate Authority 2023
 * - Global Virtual TPM CA - 03, until 2027-04-24: the certificates that it issues do not say where it is found, so that
 *   evidence may come without it
 */
const ANCHORS = `-----BEGIN CERTIFICATE-----
MIIDBTCCAu+gAwIBAgIBADANBgkqhkiG9w0BAQwFADAAMB4XDTIzMDYwMTE4MDg1M1oXDTQ4MDYwMTE4MTU0MVowaTELMAkGA1UEBhMCVVMxHjAcBgNV
BAoTFU1pY3Jvc29mdCBDb3Jwb3JhdGlvbjE6MDgGA1UEAxMxQXp1cmUgVmlydHVhbCBUUE0gUm9vdCBDZXJ0aWZpY2F0ZSBBdXRob3JpdHkgMjAyMzCC
AiIwDQYJKoZIhvcNAQEBBQADggIPADCCAgoCggIBALoMMwvdRJ7+bW00adKE1VemNqJS+268Ure8QcfZXVOsVO22+PL9WRoPnWo0r5dVoomYGbobh4HC
72s9sGY6BGRe+Ui2LMwuWnirBtOjaJ34r1ZieNMcVNJT/dXW5HN/HLlm/gSKlWzqCEx6gFFAQTvyYl/5jYI4Oe05zJ7ojgjK/6ZHXpFysXnyUITJ9qgj
n546IJh/G5OMC3mDfFU7A/GAi+LYaOHSzXj69Lk1vCftNq9DcQHtB7otO0VxFkRLaULcfu/AYHM7FC/Sq6cJb9Au8K/IUhw/5lJSXZawLJwHpcEYzETm
2blad0VHsACaLNucZL5wBi8GEusQ9Wo8W1p1rUCMp89pufxa3Ar9sYZvWeJlvKggWcQVUlhvvIZEnT+fteEvwTdoajl5qSvZbDPGCPjb91rSznoiLq8X
qgQBBFjnEiTL+ViaZmyZPYUsBvBY3lKXB1l2hggahfBIag4j0wcgqlL82SL7pAdGjq0Fou6SKgHnkkrV5CNxUBBVMNCwUoj5mvEjd5mF7XPgfM98qNAB
b2Aqtfl+VuCkU/G1XvFoTqS9AkwbLTGFMS9+jCEU2rw6wnKuGv1Tx9iuSdNvsXt8stx4fkVeJvnFpJeAIwBZVgKRSTa3w3099k0mW8qGiMnwCI5SfdZ2
SJyD4uEmszsnieE6wAWd1tLLg1jvAgMBAAGjIzAhMA4GA1UdDwEB/wQEAwIBhjAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBDAUAAwEA
-----END CERTIFICATE-----
-----BEGIN CERTIFICATE-----
MIIB3TCCAcegAwIBAgIBADANBgkqhkiG9w0BAQwFADAAMB4XDTI1MDQyNDE4MDExN1oXDTI3MDQyNDE4MDExN1owJTEjMCEGA1UEAxMaR2xvYmFsIFZp
cnR1YWwgVFBNIENBIC0gMDMwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQDYGYtis5ka0cxQkhU11jslgX6wzjR/UXQIFdUn8juTUMJl91Vo
kwUPX3WfXeog7mtbWyYWD8SI0BSnchRGlV8u3AhcW61/HetHqmILtD0c75UATi+gsTQnpwKPA/m38MGGyXFETr3xHXjilUPfIhmxO4ImuNJ0R95bZYhx
bLYmOZpVUcj8oz980An8HlIqSzrskQR6NiuEmikHkHc1/CpoNunrr8kQNPF6gxexIrvXsKLUAuUqnNtcQWc/8Er5EN9+TdX6AOjUmKriVGbCInP1m/aC
+DWH/+aJ/8aDpKze6fe7OHh2BL9hxqIsmJAStIh4siRdLYTt8hKGmkdzOWnRAgMBAAGjPzA9MBIGA1UdEwEB/wQIMAYBAf8CAQAwDgYDVR0PAQH/BAQD
AgIEMBcGA1UdJQQQMA4GBWeBBQgBBgVngQUIAzANBgkqhkiG9w0BAQwFAAMBAA==
-----END CERTIFICATE-----`;

let anchors: readonly Certificate[] | undefined;

/** The pinned root of {@link AZURE_VTPM_ROOT_KEYS}, and the authorities below it that cannot be fetched. */
export function azureVtpmAnchors(): readonly Certificate[] {
  anchors ??= parseCertificates(ANCHORS);
  return anchors;
}
