//! Witnesses that nobody of this project wrote: virtee's verifier of SEV-SNP reports, Phala's of TD quotes, a C2SP chunked
//! encryption and trustee's own types of the key broker protocol, behind one JSON object a line on stdin and stdout.
use base64::{engine::general_purpose::STANDARD, Engine};
use cobblestone::Key256;
use dcap_qvl::{verify::QuoteVerifier, QuoteCollateralV3};
use serde::{de::DeserializeOwned, Serialize};
use serde_json::{json, Value};
use sev::{certs::snp::{Chain, Verifiable}, firmware::guest::AttestationReport, parser::ByteParser};
use std::{error::Error, io::{BufRead, Write}};

fn text<'a>(request: &'a Value, name: &str) -> &'a str {
    request[name].as_str().unwrap_or_default()
}

fn bytes(request: &Value, name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(STANDARD.decode(text(request, name))?)
}

fn snp(request: &Value) -> Result<Value, Box<dyn Error>> {
    let report = AttestationReport::from_bytes(&bytes(request, "report")?)?;
    let chain = Chain::from_der(&bytes(request, "ark")?, &bytes(request, "ask")?, &bytes(request, "vcek")?)?;
    (&chain, &report).verify()?;
    Ok(json!({ "ok": true }))
}

fn tdx(request: &Value) -> Result<Value, Box<dyn Error>> {
    let collateral = &request["collateral"];
    let collateral = QuoteCollateralV3 {
        pck_crl_issuer_chain: text(collateral, "pckCrlChain").into(),
        root_ca_crl: bytes(collateral, "rootCrl")?,
        pck_crl: bytes(collateral, "pckCrl")?,
        tcb_info_issuer_chain: text(collateral, "tcbInfoChain").into(),
        tcb_info: text(collateral, "tcbInfoText").into(),
        tcb_info_signature: bytes(collateral, "tcbInfoSignature")?,
        qe_identity_issuer_chain: text(collateral, "qeIdentityChain").into(),
        qe_identity: text(collateral, "qeIdentityText").into(),
        qe_identity_signature: bytes(collateral, "qeIdentitySignature")?,
        pck_certificate_chain: None,
    };
    let root = bytes(request, "rootDer")?;
    let verifier = if root.is_empty() { QuoteVerifier::new_prod() } else { QuoteVerifier::new(root) };
    let verified = verifier.verify(&bytes(request, "quote")?, &collateral, request["nowSeconds"].as_u64().unwrap_or(0))?;
    Ok(json!({ "ok": true, "status": verified.status, "advisories": verified.advisory_ids }))
}

fn key(request: &Value) -> Result<Key256, Box<dyn Error>> {
    let key = bytes(request, "key")?.try_into().map_err(|_| "the key does not have 32 bytes")?;
    Ok(Key256::from_bytes(&key))
}

fn seal(request: &Value) -> Result<Value, Box<dyn Error>> {
    let sealed = cobblestone::encrypt(&key(request)?, &bytes(request, "context")?, &bytes(request, "plaintext")?)?;
    Ok(json!({ "ok": true, "ciphertext": STANDARD.encode(sealed) }))
}

fn open(request: &Value) -> Result<Value, Box<dyn Error>> {
    let opened = cobblestone::decrypt(&key(request)?, &bytes(request, "context")?, &bytes(request, "ciphertext")?)?;
    Ok(json!({ "ok": true, "plaintext": STANDARD.encode(opened) }))
}

/// A message of the key broker protocol, read and written again by trustee's types.
fn message<T: DeserializeOwned + Serialize>(request: &Value) -> Result<Value, Box<dyn Error>> {
    let message: T = serde_json::from_str(text(request, "message"))?;
    Ok(json!({ "ok": true, "message": serde_json::to_string(&message)? }))
}

fn kbs(request: &Value) -> Result<Value, Box<dyn Error>> {
    match text(request, "type") {
        "Request" => message::<kbs_types::Request>(request),
        "Challenge" => message::<kbs_types::Challenge>(request),
        "Attestation" => message::<kbs_types::Attestation>(request),
        "Response" => message::<kbs_types::Response>(request),
        other => Err(format!("unknown message {other:?}").into()),
    }
}

fn judge(line: &str) -> Value {
    let request: Value = match serde_json::from_str(line) {
        Ok(request) => request,
        Err(error) => return json!({ "ok": false, "error": error.to_string() }),
    };
    // A panic of a verifier is a verdict, too.
    let verdict = std::panic::catch_unwind(|| match text(&request, "op") {
        "snp" => snp(&request).map_err(|error| error.to_string()),
        "tdx" => tdx(&request).map_err(|error| format!("{error:#}")),
        "stream-seal" => seal(&request).map_err(|error| error.to_string()),
        "stream-open" => open(&request).map_err(|error| error.to_string()),
        "kbs" => kbs(&request).map_err(|error| error.to_string()),
        other => Err(format!("unknown operation {other:?}")),
    });
    match verdict {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => json!({ "ok": false, "error": error }),
        Err(_) => json!({ "ok": false, "error": "panic" }),
    }
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return };
        if writeln!(out, "{}", judge(&line)).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}
