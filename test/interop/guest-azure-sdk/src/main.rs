//! Microsoft's attestation SDK in Rust as a guest on a simulated machine. It opens /dev/tpmrm0 and asks 169.254.169.254:
//! `tcti/machine.c` of this folder leads both to the simulator.
use azure_guest_attestation_sdk::{
    guest_attest::ImdsClient, parse, AttestationClient, CvmEvidenceOptions, Provider,
};
use base64::{engine::general_purpose::STANDARD, Engine};
use serde_json::{json, Value};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (operation, url) = (std::env::args().nth(1).unwrap_or_default(), std::env::args().nth(2).unwrap_or_default());
    let client = AttestationClient::new()?;
    let said = match operation.as_str() {
        "evidence" => evidence(&client)?,
        "guest" => token(&client.attest_guest_with_user_data(Provider::maa(url), None, b"interoperability")?.token)?,
        "platform" => token(&client.attest_platform_with_user_data(Provider::maa(url), b"interoperability")?.token)?,
        other => return Err(format!("unknown operation {other:?}").into()),
    };
    println!("{said}");
    Ok(())
}

fn evidence(client: &AttestationClient) -> Result<Value, Box<dyn Error>> {
    let options = CvmEvidenceOptions { user_data: Some(b"interoperability".to_vec()), fetch_platform_quote: true };
    let evidence = client.get_cvm_evidence(Some(&options))?;
    Ok(json!({
        "type": format!("{:?}", evidence.report_type),
        "report": STANDARD.encode(&evidence.tee_report),
        "runtimeData": STANDARD.encode(&evidence.runtime_data),
        "quote": STANDARD.encode(&evidence.platform_quote),
        "region": ImdsClient::new().get_region()?,
    }))
}

fn token(token: &Option<String>) -> Result<Value, Box<dyn Error>> {
    let token = token.as_deref().ok_or("no token")?;
    parse::attestation_token(token)?;
    Ok(json!({ "token": token }))
}
