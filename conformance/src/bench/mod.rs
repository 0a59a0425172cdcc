//! The benchmark: the same loads against this server and against Samba, in turn, on pinned cores.
//!
//! Owns the servers that it starts, their folders in memory, the loads and the report. It judges
//! nothing but speed: a load fails when the server refuses a request, never because it is slow.
//!
//! ```text
//! servers    start and stop smbd, Samba as shipped, Samba with sendfile; CPU and memory of each
//! lanes      keeps requests under way, on one connection or many, and takes the time of each
//! loads      what is done: one file for each kind of work
//! rows       which loads, with which protection, in which order
//! report     medians, ratios to the better Samba, the table, JSON; chart draws it
//! ```
//!
//! Every row is run against one server after the other before the next row begins, and all of that
//! several times over: what the machine does besides hits all alike.

mod chart;
mod lanes;
mod loads;
mod machine;
mod measure;
mod options;
mod report;
mod rows;
mod servers;
mod variant;

use std::io;
use std::path::Path;

pub use options::{Options, Scale};
pub use servers::program;

use crate::client::CallError;
use measure::Measurement;
use report::Report;
use rows::Row;
use servers::Running;

/// Runs what `options` ask for: prints the table, and writes the files. Returns the names of the
/// rows that this server could not carry out.
///
/// # Errors
/// A server did not start, or a file could not be written.
pub fn run(options: &Options) -> io::Result<Vec<String>> {
    machine::enter_own_namespaces(options)?;
    machine::raise_file_limit();
    let cores = machine::Cores::choose(options);
    let folder = machine::scratch_folder()?;
    let servers = servers::start(options, &cores, folder.path())?;
    cores.pin_to_client()?;
    let scale = options.scale();
    let shares: Vec<&Path> = servers.iter().map(Running::share).collect();
    loads::prepare(&shares, &scale)?;
    let mut report = Report::new(&servers, &scale);
    for row in rows::all(options) {
        measure_row(&row, &servers, &scale, &mut report);
        println!("{}", report.line(&row));
    }
    println!("\n{}", report.table());
    report.write(&options.output)?;
    Ok(report.failed())
}

/// Runs one row against one server after the other, as often as the scale says. Each round begins
/// with another server: who comes first finds the machine in another state than who comes next.
fn measure_row(row: &Row, servers: &[Running], scale: &Scale, report: &mut Report) {
    for round in 0..scale.rounds {
        let (before, after) = servers.split_at(round % servers.len().max(1));
        for server in after.iter().chain(before) {
            let bed = Bed {
                server,
                scale,
                round,
            };
            let outcome = row.load.run(&bed, row.variant);
            report.add(row, server, outcome);
        }
    }
}

/// What a load works with: one server, and how much to do.
#[derive(Debug)]
pub struct Bed<'a> {
    server: &'a Running,
    scale: &'a Scale,
    /// Which of the repetitions this is; a load that uses up files takes new ones for each.
    round: usize,
}

/// What a load gives.
type Outcome = Result<Measurement, CallError>;
