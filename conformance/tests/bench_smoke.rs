//! Every row of the benchmark runs against this server. How fast is not a test's business.

use std::path::Path;
use std::process::Command;

#[test]
fn every_row_of_the_benchmark_runs() {
    let bench = Path::new(env!("CARGO_BIN_EXE_bench"));
    let smbd = bench.with_file_name("smbd");
    if !smbd.is_file() {
        println!("skipped: {} is not built", smbd.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(bench)
        .args(["--smoke", "--output"])
        .arg(folder.path().join("bench"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    for file in ["bench.json", "bench.svg"] {
        assert!(folder.path().join(file).is_file(), "{file} is missing");
    }
}
