"""Witnesses that nobody of this project wrote: pyca/cryptography checks signatures and chains and does C2SP chunked encryption,
joserfc opens and makes JWEs, Microsoft's SDK asks the attestation service for its keys and checks its tokens.

One JSON object a line on stdin and stdout.
"""

import base64
import json
import sys

from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.security.attestation import AttestationClient, AttestationToken
from cryptography import x509
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from joserfc import jwe
from joserfc.jwk import RSAKey


def b64(text):
    return base64.b64decode(text)


def check_issued(certificate, issuer):
    """Signature, issuer's name and AMD's RSASSA-PSS with SHA-384."""
    certificate.verify_directly_issued_by(issuer)


def snp(request):
    report = b64(request["report"])
    vcek, ask, ark = (x509.load_der_x509_certificate(b64(request[name])) for name in ("vcek", "ask", "ark"))
    check_issued(ark, ark)
    check_issued(ask, ark)
    check_issued(vcek, ask)
    r, s = (int.from_bytes(report[start : start + 72], "little") for start in (0x2A0, 0x2E8))
    signature = utils.encode_dss_signature(r, s)
    vcek.public_key().verify(signature, report[:0x2A0], ec.ECDSA(hashes.SHA384()))


def quote(request):
    """The TPM's quote by the key of the AK certificate, up to the given root."""
    chain = [x509.load_der_x509_certificate(b64(der)) for der in request["chain"]]
    for certificate, issuer in zip(chain, chain[1:]):
        check_issued(certificate, issuer)
    chain[0].public_key().verify(
        b64(request["signature"]), b64(request["message"]), padding.PKCS1v15(), hashes.SHA256()
    )


def td_quote(request):
    """The four signatures of a TD quote of version 4."""
    data = b64(request["quote"])
    signed, rest = data[:632], data[636:]
    signature, key, certification = rest[:64], rest[64:128], rest[134:]
    point = ec.EllipticCurvePublicNumbers(
        int.from_bytes(key[:32], "big"), int.from_bytes(key[32:], "big"), ec.SECP256R1()
    ).public_key()
    verify_raw(point, signature, signed)
    size = int.from_bytes(certification[448:450], "little")
    pem = certification[450 + size + 6 :].split(b"\0")[0]
    leaf, authority, root = x509.load_pem_x509_certificates(pem)
    check_issued(root, root)
    check_issued(authority, root)
    check_issued(leaf, authority)
    verify_raw(leaf.public_key(), certification[384:448], certification[:384])
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key + certification[450 : 450 + size])
    if certification[320:384] != digest.finalize() + bytes(32):
        raise ValueError("the quoting enclave is not bound to the attestation key")


def verify_raw(key, signature, data):
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))


def jwe_encrypt(request):
    key = RSAKey.import_key(request["key"])
    protected = {"alg": request["alg"], "enc": "A256GCM"}
    return {"jwe": jwe.encrypt_compact(protected, b64(request["plaintext"]), key, algorithms=[request["alg"], "A256GCM"])}


def jwe_decrypt(request):
    key = RSAKey.import_key(request["key"])
    # The header names the thumbprint of the key (jkt), which is in no registry.
    registry = jwe.JWERegistry(algorithms=[request["alg"], "A256GCM"], strict_check_header=False)
    opened = jwe.decrypt_compact(request["jwe"], key, registry=registry)
    return {"plaintext": base64.b64encode(opened.plaintext).decode()}


def stream_seal(request):
    encryptor = Cobblestone256Encryptor(b64(request["key"]), b64(request["context"]))
    return {"ciphertext": base64.b64encode(encryptor.update(b64(request["plaintext"])) + encryptor.finalize()).decode()}


def stream_open(request):
    decryptor = Cobblestone256Decryptor(b64(request["key"]), b64(request["context"]))
    return {"plaintext": base64.b64encode(decryptor.update(b64(request["ciphertext"])) + decryptor.finalize()).decode()}


def maa_token(request):
    """A token by the keys that its service has, as the SDK finds them."""
    # Nothing here needs the credential, which it refuses to send to a service without TLS.
    client = AttestationClient(request["url"], "unused", authentication_policy=SansIOHTTPPolicy())
    configuration = client.get_open_id_metadata()
    token = AttestationToken(token=request["token"])
    token._validate_token(client.get_signing_certificates(), issuer=request["url"], validate_issuer=True)
    return {"issuer": configuration["issuer"], "claims": token._get_body()}


operations = {
    "snp": snp,
    "quote": quote,
    "td-quote": td_quote,
    "jwe-encrypt": jwe_encrypt,
    "jwe-decrypt": jwe_decrypt,
    "maa-token": maa_token,
    "stream-open": stream_open,
    "stream-seal": stream_seal,
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": True, **(operations[request["op"]](request) or {})}
    except Exception as error:  # whatever a library throws is a refusal
        answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
