//! Starting programs: what a description may say, and what the configuration allows of it.
//!
//! Nothing is run that the configuration does not name. Whoever may change the program's file could have it be
//! anything, so a file that others than its owner may change is not run either.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::Program;
use serde::{Deserialize, Serialize};
use wire::NtStatus;

use super::pattern::fits;

/// What is to be run, with everything decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The program's file.
    pub program: PathBuf,
    /// What it is given, without its own name.
    pub arguments: Vec<String>,
    /// All variables of its environment.
    pub environment: BTreeMap<String, String>,
    /// The folder that it starts in.
    pub folder: PathBuf,
    /// The user of this machine as whom it runs; none for the server's own.
    pub user: Option<String>,
}

/// Runs programs in control groups.
pub trait Launcher: Send + Sync {
    /// Runs a program in the group that whoever writes `0` to `entrance` goes into, and gives its number
    /// once it runs. It may block for as long as that takes.
    ///
    /// # Errors
    /// Why it does not run, in a sentence.
    fn launch(&self, launch: &Launch, entrance: OwnedFd) -> Result<u32, String>;
}

/// Starts what may be started.
pub(super) struct Starter {
    programs: Vec<Program>,
    launcher: Arc<dyn Launcher>,
}

/// Why nothing was started: for the client, and for people.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// For the client.
    pub status: NtStatus,
    /// For people.
    pub why: String,
}

/// What a client asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    program: PathBuf,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    folder: Option<PathBuf>,
    user: Option<String>,
}

impl Starter {
    /// Starts these programs and no others.
    pub(super) fn new(programs: Vec<Program>, launcher: Arc<dyn Launcher>) -> Self {
        Self { programs, launcher }
    }

    /// Starts what `text` describes in the group behind `entrance`, and gives the process's number.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` for what is no description, `ACCESS_DENIED` for what is not allowed, `UNSUCCESSFUL` for what does not
    /// run.
    pub(super) fn start(
        &self,
        text: &[u8],
        entrance: impl FnOnce() -> Result<OwnedFd, NtStatus>,
    ) -> Result<u32, Refusal> {
        let launch = self.launch_of(text)?;
        check_file(&launch.program).map_err(denied)?;
        let entrance = entrance().map_err(|status| Refusal {
            status,
            why: format!("the compartment takes no process in: {status}"),
        })?;
        self.launcher
            .launch(&launch, entrance)
            .map_err(|why| Refusal {
                status: NtStatus::UNSUCCESSFUL,
                why,
            })
    }

    /// What a description amounts to, if it is allowed.
    fn launch_of(&self, text: &[u8]) -> Result<Launch, Refusal> {
        let described = parse(text).map_err(|why| Refusal {
            status: NtStatus::INVALID_PARAMETER,
            why,
        })?;
        let program = self
            .programs
            .iter()
            .find(|program| program.path == described.program)
            .ok_or_else(|| {
                let shown = described.program.display();
                denied(format!("program: {shown} may not be started here"))
            })?;
        allowed(program, described).map_err(denied)
    }
}

fn denied(why: String) -> Refusal {
    Refusal {
        status: NtStatus::ACCESS_DENIED,
        why,
    }
}

/// Reads a description, and checks what no configuration could allow.
fn parse(text: &[u8]) -> Result<Description, String> {
    if text.len() > LONGEST_DESCRIPTION {
        return Err(format!("it has more than {LONGEST_DESCRIPTION} bytes"));
    }
    let text = str::from_utf8(text).map_err(|_| "it is not a text in UTF-8".to_owned())?;
    let described: Description =
        toml::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| error.to_string())?;
    if described.arguments.len() > MOST_ARGUMENTS {
        return Err(format!("arguments: there are more than {MOST_ARGUMENTS}"));
    }
    if described.environment.len() > MOST_VARIABLES {
        return Err(format!("environment: there are more than {MOST_VARIABLES}"));
    }
    let texts = described
        .arguments
        .iter()
        .chain(described.environment.values());
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err("arguments and environment cannot hold the character 0".to_owned());
    }
    Ok(described)
}

/// Holds a description against what the configuration says of its program.
fn allowed(program: &Program, described: Description) -> Result<Launch, String> {
    let is_unfit = |argument: &&String| !program.arguments.iter().any(|one| fits(one, argument));
    if let Some(argument) = described.arguments.iter().find(is_unfit) {
        return Err(unfit(program, argument));
    }
    let is_other = |name: &&String| !program.environment.contains(name);
    if let Some(name) = described.environment.keys().find(is_other) {
        return Err(format!("environment: {name} may not be set"));
    }
    let folder = described.folder.unwrap_or_else(|| PathBuf::from("/"));
    if folder != Path::new("/") && !program.folders.contains(&folder) {
        return Err(format!("folder: it may not start in {}", folder.display()));
    }
    let user = match described.user {
        None => program.users.first().cloned(),
        Some(user) if program.users.contains(&user) => Some(user),
        Some(user) => return Err(format!("user: it may not run as {user}")),
    };
    let mut environment = described.environment;
    environment
        .entry("PATH".to_owned())
        .or_insert_with(|| SAFE_PATH.to_owned());
    Ok(Launch {
        program: described.program,
        arguments: described.arguments,
        environment,
        folder,
        user,
    })
}

/// Why an argument is refused, which whoever wrote the pattern may not have thought of.
fn unfit(program: &Program, argument: &str) -> String {
    let wider =
        |pattern: &String| fits(&pattern.replace('*', "**").replace("****", "**"), argument);
    let hint = if program.arguments.iter().any(wider) {
        ": in a pattern, * stands for no / and makes no .., but ** may"
    } else {
        ""
    };
    format!("arguments: {argument:?} is not allowed{hint}")
}

/// Whether a program's file is what it was when the configuration was written: no link, and nobody but its
/// owner, who is the superuser or the server's own user, may change it or put another in its place.
fn check_file(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let canonical = path
        .canonicalize()
        .map_err(|error| format!("program: {shown}: {error}"))?;
    if canonical != path {
        let canonical = canonical.display();
        return Err(format!("program: {shown} is a link to {canonical}"));
    }
    let own = rustix::process::geteuid().as_raw();
    for part in path.ancestors() {
        let facts = part
            .symlink_metadata()
            .map_err(|error| format!("program: {}: {error}", part.display()))?;
        let is_trusted = facts.uid() == 0 || facts.uid() == own;
        if !is_trusted || facts.mode() & WRITABLE_BY_OTHERS != 0 {
            let part = part.display();
            return Err(format!("program: others may change {part}"));
        }
        if part == path && (!facts.is_file() || facts.mode() & EXECUTABLE == 0) {
            return Err(format!("program: {shown} is no program"));
        }
    }
    Ok(())
}

/// The longest description, in bytes.
pub(super) const LONGEST_DESCRIPTION: usize = 64 << 10;
const MOST_ARGUMENTS: usize = 256;
const MOST_VARIABLES: usize = 64;
/// Where a program finds others, unless it is told otherwise.
const SAFE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const WRITABLE_BY_OTHERS: u32 = 0o022;
const EXECUTABLE: u32 = 0o111;

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    /// Notes what it is to run.
    #[derive(Default)]
    struct Noted(Mutex<Vec<Launch>>);

    impl Launcher for Noted {
        fn launch(&self, launch: &Launch, _: OwnedFd) -> Result<u32, String> {
            self.0.lock().push(launch.clone());
            Ok(7)
        }
    }

    /// A program that every system has, without links.
    fn program() -> PathBuf {
        Path::new("/bin/true").canonicalize().unwrap()
    }

    fn starter(change: impl FnOnce(&mut Program)) -> (Starter, Arc<Noted>) {
        let mut allowed = Program {
            path: program(),
            ..Program::default()
        };
        change(&mut allowed);
        let noted = Arc::new(Noted::default());
        (Starter::new(vec![allowed], noted.clone()), noted)
    }

    fn start(starter: &Starter, text: &str) -> Result<u32, Refusal> {
        let nowhere = || Ok(std::fs::File::open("/dev/null").unwrap().into());
        starter.start(text.as_bytes(), nowhere)
    }

    fn describe(more: &str) -> String {
        format!("program = '{}'\n{more}", program().display())
    }

    #[test]
    fn a_description_that_is_allowed_is_run_as_it_says() {
        let (starter, noted) = starter(|program| {
            program.arguments = vec!["--level=?".to_owned(), "*.txt".to_owned()];
            program.environment = vec!["LANG".to_owned()];
            program.folders = vec!["/usr".into()];
            program.users = vec!["nobody".to_owned(), "daemon".to_owned()];
        });
        let text = describe(
            "arguments = ['--level=3', 'a.txt']\nfolder = '/usr'\nuser = 'daemon'\n\
             [environment]\nLANG = 'C'\n",
        );
        assert_eq!(start(&starter, &text), Ok(7));
        let launch = noted.0.lock().pop().unwrap();
        assert_eq!(launch.arguments, ["--level=3", "a.txt"]);
        assert_eq!(launch.user.as_deref(), Some("daemon"));
        assert_eq!(launch.folder, Path::new("/usr"));
        let names: Vec<_> = launch.environment.keys().collect();
        assert_eq!(names, ["LANG", "PATH"]);
    }

    #[test]
    fn nothing_is_allowed_unless_the_configuration_says_so() {
        let (starter, noted) = starter(|_| {});
        for (more, why) in [
            ("arguments = ['x']", "arguments: \"x\" is not allowed"),
            ("user = 'root'", "user: it may not run as root"),
            ("folder = '/usr'", "folder: it may not start in /usr"),
            (
                "[environment]\nLD_PRELOAD = 'x'",
                "environment: LD_PRELOAD may not be set",
            ),
        ] {
            assert_eq!(
                start(&starter, &describe(more)),
                Err(denied(why.to_owned()))
            );
        }
        let other = start(&starter, "program = '/bin/sh'").unwrap_err();
        assert_eq!(other.status, NtStatus::ACCESS_DENIED);
        assert!(noted.0.lock().is_empty());
        assert_eq!(start(&starter, &describe("")), Ok(7));
        let launch = noted.0.lock().pop().unwrap();
        assert_eq!((launch.user, launch.folder), (None, PathBuf::from("/")));
    }

    #[test]
    fn an_argument_leads_to_no_other_folder_unless_its_pattern_says_so() {
        let (starter, noted) = starter(|program| {
            program.arguments = vec!["/srv/data/*".to_owned(), "--log=**".to_owned()];
        });
        for argument in ["/srv/data/../../etc/shadow", "/srv/data/.."] {
            let refused = start(&starter, &describe(&format!("arguments = ['{argument}']")));
            let refused = refused.unwrap_err();
            assert_eq!(refused.status, NtStatus::ACCESS_DENIED);
            assert!(refused.why.contains("** may"), "{}", refused.why);
        }
        let other = start(&starter, &describe("arguments = ['/etc']")).unwrap_err();
        assert_eq!(other.why, "arguments: \"/etc\" is not allowed");
        assert!(noted.0.lock().is_empty());
        let allowed = describe("arguments = ['/srv/data/a.txt', '--log=/var/../log']");
        assert_eq!(start(&starter, &allowed), Ok(7));
    }

    #[test]
    fn what_is_no_description_is_explained() {
        let (starter, noted) = starter(|_| {});
        for text in ["", "program", "program = 7", &describe("colour = 'red'")] {
            let refused = start(&starter, text).unwrap_err();
            assert_eq!(refused.status, NtStatus::INVALID_PARAMETER, "{text}");
            assert!(!refused.why.is_empty());
        }
        let many = describe(&format!("arguments = {:?}", vec!["x"; 300]));
        assert!(
            start(&starter, &many)
                .unwrap_err()
                .why
                .contains("more than 256")
        );
        assert!(noted.0.lock().is_empty());
    }

    #[test]
    fn a_program_that_others_may_change_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::copy(program(), &path).unwrap();
        let refused = check_file(&path).unwrap_err();
        assert!(refused.contains("others may change"), "{refused}");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(program(), &link).unwrap();
        assert!(check_file(&link).unwrap_err().contains("is a link to"));
        assert!(
            check_file(Path::new("/usr/bin"))
                .unwrap_err()
                .contains("is no program")
        );
        assert!(check_file(Path::new("/usr/bin/none-such")).is_err());
        assert_eq!(check_file(&program()), Ok(()));
    }
}
