//! The settings of a print share: the command that prints, and what a queue may hold.

use std::time::Duration;

use crate::{
    schema::{Reader, Visitor, live},
    value::Size,
};

/// What stands behind a share of `kind = "print"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Print {
    /// The program that prints a document from its standard input, and its arguments; with nothing, jobs wait to be
    /// fetched from the spool folder.
    pub command: Vec<String>,
    /// How long the command may take.
    pub timeout: Duration,
    /// The longest document.
    pub job_size: Size,
    /// The most jobs at a time.
    pub jobs: u32,
    /// The most jobs of one user at a time.
    pub jobs_per_user: u32,
}

/// A part of an argument of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// What stands there.
    Text(&'a str),
    /// What is put there for each job.
    Field(Field),
}

/// What of a job an argument may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The path of the document.
    File,
    /// What the document is called.
    Title,
    /// Who printed it.
    User,
    /// The address of the client.
    Client,
    /// The job's number.
    Job,
    /// The share's name.
    Printer,
}

impl Default for Print {
    fn default() -> Self {
        let command = ["lp", "-d", "{printer}", "-t", "{title}"];
        Self {
            command: command.map(str::to_owned).to_vec(),
            timeout: Duration::from_mins(10),
            job_size: Size::mib(1024),
            jobs: 1_000,
            jobs_per_user: 250,
        }
    }
}

impl Print {
    pub(crate) fn settings(&mut self, visitor: &mut impl Visitor) {
        let command = live("print_command").only(COMMAND, |command: &Vec<String>| {
            command.first().is_none_or(|program| !program.is_empty())
                && command.iter().all(|argument| pieces(argument).is_some())
        });
        visitor.visit(command, &mut self.command);
        let timeout =
            live("print_timeout").within(Duration::from_secs(1)..=Duration::from_hours(24));
        visitor.visit(timeout, &mut self.timeout);
        let job_size = live("print_job_size").within(Size::kib(1)..=Size::mib(4095));
        visitor.visit(job_size, &mut self.job_size);
        visitor.visit(live("print_jobs").within(1..=100_000), &mut self.jobs);
        let jobs_per_user = live("print_jobs_per_user").within(1..=100_000);
        visitor.visit(jobs_per_user, &mut self.jobs_per_user);
    }

    /// Notes what does not go together.
    pub(crate) fn check(&self, force_user: Option<&str>, reader: &mut Reader<'_>) {
        let names_file = self.command.iter().any(|argument| {
            pieces(argument).is_some_and(|pieces| pieces.contains(&Piece::Field(Field::File)))
        });
        if names_file && force_user.is_some() {
            let wrong = "it names {file}, which only the server may read, and runs as force_user";
            let right = "leave {file} out: the command finds the document at its standard input";
            reader.mistake("print_command", wrong, right);
        }
    }
}

/// The pieces of an argument; none if it has braces around anything but the name of a field.
pub fn pieces(argument: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = argument;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}')?;
        let (_, field) = FIELDS.iter().find(|(known, _)| *known == name)?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Field(*field));
        rest = behind;
    }
    if rest.contains('}') {
        return None;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Some(pieces)
}

const FIELDS: &[(&str, Field)] = &[
    ("file", Field::File),
    ("title", Field::Title),
    ("user", Field::User),
    ("client", Field::Client),
    ("job", Field::Job),
    ("printer", Field::Printer),
];

const COMMAND: &str = "a list of a program and its arguments, in which {file}, {title}, {user}, {client}, {job} and \
                       {printer} stand for what they say";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_texts_and_fields() {
        use Piece::{Field as F, Text as T};
        assert_eq!(pieces(""), Some(vec![]));
        assert_eq!(pieces("-T"), Some(vec![T("-T")]));
        assert_eq!(
            pieces("job {job} of {user}!"),
            Some(vec![
                T("job "),
                F(Field::Job),
                T(" of "),
                F(Field::User),
                T("!")
            ])
        );
        for wrong in ["{}", "{name}", "{job", "job}", "{{job}}"] {
            assert_eq!(pieces(wrong), None, "{wrong}");
        }
    }
}
