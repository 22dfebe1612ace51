//! kinvolk's crates as a guest on a simulated machine. They open /dev/tpmrm0 by name; `tcti/` of this folder leads them to the
//! simulator.
use az_cvm_vtpm::{hcl::HclReport, vtpm};
use base64::{engine::general_purpose::STANDARD, Engine};
use serde_json::json;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let nonce = std::env::args().nth(1).unwrap_or_default();
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
