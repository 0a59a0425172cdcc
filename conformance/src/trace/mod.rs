//! Which sections of the specifications the code cites, and which of them a test covers.
//!
//! Reads the sources of the workspace as text. A comment carries a citation in one of four forms
//! ([`citation`]); `docs/specifications.md` pins the sections that are cited, with their titles
//! and the revisions that number them so ([`specifications`]).

pub mod citation;
pub mod report;
pub mod specifications;
pub mod workspace;

pub use citation::{Citation, Kind, Section};
pub use report::Report;
pub use specifications::Specifications;
