//! The files are what their generator writes.

use std::path::Path;
use std::process::Command;

#[test]
fn the_files_are_what_the_generator_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("nifi-templates");
    let ran = match Command::new("python3").arg(folder.join("generate.py")).arg("--check").output()
    {
        Ok(ran) => ran,
        Err(error) => return missing(&error),
    };
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[expect(
    clippy::print_stderr,
    reason = "whoever reads the test's output has to know what was not tested"
)]
fn missing(error: &std::io::Error) {
    eprintln!(
        "SKIPPED: no python3 ({error}), so nifi-templates/*.json were not compared with generate.py"
    );
}
