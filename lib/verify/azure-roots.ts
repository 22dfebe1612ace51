import { DerReader } from '../abi/der.js';
import { CRL_SIGN, DIGITAL_SIGNATURE, KEY_CERT_SIGN } from '../abi/x509-extensions.js';
import { type DistinguishedName, readName } from '../abi/x509-name.js';
import { decodeBase64url } from '../base/base64url.js';
import { utf8Bytes } from '../base/bytes.js';
import type { Authority } from './path.js';

/**
 * SHA-256 of the SubjectPublicKeyInfo of the roots that the certificates of Azure's attestation keys chain to. A name says
 * nothing: two families of intermediates, `Global Virtual TPM CA - nn` and `Azure Cloud Virtual TPM CA - nn`, end in it.
 */
export const AZURE_VTPM_ROOT_KEYS: readonly string[] = /* @__PURE__ */ Object.freeze([
  // Azure Virtual TPM Root Certificate Authority 2023, until 2048-06-01
  '5cbc52672ae101263c2976736044a964c1182ce9412c39937183baddcccb8cdf',
]);

let anchors: readonly Authority[] | undefined;

/**
 * Trust anchors (RFC 5280 section 6.1.1 d): what Microsoft's certificates say of the pinned root of
 * {@link AZURE_VTPM_ROOT_KEYS}, and of an authority below it whose certificate cannot be fetched: those that it issues do not
 * say where it is, so that evidence may come without it. Whoever trusts the root's key trusts both.
 */
export function azureVtpmAnchors(): readonly Authority[] {
  anchors ??= [
    {
      subject: nameOf(
        [COUNTRY, 'US'],
        [ORGANIZATION, 'Microsoft Corporation'],
        [COMMON_NAME, 'Azure Virtual TPM Root Certificate Authority 2023'],
      ),
      basicConstraints: { ca: true },
      keyUsage: DIGITAL_SIGNATURE | KEY_CERT_SIGN | CRL_SIGN,
      ...anchor('2023-06-01T18:08:53Z', '2048-06-01T18:15:41Z', ROOT_MODULUS),
    },
    {
      subject: nameOf([COMMON_NAME, 'Global Virtual TPM CA - 03']),
      basicConstraints: { ca: true, pathLength: 0 },
      keyUsage: KEY_CERT_SIGN,
      extendedKeyUsage: ['2.23.133.8.1', '2.23.133.8.3'],
      ...anchor('2025-04-24T18:01:17Z', '2027-04-24T18:01:17Z', GLOBAL_03_MODULUS),
    },
  ];
  return anchors;
}

const ROOT_MODULUS =
  'ugwzC91Env5tbTRp0oTVV6Y2olL7brxSt7xBx9ldU6xU7bb48v1ZGg-dajSvl1WiiZgZuhuHgcLvaz2wZjoEZF75SLYszC5aeKsG06Nonfiv' +
  'VmJ40xxU0lP91dbkc38cuWb-BIqVbOoITHqAUUBBO_JiX_mNgjg57TnMnuiOCMr_pkdekXKxefJQhMn2qCOfnjogmH8bk4wLeYN8VTsD8YCL' +
  '4tho4dLNePr0uTW8J-02r0NxAe0Hui07RXEWREtpQtx-78BgczsUL9Krpwlv0C7wr8hSHD_mUlJdlrAsnAelwRjMRObZuVp3RUewAJos25xk' +
  'vnAGLwYS6xD1ajxbWnWtQIynz2m5_FrcCv2xhm9Z4mW8qCBZxBVSWG-8hkSdP5-14S_BN2hqOXmpK9lsM8YI-Nv3WtLOeiIurxeqBAEEWOcS' +
  'JMv5WJpmbJk9hSwG8FjeUpcHWXaGCBqF8EhqDiPTByCqUvzZIvukB0aOrQWi7pIqAeeSStXkI3FQEFUw0LBSiPma8SN3mYXtc-B8z3yo0AFv' +
  'YCq1-X5W4KRT8bVe8WhOpL0CTBstMYUxL36MIRTavDrCcq4a_VPH2K5J02-xe3yy3Hh-RV4m-cWkl4AjAFlWApFJNrfDfT32TSZbyoaIyfAI' +
  'jlJ91nZInIPi4SazOyeJ4TrABZ3W0suDWO8';

const GLOBAL_03_MODULUS =
  '2BmLYrOZGtHMUJIVNdY7JYF-sM40f1F0CBXVJ_I7k1DCZfdVaJMFD191n13qIO5rW1smFg_EiNAUp3IURpVfLtwIXFutfx3rR6piC7Q9HO-V' +
  'AE4voLE0J6cCjwP5t_DBhslxRE698R144pVD3yIZsTuCJrjSdEfeW2WIcWy2JjmaVVHI_KM_fNAJ_B5SKks67JEEejYrhJopB5B3NfwqaDbp' +
  '66_JEDTxeoMXsSK717Ci1ALlKpzbXEFnP_BK-RDffk3V-gDo1Jiq4lRmwiJz9Zv2gvg1h__mif_Gg6Ss3un3uzh4dgS_YcaiLJiQErSIeLIk' +
  'XS2E7fIShppHczlp0Q';

function anchor(notBefore: string, notAfter: string, modulus: string): Omit<Authority, 'subject'> {
  const n = decodeBase64url(modulus) as Uint8Array;
  return {
    der: new Uint8Array(),
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    publicKey: { type: 'rsa', n, e: Uint8Array.of(1, 0, 1) },
    extensions: new Map(),
    unknownCritical: [],
  };
}

/** Last arcs of id-at (2.5.4). */
const COMMON_NAME = 3;
const COUNTRY = 6;
const ORGANIZATION = 10;

/** A name of short PrintableStrings, each in a SET of its own. */
function nameOf(...attributes: (readonly [arc: number, text: string])[]): DistinguishedName {
  const sets = attributes.flatMap(([arc, text]) => {
    const { length } = text;
    return [0x31, length + 9, 0x30, length + 7, 0x06, 3, 0x55, 0x04, arc, 0x13, length, ...utf8Bytes(text)];
  });
  return readName(new DerReader(Uint8Array.of(0x30, sets.length, ...sets), 'name'));
}
