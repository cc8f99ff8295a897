//! Compiles `proto/` without protoc.

#[cfg(feature = "serve")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use protox::prost::Message;

    println!("cargo::rerun-if-changed=proto");
    let files = ["proto/nifi/flowfile_service.proto", "proto/nifi_idb/v1/sidecar.proto"];
    let descriptors = protox::compile(files, ["proto"])?;
    // Server reflection serves these descriptors.
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    // `Bytes` avoids copying contents out of the message.
    tonic_prost_build::configure().bytes(".").build_transport(false).compile_fds(descriptors)?;
    Ok(())
}

#[cfg(not(feature = "serve"))]
fn main() {}
