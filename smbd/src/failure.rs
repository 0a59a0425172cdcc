//! What the program tells whoever started it: its output, or in one sentence why it failed.

use std::{
    fmt,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

/// A sentence that says what failed and, where known, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    /// A failure in one sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// What could not be done, and why.
    pub(crate) fn to(action: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self(format!("cannot {action}: {cause}"))
    }

    /// What could not be done with a file, and why; for `map_err`.
    pub(crate) fn with<E: fmt::Display>(action: &str, path: &Path) -> impl FnOnce(E) -> Self {
        move |cause| Self::to(format_args!("{action} {}", path.display()), cause)
    }
}

/// Prints what failed and gives the exit status: 1.
pub(crate) fn exit_status(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("smbd: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Prints to standard output; whoever closes it early has read enough.
pub(crate) fn print(text: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::to("print", error)),
        _ => Ok(()),
    }
}
