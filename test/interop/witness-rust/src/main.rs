//! Two witnesses that nobody of this project wrote: virtee's verifier of SEV-SNP reports and Phala's of TD quotes, behind one
//! JSON object a line on stdin and stdout.
use base64::{engine::general_purpose::STANDARD, Engine};
use dcap_qvl::{verify::QuoteVerifier, QuoteCollateralV3};
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

fn judge(line: &str) -> Value {
    let request: Value = match serde_json::from_str(line) {
        Ok(request) => request,
        Err(error) => return json!({ "ok": false, "error": error.to_string() }),
    };
    // A panic of a verifier is a verdict, too.
    let verdict = std::panic::catch_unwind(|| match text(&request, "op") {
        "snp" => snp(&request).map_err(|error| error.to_string()),
        "tdx" => tdx(&request).map_err(|error| format!("{error:#}")),
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
