//! kinvolk's crates: as a guest on a simulated machine (`guest NONCE`), and as trustee uses them, as the verifier of a guest's
//! evidence (`guest --verify`, JSON on stdin). They open /dev/tpmrm0 by name; `tcti/` of this folder leads them to the simulator.
use az_cvm_vtpm::{hcl::HclReport, vtpm};
use az_snp_vtpm::{
    certs::{build_cert_chain, Vcek},
    report::{AttestationReport, Validateable},
};
use base64::{engine::general_purpose::STANDARD, Engine};
use openssl::pkey::PKey;
use serde_json::{json, Value};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).unwrap_or_default().as_str() {
        "--verify" => {
            let verdict = match verify(&serde_json::from_reader(std::io::stdin())?) {
                Ok(()) => json!({ "ok": true }),
                Err(error) => json!({ "ok": false, "error": error.to_string() }),
            };
            println!("{verdict}");
            Ok(())
        }
        nonce => challenge(nonce),
    }
}

fn challenge(nonce: &str) -> Result<(), Box<dyn Error>> {
    let report = vtpm::get_report_with_report_data(&[0x5a; 64])?;
    let quote = vtpm::get_quote(nonce.as_bytes())?;
    let key = vtpm::get_ak_pub()?;
    vtpm::extend_pcr(23, &[0x42; 32])?;
    let platform = vtpm::extend_pcr(17, &[0x42; 32]);
    let hcl = HclReport::new(report.clone())?;
    println!(
        "{}",
        json!({
            "report": STANDARD.encode(&report),
            "reportType": format!("{:?}", hcl.report_type()),
            "akInReport": hcl.ak_pub().is_ok(),
            "modulus": STANDARD.encode(key.modulus()),
            "message": STANDARD.encode(quote.message()),
            "signature": STANDARD.encode(quote.signature()),
            "pcrs": quote.pcrs_sha256().map(|pcr| STANDARD.encode(pcr)).collect::<Vec<_>>(),
            "pcr17": platform.is_err(),
        })
    );
    Ok(())
}

fn bytes(request: &Value, name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(STANDARD.decode(request[name].as_str().unwrap_or_default())?)
}

/// The binding of the runtime data, the chain, the report's signature and the quote. A TDX machine has neither chain nor
/// verifier of the report in these crates.
fn verify(request: &Value) -> Result<(), Box<dyn Error>> {
    let hcl = HclReport::new(bytes(request, "hclReport")?)?;
    let hash = hcl.var_data_sha256();
    if let Some(pem) = request["vcek"].as_str() {
        let chain = build_cert_chain(request["chain"].as_str().unwrap_or_default())?;
        chain.validate()?;
        let vcek = Vcek::from_pem(pem)?;
        vcek.validate(&chain)?;
        let report: AttestationReport = hcl.try_into()?;
        report.validate(&vcek)?;
        if report.report_data[..32] != hash {
            return Err("the report is not bound to the runtime data".into());
        }
    }
    let key = PKey::public_key_from_pem(request["ak"].as_str().unwrap_or_default().as_bytes())?;
    let quote: vtpm::Quote = serde_json::from_value(request["quote"].clone())?;
    quote.verify(&key, &bytes(request, "nonce")?)?;
    Ok(())
}
