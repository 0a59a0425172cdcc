//! Prints documents by the command that a share's settings name.
//!
//! Owns how the command is started: without a shell and without the server's environment, with what a client says in
//! arguments of their own, and the document as its standard input; and that it is ended with all that it has started
//! when it takes too long. What becomes of the job is the queue's to decide.

use std::{env, fs::File, io, process::Stdio};

use config::print::{Field, Piece, pieces};
use nix::unistd::User;
use rustix::process::{Pid, Signal, kill_process_group};
use server::share::Answer;
use share_handlers::print::{Document, Printer};
use tokio::{
    process::{Child, Command},
    time::timeout,
};
use wire::NtStatus;

use crate::failure::Failure;

/// The command of one share.
#[derive(Clone, Debug)]
pub(crate) struct PrintCommand {
    settings: config::Print,
    share: String,
    /// The user of this machine whom the command runs as, and that user's group; none for the program's own.
    user: Option<(u32, u32)>,
}

impl PrintCommand {
    /// The command of a share.
    ///
    /// # Errors
    ///
    /// There is no user of this machine as whom it should run.
    pub(crate) fn new(share: &config::Share) -> Result<Self, Failure> {
        let is_root = rustix::process::geteuid().is_root();
        let user = match share.force_user.as_deref().filter(|_| is_root) {
            None => None,
            Some(name) => {
                let found = User::from_name(name).ok().flatten();
                let missing = || Failure::new(format!("this machine has no user {name:?}"));
                let user = found.ok_or_else(missing)?;
                Some((user.uid.as_raw(), user.gid.as_raw()))
            }
        };
        Ok(Self {
            settings: share.print.clone(),
            share: share.name.clone(),
            user,
        })
    }

    /// Program and arguments for a document; none where nothing is configured.
    fn words(&self, document: &Document) -> Option<(String, Vec<String>)> {
        let command = self.settings.command.iter();
        let mut words = command.map(|argument| self.fill(argument, document));
        Some((words.next()?, words.collect()))
    }

    fn fill(&self, argument: &str, document: &Document) -> String {
        let pieces = pieces(argument).unwrap_or_default();
        let starts_with_field = matches!(pieces.first(), Some(Piece::Field(_)));
        let filled = pieces.into_iter().map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Field(Field::File) => document.path.display().to_string(),
            Piece::Field(Field::Title) => document.title.clone(),
            Piece::Field(Field::User) => document.user.clone(),
            Piece::Field(Field::Client) => document.client.clone(),
            Piece::Field(Field::Job) => document.job.to_string(),
            Piece::Field(Field::Printer) => self.share.clone(),
        });
        let filled: String = filled.collect();
        // What a client says is never an option.
        if starts_with_field {
            filled.trim_start_matches('-').to_owned()
        } else {
            filled
        }
    }

    async fn run(&self, document: &Document) -> io::Result<()> {
        let Some((program, arguments)) = self.words(document) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir("/")
            .env_clear()
            .envs(env::var_os("PATH").map(|path| ("PATH", path)))
            // Titles and names are in UTF-8.
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::from(File::open(&document.path)?))
            .stdout(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        if let Some((uid, gid)) = self.user {
            // The superuser's other groups go with it.
            command.uid(uid).gid(gid);
        }
        let mut started = Started(command.spawn()?);
        let status = timeout(self.settings.timeout, started.0.wait()).await;
        match status.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))? {
            status if status.success() => Ok(()),
            status => Err(io::Error::other(format!("the command ended with {status}"))),
        }
    }
}

/// A command that is running. Dropped before it has ended, it ends, with all that it has started.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // As long as it has not been waited for, its number is no other group's.
        let number = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = number.and_then(Pid::from_raw) {
            // Nothing is left to end where this fails.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Printer for PrintCommand {
    fn print(&self, document: Document) -> Answer<'static, ()> {
        let command = self.clone();
        Box::pin(async move {
            let (share, job) = (&command.share, document.job);
            match command.run(&document).await {
                Ok(()) => {
                    tracing::info!(target: "smb::share", share, job, user = document.user, "printed");
                    Ok(())
                }
                Err(error) => {
                    tracing::warn!(target: "smb::share", share, job, %error, "a job was not printed");
                    Err(NtStatus::UNSUCCESSFUL)
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use super::*;

    fn command(words: &[&str]) -> PrintCommand {
        let share = config::Share {
            name: "laser".into(),
            print: config::Print {
                command: words.iter().map(|word| (*word).to_owned()).collect(),
                timeout: Duration::from_millis(300),
                ..config::Print::default()
            },
            ..config::Share::default()
        };
        PrintCommand::new(&share).unwrap()
    }

    fn document(path: &Path) -> Document {
        Document {
            job: 7,
            path: path.to_owned(),
            title: "--a; rm -rf {user} \"$(x)\"".into(),
            user: "alice".into(),
            client: "192.0.2.7".into(),
        }
    }

    #[test]
    fn what_a_client_says_is_one_argument_and_no_option() {
        let words = [
            "lp",
            "-t",
            "{title}",
            "-T={title}",
            "{printer}/{job}/{user}@{client}",
        ];
        let (program, arguments) = command(&words).words(&document(Path::new("/d"))).unwrap();
        assert_eq!(program, "lp");
        let title = "a; rm -rf {user} \"$(x)\"";
        let last = "laser/7/alice@192.0.2.7";
        assert_eq!(arguments, ["-t", title, &format!("-T=--{title}"), last]);
    }

    #[tokio::test]
    async fn the_command_gets_the_document_at_its_standard_input() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "hello").unwrap();
        let to_text = to.display().to_string();
        let copy = command(&["cp", "/dev/stdin", &to_text]);
        assert_eq!(copy.print(document(&from)).await, Ok(()));
        assert_eq!(fs::read(&to).unwrap(), b"hello");
    }

    #[tokio::test]
    async fn the_command_has_nothing_of_the_servers_environment_but_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "hello").unwrap();
        let script = format!("tr '\\0' '\\n' < /proc/$$/environ > {}", to.display());
        let list = command(&["sh", "-c", &script]);
        assert_eq!(list.print(document(&from)).await, Ok(()));
        let told = fs::read_to_string(&to).unwrap();
        let mut names: Vec<_> = told.lines().map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        assert_eq!(names, [Some("LANG"), Some("PATH")]);
    }

    /// A document, and a command that leaves the work to another process, whose number it writes down.
    fn delegating(folder: &Path) -> (PrintCommand, Document) {
        let (from, number) = (folder.join("from"), folder.join("number"));
        fs::write(&from, "hello").unwrap();
        let script = format!("sleep 300 & echo $! > {}; wait", number.display());
        (command(&["sh", "-c", &script]), document(&from))
    }

    /// Waits until the process whose number is written there has ended.
    async fn wait_for_end(number: &Path) {
        let number = fs::read_to_string(number).unwrap();
        let state = format!("/proc/{}/stat", number.trim());
        let is_there = || fs::read_to_string(&state).is_ok_and(|text| !text.contains(") Z "));
        for _ in 0..100 {
            if !is_there() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("process {number} goes on");
    }

    #[tokio::test]
    async fn what_a_command_has_started_ends_with_it_when_it_takes_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let (command, document) = delegating(folder.path());
        let printed = command.print(document).await;
        assert_eq!(printed, Err(NtStatus::UNSUCCESSFUL));
        wait_for_end(&folder.path().join("number")).await;
    }

    #[tokio::test]
    async fn what_a_command_has_started_ends_with_it_when_the_job_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let (command, document) = delegating(folder.path());
        let number = folder.path().join("number");
        let is_started = async {
            while !fs::read_to_string(&number).is_ok_and(|text| text.ends_with('\n')) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            printed = command.print(document) => panic!("it has ended: {printed:?}"),
            () = is_started => {}
        }
        wait_for_end(&number).await;
    }

    #[tokio::test]
    async fn a_command_that_fails_is_missing_or_takes_too_long_has_not_printed() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::write(&from, "hello").unwrap();
        for words in [&["false"][..], &["/no/such/program"], &["sleep", "60"], &[]] {
            let printed = command(words).print(document(&from)).await;
            assert_eq!(printed, Err(NtStatus::UNSUCCESSFUL), "{words:?}");
        }
    }
}
