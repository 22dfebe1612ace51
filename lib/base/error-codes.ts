/** The documented error codes, once, as data: number, name and the documented sentence. */
const TABLE = [
  [1, 'CURL_INITIALIZATION', 'Error initializing failure.'],
  [2, 'RESPONSE_PARSING', 'Error parsing response.'],
  [3, 'MSI_TOKEN_NOT_FOUND', 'Managed identities for Azure resources token not found.'],
  [4, 'HTTP_REQUEST_EXCEEDED_RETRIES', 'Request exceeded retries.'],
  [5, 'HTTP_REQUEST_FAILED', 'Request failed.'],
  [6, 'ATTESTATION_FAILED', 'Attestation failed.'],
  [7, 'SENDING_CURL_REQUEST_FAILED', 'Send request failed.'],
  [8, 'INVALID_INPUT_PARAMETER', 'Invalid input parameter.'],
  [9, 'ATTESTATION_PARAMETERS_VALIDATION_FAILED', 'Attestation parameters validation failed.'],
  [10, 'FAILED_MEMORY_ALLOCATION', 'Memory allocation failed.'],
  [11, 'FAILED_TO_GET_OS_INFO', 'Failed to get operating system (OS) information.'],
  [12, 'TPM_INTERNAL_FAILURE', 'TPM internal failure.'],
  [13, 'TPM_OPERATION_FAILURE', 'TPM operation failed.'],
  [14, 'JWT_DECRYPTION_FAILED', 'JSON web token decryption failed.'],
  [15, 'JWT_DECRYPTION_TPM_ERROR', 'JSON web token decryption TPM error.'],
  [16, 'INVALID_JSON_RESPONSE', 'Invalid JSON response.'],
  [17, 'EMPTY_VCEK_CERT', 'Empty Versioned Chip Endorsement Key (VCEK) certificate.'],
  [18, 'EMPTY_RESPONSE', 'Empty response.'],
  [19, 'EMPTY_REQUEST_BODY', 'Empty request body.'],
  [20, 'HCL_REPORT_PARSING_FAILURE', 'Report parsing failure.'],
  [21, 'HCL_REPORT_EMPTY', 'Report empty.'],
  [22, 'EXTRACTING_JWK_INFO', 'Error extracting JSON web token information.'],
  [23, 'CONVERTING_JWK_TO_RSA_PUB', 'Error converting JSON web token to RSA public key.'],
  [24, 'EVP_PKEY_ENCRYPT_INIT_FAILED', 'EVP_PKEY encryption initialization failed.'],
  [25, 'EVP_PKEY_ENCRYPT_FAILED', 'EVP_PKEY encryption failed.'],
  [26, 'DATA_DECRYPTION_TPM_ERROR', 'Data decryption TPM error.'],
  [27, 'PARSING_DNS_INFO', 'Error parsing DNS info.'],
  // From the reference library's newer versions; the documentation ends at 27.
  [28, 'PARSING_ATTESTATION_RESPONSE', 'Error parsing the attestation response.'],
  [29, 'AK_CERT_PROVISIONING_FAILED', 'Attestation key certificate provisioning failed.'],
  [30, 'EMPTY_TD_QUOTE', 'Empty TD quote.'],
  [31, 'AK_CERT_PARSING', 'Error parsing the attestation key certificate.'],
  [32, 'AK_CERT_RENEW', 'Error renewing the attestation key certificate.'],
] as const;

type Row = (typeof TABLE)[number];

/** Name of an error code, for instance `'INVALID_INPUT_PARAMETER'`. */
export type ErrorCodeName = Row[1];
/** An error code: 1–27 as documented for the guest attestation library, 28–32 as in its newer versions. */
export type ErrorCode = Row[0];

/**
 * The error codes by name. The reference library's enum holds the negative of each.
 *
 * Source: guest attestation for confidential VMs, "Error codes".
 */
export const ErrorCode = /* @__PURE__ */ Object.freeze(
  /* @__PURE__ */ Object.fromEntries(/* @__PURE__ */ TABLE.map(([code, name]) => [name, code])),
) as {
  readonly [Name in ErrorCodeName]: Extract<Row, readonly [number, Name, string]>[0];
};

const BY_CODE = /* @__PURE__ */ new Map<number, Row>(/* @__PURE__ */ TABLE.map((row) => [row[0], row]));

/** Name and documented sentence of a code. */
export function describeErrorCode(code: ErrorCode): { codeName: ErrorCodeName; description: string } {
  const row = BY_CODE.get(code);
  if (row === undefined) throw new RangeError(`unknown error code ${code}`);
  return { codeName: row[1], description: row[2] };
}
