"""tpm2-pytss as a guest: reads the HCL report and the PCRs, has the attestation key quote, and decrypts in a key of its own.

With a third argument it stops once the key is loaded, and waits to be killed.
"""

import base64
import json
import sys
import time

from tpm2_pytss import (
    ESAPI,
    ESYS_TR,
    TPM2_ALG,
    TPM2B_DATA,
    TPM2B_PUBLIC,
    TPM2B_PUBLIC_KEY_RSA,
    TPM2B_SENSITIVE_CREATE,
    TPML_PCR_SELECTION,
    TPMT_RSA_DECRYPT,
    TPMT_SIG_SCHEME,
)

tcti, nonce, *hold = sys.argv[1:]
with ESAPI(tcti) as tpm:
    index = tpm.tr_from_tpmpublic(0x01400001)
    size = tpm.nv_read_public(index)[0].nvPublic.dataSize
    report = b"".join(
        bytes(tpm.nv_read(index, min(1024, size - offset), offset, ESYS_TR.OWNER)) for offset in range(0, size, 1024)
    )
    key = tpm.tr_from_tpmpublic(0x81000003)
    scheme = TPMT_SIG_SCHEME(scheme=TPM2_ALG.NULL)
    message, signature = tpm.quote(key, TPML_PCR_SELECTION.parse("sha256:0,1,2,3,4,5,6,7"), nonce.encode(), scheme)
    public = TPM2B_PUBLIC.parse("rsa2048:oaep", objectAttributes="userwithauth|decrypt|sensitivedataorigin|noda")
    primary = tpm.create_primary(TPM2B_SENSITIVE_CREATE(), public, ESYS_TR.NULL)[0]
    if hold:
        print("holding", flush=True)
        time.sleep(600)
    ciphertext = tpm.rsa_encrypt(primary, b"a content key", TPMT_RSA_DECRYPT(scheme=TPM2_ALG.NULL))
    plaintext = tpm.rsa_decrypt(primary, ciphertext, TPMT_RSA_DECRYPT(scheme=TPM2_ALG.NULL))
    print(
        json.dumps(
            {
                "report": base64.b64encode(report).decode(),
                "message": base64.b64encode(bytes(message)).decode(),
                "signature": base64.b64encode(bytes(signature.signature.rsassa.sig)).decode(),
                "decrypted": bytes(plaintext).decode(),
            }
        )
    )
