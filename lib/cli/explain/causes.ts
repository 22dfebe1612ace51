/** What usually causes a failure, where that is not clear from what it means. By number or `ERR_…`. */
const CAUSES: Readonly<Record<string, string>> = {
  1: 'The `ca` option holds no certificate in PEM, or one that is damaged.',
  2: "AMD's key service answered with something that is not the certificate asked for: a captive portal, a proxy, an outage.",
  3: 'The VM has no managed identity, or the credential that was given yields no token.',
  4: 'The attestation service answered 408, 429 or 5xx, or instance metadata also 404 or 410, until the repetitions were over. Metadata is away for up to 70 s while the platform updates it.',
  5: '401, 403, 404 or a redirect: a wrong address, a private provider that does not admit this network, a proxy that wants a password.',
  6: 'Secure boot off, an event log that does not match the PCRs, an expired AK certificate, or a policy of the provider that this VM does not meet.',
  7: 'The name does not resolve, the port is closed, TLS is not trusted, a proxy is in the way, or it took too long. For instance metadata: this is not an Azure VM, or a container without a route to 169.254.169.254.',
  8: 'A misspelt option, a value of the wrong type, an option that is `undefined` (its value got lost), a promise without await, a closed client.',
  9: 'os-release without a name, a report without runtime data, an event log of more than 4 MiB, a TD quote that is not of this machine, isolation by VBS.',
  10: 'The result of an encryption or decryption does not fit into the memory that is left.',
  11: '/etc/os-release is missing, not readable, or has no NAME: minimal container images.',
  12: 'The client was closed during the call, more than 512 bytes were given as one RSA block, or the native addon is missing for this platform.',
  13: 'There is no TPM device, no permission to open it, an NV index or key is missing, or another program holds the TPM’s slots. `tpmErrorCode` says which.',
  14: 'The answer of the attestation service has no token in it, or one that this TPM’s key does not open.',
  15: 'A PCR changed, or the machine restarted, between collecting evidence and opening the token.',
  16: 'Something other than the metadata service answered, mostly a proxy or a captive portal.',
  17: 'The metadata service has no certificate of this chip yet, as minutes after a start or a firmware update.',
  18: 'The metadata service or AMD’s key service is being updated.',
  19: 'It cannot happen here.',
  20: 'The bytes are cut off, changed, or something else than a report, certificate or evidence.',
  21: 'The vTPM holds no report, or nothing was read.',
  22: 'A token of another kind, cut off, or with the word Bearer before it; not three parts.',
  23: 'A platform token, or the token of another service.',
  24: 'A misspelt scheme or hash.',
  25: 'One RSA block takes 190 bytes with OAEP and SHA-256.',
  26: 'The VM restarted or a PCR among 0 to 7 changed since the token was made, the data is for another VM, was changed, or has other additional data; or there is no TPM.',
  27: 'The address is blank, or only “https://”.',
  28: 'The address is that of another web server, or of a proxy’s login page.',
  29: 'The VM was created moments ago, or its platform could not get a certificate for the vTPM.',
  30: 'The host’s quoting service is being updated, or the machine is not a TDX guest.',
  31: 'The AK certificate’s NV index holds no certificate. It is logged, never thrown.',
  32: 'Instance metadata did not answer, or with a certificate of another key or authority. It is logged, never thrown.',

  ERR_NOT_CHECKED: 'It depends on a check that failed.',
  ERR_ARK_NOT_TRUSTED: 'A simulated machine, a chain of another product, or an attacker’s.',
  ERR_ROOT_NOT_TRUSTED: 'A simulated machine, or an attacker’s chain.',
  ERR_CERTIFICATE_MISSING: 'Evidence was collected without certificates, or ASK and ARK were not given.',
  ERR_CERTIFICATE_EXPIRED: 'Old evidence, a wrong clock, or a certificate that was cached for too long.',
  ERR_HWID_MISMATCH:
    'The VM moved to another host after the certificate was cached, or report and certificate are of two machines.',
  ERR_TCB_MISMATCH: 'The host’s firmware was updated after the certificate was issued.',
  ERR_CRL_EXPIRED: 'A cached list, or a wrong clock.',
  ERR_PARAVISOR:
    'A policy without launch measurement or ID key, a paravisor newer than this package, a machine outside of Azure, or a confidential container.',
  ERR_QUOTE_NONCE:
    'Evidence of an earlier challenge, a nonce in another encoding, or a context that was given to one side only.',
  ERR_PCR_DIGEST: 'A PCR changed while evidence was collected by another tool, or values were edited.',
  ERR_EVENT_LOG: 'Something was measured after boot, the log is of another boot, was cut off, or edited.',
  ERR_USER_DATA: 'The guest was given other user data, or the report is from before.',
  ERR_POLICY: 'An update of paravisor, firmware or boot loader, debugging that is allowed, or an old TCB.',
  ERR_AK: 'The attestation key was replaced (CVE-2025-49707), or claims and certificate are of two machines.',
  ERR_COLLATERAL_MISSING: 'Collateral is never fetched by a verifier on its own.',
  ERR_TCB_NOT_SUPPORTED: 'Many of Azure’s machines run a SEAMLDR older than Intel’s lowest TCB level.',
  ERR_TOKEN_ISSUER: 'The region’s shared provider was configured and the guest attested with another one.',
  ERR_TOKEN_EXPIRED: 'Tokens live for eight hours; also a clock that is ahead.',
  ERR_TOKEN_FORMAT: 'The word Bearer before the token, a promise without await, an encrypted envelope, a cut-off copy.',
  ERR_TOKEN_KEYS_UNAVAILABLE:
    'No network, a proxy, TLS that is not trusted, or an issuer that is down. Says nothing about the token.',
  ERR_TOKEN_KEY_UNKNOWN: 'The issuer has replaced its keys, or never made this token.',
  ERR_TOKEN_NONCE: 'A token of an earlier challenge, or a nonce that was given to the guest in another encoding.',
  ERR_TOKEN_ATTESTATION_TYPE: 'A platform token where a guest’s is expected: anybody can have one with any nonce.',
  ERR_TOKEN_COMPLIANCE:
    'A custom provider whose policy does not issue x-ms-compliance-status, or a VM that is not an Azure CVM.',
  ERR_TOKEN_SECURE_BOOT: 'Secure boot is off, or the provider’s policy does not issue the claim.',
  ERR_RELEASE_REFUSED:
    'The release policy names another attestation service or other claims than the token has, or the identity may not release.',
  ERR_RELEASE_CHAIN: 'Something between here and the vault ends TLS, or the address is of another service.',
  ERR_CHALLENGE_MAC: 'Replicas with different secrets, or a challenge of another server or context.',
  ERR_CHALLENGE_USED: 'A request that was sent twice, or a replay.',
  ERR_STORE_RESTARTED: 'What the store knew of used challenges is gone with its restart.',
};

/** Families of codes whose members name one cause each in their message. */
const MEANINGS: Readonly<Record<string, string>> = {
  ERR_CHANNEL: 'The attested channel was not established, or was closed; the message says why.',
  ERR_KBS: 'The key broker and its client did not come to terms; the message says why.',
  ERR_RATE: 'The server got more requests from this peer than it takes.',
  ERR_BUSY: 'The server does as much at the same time as it may.',
  ERR_COLLATERAL_UNAVAILABLE: 'The service could not fetch collateral; says nothing about the evidence.',
  ERR_CRL_UNAVAILABLE: 'The service could not fetch AMD’s revocation list; says nothing about the evidence.',
  ERR_CLOSING: 'The server is being stopped.',
  ERR_WORKER_ENDED: 'The thread that verifies evidence has ended; it is started again.',
  ERR_METHOD: 'The server takes no request with this method.',
  ERR_NOT_FOUND: 'The server has nothing at this path.',
  ERR_REQUEST: 'The server cannot read the request.',
  ERR_REQUEST_TOO_LARGE: 'The request is longer than the server reads.',
  ERR_PACKAGE_MISSING: 'A package that this needs and does not bring along is not installed.',
  ERR_EVIDENCE: 'The evidence cannot be read, or was refused.',
  ERR_STORE: 'The replay store cannot be relied on, so nobody is let in.',
  ERR_INPUT_EMPTY: 'An input of the command is empty.',
  ERR_INPUT_ENCODING: 'An input of the command is not UTF-8.',
  ERR_INPUT_FORMAT: 'The command cannot tell what its input is.',
  ERR_INPUT_JSON: 'An input of the command is not JSON.',
  ERR_INPUT_KEYS: 'What was given as keys is not a JSON Web Key Set.',
  ERR_INPUT_SIZE: 'An input of the command is longer than is read.',
  ERR_FILE: 'A file cannot be read or written.',
  ERR_SPAWN: 'A program cannot be started.',
  ERR_DEMO: 'A step of the demonstration went another way than it must.',
  ERR_INTERNAL: 'Something failed that has no code of its own.',
};

export const causeOf = (code: number | string): string | undefined =>
  Object.hasOwn(CAUSES, code) ? CAUSES[code] : undefined;

/** The sentence for a code that no table of the library has. */
export function familyMeaning(code: string): string | undefined {
  if (Object.hasOwn(MEANINGS, code)) return MEANINGS[code];
  const family = ['ERR_CHANNEL', 'ERR_KBS', 'ERR_STORE'].find((prefix) => code.startsWith(`${prefix}_`));
  return family === undefined ? undefined : MEANINGS[family];
}
