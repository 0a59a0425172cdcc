//! The whole configuration file: from its text to values, and back to text.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    compartments::Program,
    lab::Lab,
    limits::Limits,
    log::Log,
    mistake::{Mistake, Mistakes, Source, nearest},
    schema::{Effect, Entry, Reader, Section, entries},
    server::Server,
    shares::{Share, ShareKind},
    users::{Demo, Identity, same_name},
    wrappers::Wrapper,
};

/// Everything that a configuration file says, with defaults where it says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// `[server]`
    pub server: Server,
    /// `[identity]`
    pub identity: Identity,
    /// `[log]`
    pub log: Log,
    /// `[limits]`
    pub limits: Limits,
    /// `[demo]`
    pub demo: Demo,
    /// `[lab]`
    pub lab: Lab,
    /// Every `[[share]]`, in the file's order.
    pub shares: Vec<Share>,
}

impl Configuration {
    /// Reads the text of a configuration file. `file_name` stands in mistakes; relative paths in
    /// the file count from its folder.
    ///
    /// # Errors
    ///
    /// Every mistake in the text. If it is not TOML, only the mistakes of syntax.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Mistakes> {
        let source = Source {
            file: file_name,
            text,
        };
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut mistakes: Vec<Mistake> = errors
            .iter()
            .map(|error| syntax_mistake(source, error))
            .collect();
        let mut configuration = Self::default();
        if mistakes.is_empty() {
            configuration = Self::read(source, document.get_ref(), &mut mistakes);
        }
        if !mistakes.is_empty() {
            mistakes.sort_by_key(|mistake| mistake.line);
            return Err(Mistakes(mistakes));
        }
        configuration.resolve_paths(Path::new(file_name).parent().unwrap_or(Path::new("")));
        Ok(configuration)
    }

    /// The whole configuration as the text of a file, every setting with its value.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for (header, entries) in self.sections() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&header);
            text.push('\n');
            for Entry { name, value, .. } in entries {
                text.push_str(&format!("{name} = {value}\n"));
            }
        }
        text
    }

    /// Every setting as `section.setting`, with the line of comment that says what it takes and
    /// when a change takes effect.
    pub fn settings() -> Vec<(String, String)> {
        let share = Share {
            programs: vec![Program::default()],
            wrappers: Wrapper::each(),
            ..Share::default()
        };
        let configuration = Self {
            shares: vec![share],
            ..Self::default()
        };
        let mut settings = Vec::new();
        for (header, entries) in configuration.sections() {
            let section = header.trim_matches(['[', ']']);
            for Entry {
                name,
                effect,
                expects,
                ..
            } in entries
            {
                let effect = match effect {
                    Effect::Reload => "",
                    Effect::Restart => "; a change needs a restart",
                };
                settings.push((
                    format!("{section}.{name}"),
                    format!("# Takes {expects}{effect}."),
                ));
            }
        }
        settings
    }

    /// The share of this name; case does not count.
    pub fn share(&self, name: &str) -> Option<&Share> {
        self.shares
            .iter()
            .find(|share| same_name(&share.name, name))
    }

    /// Every section with the line that opens it and its settings.
    pub(crate) fn sections(&self) -> Vec<(String, Vec<Entry>)> {
        let mut sections = vec![
            (format!("[{SERVER}]"), entries(&self.server)),
            (format!("[{IDENTITY}]"), entries(&self.identity)),
            (format!("[{LOG}]"), entries(&self.log)),
            (format!("[{LIMITS}]"), entries(&self.limits)),
            (format!("[{DEMO}]"), entries(&self.demo)),
            (format!("[{LAB}]"), entries(&self.lab)),
        ];
        for share in &self.shares {
            sections.push((format!("[[{SHARE}]]"), entries(share)));
            let header = format!("[{SHARE_COMPARTMENTS}]");
            sections.push((header, entries(&share.compartments)));
            let programs = share.programs.iter();
            sections
                .extend(programs.map(|program| (format!("[[{SHARE_PROGRAM}]]"), entries(program))));
            let wrappers = share.wrappers.iter();
            sections
                .extend(wrappers.map(|wrapper| (format!("[[{SHARE_WRAPPER}]]"), entries(wrapper))));
        }
        sections
    }

    fn read(source: Source<'_>, document: &DeTable<'_>, mistakes: &mut Vec<Mistake>) -> Self {
        for key in document
            .keys()
            .filter(|key| !SECTIONS.contains(&key.get_ref().as_ref()))
        {
            let right = match nearest(key.get_ref(), SECTIONS) {
                Some(known) => format!("perhaps {known:?} is meant"),
                None => format!("give one of {}", SECTIONS.join(", ")),
            };
            let wrong = "there is no such section".to_owned();
            mistakes.push(source.mistake(
                key.span().start,
                key.get_ref().to_string(),
                wrong,
                right,
            ));
        }
        let mut one = Sections {
            source,
            document,
            mistakes,
        };
        let server: Server = one.read(SERVER, Server::check);
        let identity = one.read(IDENTITY, |_, _| {});
        let log = one.read(LOG, |_, _| {});
        let limits = one.read(LIMITS, Limits::check);
        let demo = one.read(DEMO, |demo: &Demo, reader| demo.check(&server, reader));
        let lab = one.read(LAB, |_, _| {});
        let shares = one.read_shares(&server);
        Self {
            server,
            identity,
            log,
            limits,
            demo,
            lab,
            shares,
        }
    }

    fn resolve_paths(&mut self, folder: &Path) {
        self.server.resolve_paths(folder);
        for share in &mut self.shares {
            share.resolve_paths(folder);
        }
    }
}

/// The document while its sections are read.
struct Sections<'a, 'm> {
    source: Source<'a>,
    document: &'a DeTable<'a>,
    mistakes: &'m mut Vec<Mistake>,
}

impl<'a> Sections<'a, '_> {
    /// The section of this name, and its defaults if there is none.
    fn read<T: Section + Default>(
        &mut self,
        name: &'static str,
        check: impl Fn(&T, &mut Reader<'_>),
    ) -> T {
        match self.document.get(name) {
            Some(value) => self.read_one(name, value, check),
            None => T::default(),
        }
    }

    fn read_one<T: Section + Default>(
        &mut self,
        name: &'static str,
        value: &Spanned<DeValue<'_>>,
        check: impl Fn(&T, &mut Reader<'_>),
    ) -> T {
        let Some(mut reader) = Reader::new(self.source, name, value, self.mistakes) else {
            return T::default();
        };
        let section = reader.section();
        check(&section, &mut reader);
        section
    }

    fn read_shares(&mut self, server: &Server) -> Vec<Share> {
        let Some(value) = self.document.get(SHARE) else {
            return Vec::new();
        };
        let mut shares: Vec<Share> = Vec::new();
        for value in self.list(SHARE, value) {
            let mut share = self.read_one(SHARE, value, |share: &Share, reader| {
                share.check(server, reader);
                if shares
                    .iter()
                    .any(|earlier| same_name(&earlier.name, &share.name))
                {
                    let wrong = format!("another share is called {:?}", share.name);
                    reader.mistake(
                        "name",
                        &wrong,
                        "give each share its own name; case does not count",
                    );
                }
                let spools_as =
                    |other: &&Share| other.kind == ShareKind::Print && other.path == share.path;
                if share.kind == ShareKind::Print
                    && share.path.is_some()
                    && let Some(other) = shares.iter().find(spools_as)
                {
                    let wrong = format!("it is the spool folder of {:?} too", other.name);
                    reader.mistake("path", &wrong, "give each print share its own folder");
                }
            });
            if let Some(table) = value.get_ref().as_table() {
                self.read_below(&mut share, table);
            }
            share.adapt();
            shares.push(share);
        }
        shares
    }

    /// The sections below a share.
    fn read_below(&mut self, share: &mut Share, table: &DeTable<'_>) {
        if let Some(compartments) = table.get(COMPARTMENTS) {
            share.compartments = self.read_one(SHARE_COMPARTMENTS, compartments, |_, _| {});
        }
        if let Some(programs) = table.get(PROGRAM) {
            let programs = self.list(SHARE_PROGRAM, programs).iter();
            share.programs = programs
                .map(|program| self.read_one(SHARE_PROGRAM, program, Program::check))
                .collect();
        }
        if let Some(wrappers) = table.get(WRAPPER) {
            share.wrappers = self.read_wrappers(wrappers);
        }
    }

    fn read_wrappers(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Wrapper> {
        let mut wrappers = Vec::new();
        for value in self.list(SHARE_WRAPPER, value) {
            let reader = Reader::new(self.source, SHARE_WRAPPER, value, self.mistakes);
            let Some(mut reader) = reader else { continue };
            if let Some(kind) = reader.one("kind", "the wrapper has none") {
                let mut wrapper = Wrapper::of(kind);
                reader.fill(&mut wrapper);
                wrappers.push(wrapper);
            }
        }
        wrappers
    }

    /// The sections that may stand in the file several times under this name; if there is one only,
    /// that is a mistake.
    fn list<'v>(
        &mut self,
        name: &str,
        value: &'v Spanned<DeValue<'v>>,
    ) -> &'v [Spanned<DeValue<'v>>] {
        if let Some(list) = value.get_ref().as_array() {
            return list;
        }
        let one = name.rsplit('.').next().unwrap_or(name);
        let wrong = "it is one section".to_owned();
        let right = format!("give each {one} as [[{name}]], with two brackets");
        let at = value.span().start;
        self.mistakes
            .push(self.source.mistake(at, name.to_owned(), wrong, right));
        &[]
    }
}

/// What the TOML reader complains about, as one of our mistakes.
fn syntax_mistake(source: Source<'_>, error: &toml::de::Error) -> Mistake {
    let at = error.span().map_or(0, |span| span.start);
    let wrong = error
        .message()
        .lines()
        .next()
        .unwrap_or("it is not TOML")
        .to_owned();
    let right = "give lines such as [section] and key = value, texts in \"quotes\"".to_owned();
    source.mistake(at, "syntax".to_owned(), wrong, right)
}

const SERVER: &str = "server";
const IDENTITY: &str = "identity";
const LOG: &str = "log";
const LIMITS: &str = "limits";
const DEMO: &str = "demo";
const LAB: &str = "lab";
const SHARE: &str = "share";
/// Of a share.
const COMPARTMENTS: &str = "compartments";
const SHARE_COMPARTMENTS: &str = "share.compartments";
const PROGRAM: &str = "program";
const SHARE_PROGRAM: &str = "share.program";
const WRAPPER: &str = "wrapper";
const SHARE_WRAPPER: &str = "share.wrapper";
const SECTIONS: &[&str] = &[SERVER, IDENTITY, LOG, LIMITS, DEMO, LAB, SHARE];
