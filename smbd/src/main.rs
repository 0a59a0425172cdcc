//! The SMB server program.

use std::process::ExitCode;

fn main() -> ExitCode {
    smbd::run()
}
