//! Medians, ratios, the table and the JSON file.

use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::measure::Measurement;
use super::options::Scale;
use super::rows::{Bar, Row, Unit};
use super::servers::{Kind, Running};
use super::{Outcome, chart};

/// The results of all rows so far.
#[derive(Debug)]
pub struct Report {
    kinds: Vec<Kind>,
    rows: Vec<Row>,
    runs: HashMap<(String, Kind), Vec<Measurement>>,
    failures: HashMap<(String, Kind), String>,
    scale: Scale,
}

/// The medians of one row against one server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Work per second, in GiB or operations.
    pub throughput: f64,
    /// CPU seconds of the server for a GiB or for 1,000 operations.
    pub cpu: f64,
    /// CPU seconds of the load for the same.
    pub client_cpu: f64,
    /// How much of the time the load was busy; near 1 the load is what limits.
    pub client_busy: f64,
    /// Median latency, in microseconds.
    pub p50: f64,
    /// Latency that 99 of 100 operations do not exceed, in microseconds.
    pub p99: f64,
    /// Memory for each connection, in KiB.
    pub memory_kib: Option<f64>,
}

/// This server compared with the better Samba of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// CPU, ours to theirs.
    pub cpu: f64,
    /// Throughput, ours to theirs.
    pub throughput: f64,
}

impl Report {
    /// An empty report about these servers.
    pub fn new(servers: &[Running], scale: &Scale) -> Self {
        Self {
            kinds: servers.iter().map(Running::kind).collect(),
            rows: Vec::new(),
            runs: HashMap::new(),
            failures: HashMap::new(),
            scale: scale.clone(),
        }
    }

    /// Adds what one run gave.
    pub fn add(&mut self, row: &Row, server: &Running, outcome: Outcome) {
        if self.rows.iter().all(|known| known.name() != row.name()) {
            self.rows.push(row.clone());
        }
        let key = (row.name(), server.kind());
        match outcome {
            Ok(measurement) => self.runs.entry(key).or_default().push(measurement),
            Err(error) => {
                self.failures.insert(key, error.to_string());
            }
        }
    }

    /// The rows that were run, in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The names of the rows that failed against this server.
    pub fn failed(&self) -> Vec<String> {
        let names = self.rows.iter().map(Row::name);
        names
            .filter(|name| self.failures.contains_key(&(name.clone(), Kind::Ours)))
            .collect()
    }

    /// The medians of a row against a server; none if no run succeeded.
    pub fn cell(&self, row: &Row, kind: Kind) -> Option<Cell> {
        let runs = self.runs.get(&(row.name(), kind))?;
        let per = if row.unit == Unit::Data { 1.0 } else { 1000.0 };
        let of = |value: &dyn Fn(&Measurement) -> f64| median(runs.iter().map(value).collect());
        let percentile = |percent| {
            let each = runs
                .iter()
                .map(|run| run.latencies.clone().percentile(percent));
            median(each.collect())
        };
        Some(Cell {
            throughput: of(&|run| run.work / run.elapsed.as_secs_f64()),
            cpu: of(&|run| run.server_cpu.as_secs_f64() / run.work * per),
            client_cpu: of(&|run| run.client_cpu.as_secs_f64() / run.work * per),
            client_busy: of(&|run| run.client_cpu.as_secs_f64() / run.elapsed.as_secs_f64()),
            p50: percentile(50),
            p99: percentile(99),
            // Later runs find memory that the first one left behind.
            memory_kib: runs
                .iter()
                .filter_map(|run| run.memory)
                .reduce(f64::max)
                .map(|bytes| bytes / 1024.0),
        })
    }

    /// This server compared with the better Samba, each figure by itself.
    pub fn ratio(&self, row: &Row) -> Option<Ratio> {
        let ours = self.cell(row, Kind::Ours)?;
        let sambas = [Kind::Samba, Kind::SambaSendfile].map(|kind| self.cell(row, kind));
        let sambas: Vec<Cell> = sambas.into_iter().flatten().collect();
        let cpu = sambas.iter().map(|cell| cell.cpu).reduce(f64::min)?;
        let throughput = sambas.iter().map(|cell| cell.throughput).reduce(f64::max)?;
        Some(Ratio {
            cpu: ours.cpu / cpu,
            throughput: ours.throughput / throughput,
        })
    }

    /// One row for the terminal.
    pub fn line(&self, row: &Row) -> String {
        let mut line = format!("{:<42}", row.name());
        for kind in &self.kinds {
            let _ = match self.cell(row, *kind) {
                Some(cell) => write!(line, "  {kind}: {}", figures(row.unit, &cell)),
                None => write!(line, "  {kind}: failed"),
            };
        }
        if let Some(ratio) = self.ratio(row) {
            let _ = write!(line, "  => {}", ratio.verdict(row.bar));
        }
        line
    }

    /// The whole report as a table in Markdown.
    pub fn table(&self) -> String {
        let mut table = String::from("| row |");
        for kind in &self.kinds {
            let _ = write!(table, " {kind} CPU | rate | p50 / p99 us |");
        }
        table.push_str(" CPU ratio | rate ratio | |\n|---|");
        table.push_str(&"---|".repeat(self.kinds.len() * 3 + 3));
        table.push('\n');
        for row in &self.rows {
            let _ = write!(table, "| {} |", row.name());
            for kind in &self.kinds {
                table.push_str(&self.columns(row, *kind));
            }
            let _ = match self.ratio(row) {
                Some(ratio) => writeln!(
                    table,
                    " {:.2} | {:.2} | {} |",
                    ratio.cpu,
                    ratio.throughput,
                    ratio.mark(row.bar)
                ),
                None => writeln!(table, " | | |"),
            };
        }
        table.push_str(LEGEND);
        for ((row, kind), error) in &self.failures {
            let _ = writeln!(table, "failed: {row} against {kind}: {error}");
        }
        table
    }

    fn columns(&self, row: &Row, kind: Kind) -> String {
        let Some(cell) = self.cell(row, kind) else {
            return " failed | | |".to_owned();
        };
        if let Some(kib) = cell.memory_kib {
            return format!(" | {kib:.1} KiB each | |");
        }
        let busy = if cell.client_busy > BUSY { "*" } else { "" };
        let (cpu, rate) = match row.unit {
            Unit::Data => (
                format!("{:.3} s/GiB", cell.cpu),
                format!("{:.2} GiB/s", cell.throughput),
            ),
            _ => (
                format!("{:.1} us", cell.cpu * 1000.0),
                format!("{:.0}/s", cell.throughput),
            ),
        };
        format!(
            " {cpu} | {rate}{busy} | {:.0} / {:.0} |",
            cell.p50, cell.p99
        )
    }

    /// Writes the JSON file and the chart.
    pub fn write(&self, output: &Path) -> io::Result<()> {
        if let Some(folder) = output.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(&self.json())?;
        std::fs::write(output.with_extension("json"), text)?;
        std::fs::write(output.with_extension("svg"), chart::draw(self))
    }

    fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(|row| self.json_row(row)).collect();
        json!({
            "rounds": self.scale.rounds,
            "seconds_per_run": self.scale.time.as_secs_f64(),
            "bytes_per_run": self.scale.bytes,
            "connections": self.scale.connections[0],
            "samba_connections": self.scale.connections[1],
            "rows": rows,
        })
    }

    fn json_row(&self, row: &Row) -> Value {
        let mut servers = serde_json::Map::new();
        for kind in &self.kinds {
            let value = match self.cell(row, *kind) {
                Some(cell) => cell.json(row.unit),
                None => json!({ "failed": self.failures.get(&(row.name(), *kind)) }),
            };
            servers.insert(kind.name().to_owned(), value);
        }
        let ratio = self.ratio(row).map(|ratio| {
            json!({
                "server_cpu": ratio.cpu,
                "throughput": ratio.throughput,
                "reaches_bar": row.bar.map(|bar| ratio.reaches(bar)),
            })
        });
        let bar = row
            .bar
            .map(|bar| json!({ "server_cpu": bar.cpu, "throughput": bar.throughput }));
        json!({ "name": row.name(), "servers": servers, "ratio": ratio, "bar": bar })
    }
}

impl Cell {
    fn json(&self, unit: Unit) -> Value {
        let (rate, cpu, client) = match unit {
            Unit::Data => (
                "gib_per_second",
                "server_cpu_seconds_per_gib",
                "client_cpu_seconds_per_gib",
            ),
            _ => (
                "operations_per_second",
                "server_cpu_seconds_per_1000",
                "client_cpu_seconds_per_1000",
            ),
        };
        json!({
            rate: self.throughput,
            cpu: self.cpu,
            client: self.client_cpu,
            "client_busy": self.client_busy,
            "p50_us": self.p50,
            "p99_us": self.p99,
            "memory_kib_per_connection": self.memory_kib,
        })
    }
}

impl Ratio {
    fn reaches(&self, bar: Bar) -> bool {
        self.cpu <= bar.cpu && self.throughput >= bar.throughput
    }

    fn mark(&self, bar: Option<Bar>) -> &'static str {
        match bar {
            Some(bar) if self.reaches(bar) => "reached",
            Some(_) => "missed",
            None => "",
        }
    }

    fn verdict(&self, bar: Option<Bar>) -> String {
        let mark = self.mark(bar);
        format!("CPU {:.2}, rate {:.2} {mark}", self.cpu, self.throughput)
    }
}

fn figures(unit: Unit, cell: &Cell) -> String {
    match (unit, cell.memory_kib) {
        (_, Some(kib)) => format!("{kib:.1} KiB each"),
        (Unit::Data, _) => format!("{:.3} s/GiB {:.2} GiB/s", cell.cpu, cell.throughput),
        _ => format!("{:.1} us {:.0}/s", cell.cpu * 1000.0, cell.throughput),
    }
}

/// The middle one; of an even number the lower of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or_default()
}

/// From here on the load counts as busy all the time.
const BUSY: f64 = 0.9;
const LEGEND: &str = "\nCPU is the server's, for a GiB or for one operation. A ratio is ours to \
the better Samba of the row. * the load was busy all the time: the server could do more.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![2.0, 1.0]), 1.0);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn a_bar_is_reached_when_both_figures_do() {
        let bar = Bar {
            cpu: 0.7,
            throughput: 1.3,
        };
        let reaches = |cpu, throughput| Ratio { cpu, throughput }.reaches(bar);
        assert!(reaches(0.7, 1.3));
        assert!(!reaches(0.71, 2.0));
        assert!(!reaches(0.1, 1.2));
    }
}
