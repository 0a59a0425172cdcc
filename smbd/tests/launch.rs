//! The helper that becomes a program in a control group: here the way into the group is a file.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use share_handlers::config_share::Launch;

/// Has the helper run a program; what came of it, and what it wrote to go into the group.
fn help(launch: &Launch) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    let entrance = folder.path().join("entrance");
    let mut helper = Command::new(env!("CARGO_BIN_EXE_smbd"))
        .arg("start-in-compartment")
        .env("LEFT_OVER", "x")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(&entrance).unwrap())
        .spawn()
        .unwrap();
    let what = serde_json::to_vec(launch).unwrap();
    helper.stdin.take().unwrap().write_all(&what).unwrap();
    let output = helper.wait_with_output().unwrap();
    (output, fs::read_to_string(entrance).unwrap())
}

fn launch(program: &str, arguments: &[&str]) -> Launch {
    Launch {
        program: PathBuf::from(program),
        arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
        environment: BTreeMap::new(),
        folder: PathBuf::from("/"),
        user: None,
    }
}

#[test]
fn the_program_has_what_was_said_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let facts = folder.join("facts");
    let mut shell = launch("/bin/sh", &["-c", SCRIPT]);
    shell.folder.clone_from(&folder);
    shell.environment.insert("MARK".into(), "7".into());
    let (output, entrance) = help(&shell);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(entrance, "0");
    assert_eq!(output.stdout, b"");
    let facts = fs::read_to_string(facts).unwrap();
    let expected = format!(
        "{} 7 none /dev/null /dev/null /dev/null\n",
        folder.display()
    );
    assert_eq!(facts, expected);
}

/// Notes folder, variables and streams in a file.
const SCRIPT: &str = r#"
streams="$(readlink /proc/$$/fd/0) $(readlink /proc/$$/fd/1) $(readlink /proc/$$/fd/2)"
echo "$PWD $MARK ${LEFT_OVER:-none} $streams" > facts
"#;

#[test]
fn the_program_gets_nothing_that_was_left_open() {
    let folder = tempfile::tempdir().unwrap();
    let left = File::create(folder.path().join("left-open")).unwrap();
    rustix::io::fcntl_setfd(&left, rustix::io::FdFlags::empty()).unwrap();
    let mut shell = launch("/bin/sh", &["-c", "ls -l /proc/$$/fd > facts"]);
    shell.folder = folder.path().canonicalize().unwrap();
    shell
        .environment
        .insert("PATH".into(), "/usr/bin:/bin".into());
    let (output, _) = help(&shell);
    assert!(output.status.success(), "{output:?}");
    let facts = fs::read_to_string(folder.path().join("facts")).unwrap();
    assert!(facts.contains("/dev/null"), "{facts}");
    assert!(!facts.contains("left-open"), "{facts}");
}

#[test]
fn what_does_not_run_is_explained() {
    let told = |launch: &Launch| {
        let (output, entrance) = help(launch);
        assert!(!output.status.success());
        (String::from_utf8(output.stdout).unwrap(), entrance)
    };
    let (why, entrance) = told(&launch("/none/such", &[]));
    assert!(why.starts_with("/none/such does not run: "), "{why}");
    // It was in the group by then.
    assert_eq!(entrance, "0");
    let mut stranger = launch("/bin/true", &[]);
    stranger.user = Some("no-such-user-here".to_owned());
    let (why, _) = told(&stranger);
    assert_eq!(
        why,
        "user: no-such-user-here: this machine has no such user"
    );
}

#[test]
fn the_program_runs_as_the_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped, needs root: the_program_runs_as_the_user");
        return;
    }
    let mut shell = launch("/bin/sh", &["-c", "test $(id -un):$(id -G) = nobody:65534"]);
    shell.user = Some("nobody".to_owned());
    shell
        .environment
        .insert("PATH".into(), "/usr/bin:/bin".into());
    assert!(Path::new("/usr/bin/id").exists() || Path::new("/bin/id").exists());
    let (output, _) = help(&shell);
    assert!(output.status.success(), "{output:?}");
}
