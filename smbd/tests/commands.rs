//! The built program: `check` and `user`, with their exact output.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// A folder with a configuration file, and the program run on it.
struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("shares.toml"), configuration).unwrap();
        Self { folder }
    }

    fn with_accounts() -> Self {
        Self::new("[server]\naccounts = 'accounts'\n")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn accounts(&self) -> String {
        let text = fs::read_to_string(self.path("accounts")).unwrap();
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Runs the program in the folder, with this text on its standard input.
    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_smbd"))
            .args(arguments)
            .args(["--config", "shares.toml"])
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that fails early does not read its input.
        let _ = program.stdin.take().unwrap().write_all(input.as_bytes());
        program.wait_with_output().unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The NT hash of "Password", [MS-NLMP] 4.2.2.1.2.
const HASH: &str = "A4F49C406510BDCAB6824EE7C30FD852";

#[test]
fn check_prints_every_setting_in_effect() {
    let fixture =
        Fixture::new("[server]\ncomment = 'mine'\n[[share]]\nname = 'a'\npath = 'data'\n");
    let output = fixture.run(&["check"], "");
    assert!(output.status.success());
    let text = stdout(&output);
    assert!(
        text.starts_with("[server]\nlisten = [\"0.0.0.0:445\", \"[::]:445\"]\n"),
        "{text}"
    );
    assert!(text.contains("\ncomment = \"mine\"\n"), "{text}");
    assert!(
        text.contains("\n[[share]]\nname = \"a\"\nkind = \"disk\"\npath = \"data\"\n"),
        "{text}"
    );
    let again = Fixture::new(&text).run(&["check"], "");
    assert_eq!(stdout(&again), text);
}

#[test]
fn check_prints_each_mistake_and_exits_with_two() {
    let fixture = Fixture::new("[server]\nsining = 'required'\n\n[[share]]\nname = 'a'\n");
    let output = fixture.run(&["check"], "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    let expected = "\
shares.toml:2: server.sining: there is no such setting; perhaps \"signing\" is meant
shares.toml:4: share.path: a disk share needs one; give the folder to serve
";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn a_missing_configuration_is_a_failure() {
    let fixture = Fixture::new("");
    fs::remove_file(fixture.path("shares.toml")).unwrap();
    let output = fixture.run(&["check"], "");
    assert_eq!(output.status.code(), Some(1));
    let sentence = "smbd: cannot read shares.toml: No such file or directory (os error 2)\n";
    assert_eq!(stderr(&output), sentence);
}

#[test]
fn accounts_are_added_listed_changed_and_removed() {
    let fixture = Fixture::with_accounts();
    let added = fixture.run(&["user", "add", "alice"], "Password\n");
    assert_eq!(
        stderr(&added),
        "added alice; a running server takes it over on SIGHUP\n"
    );
    assert!(added.status.success());
    assert_eq!(fixture.accounts(), format!("alice:{HASH}:"));
    assert_eq!(mode(&fixture.path("accounts")), 0o600);

    let options = [
        "user", "add", "bob", "--uid", "1000", "--group", "staff", "--group", "media",
    ];
    let more = ["--comment", "Bob B.", "--must-encrypt"];
    assert!(
        fixture
            .run(&[&options[..], &more[..]].concat(), "other\n")
            .status
            .success()
    );
    let listed = stdout(&fixture.run(&["user", "list"], ""));
    let expected =
        "alice\nbob                  uid=1000 groups=staff,media must encrypt (Bob B.)\n";
    assert_eq!(listed, expected);

    assert!(
        fixture
            .run(&["user", "passwd", "BOB"], "Password\n")
            .status
            .success()
    );
    assert!(
        fixture
            .accounts()
            .contains(&format!("\nbob:{HASH}:uid=1000;"))
    );
    assert!(
        fixture
            .run(&["user", "remove", "alice"], "")
            .status
            .success()
    );
    assert!(fixture.accounts().starts_with("bob:"));
}

#[test]
fn groups_are_added_filled_listed_renamed_and_removed() {
    let fixture = Fixture::with_accounts();
    let run = |arguments: &[&str]| {
        let output = fixture.run(arguments, "x\n");
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    run(&["user", "add", "alice"]);
    run(&["user", "add", "bob", "--group", "media"]);
    run(&["group", "add", "staff", "--comment", "Who works here"]);
    run(&["group", "add", "empty", "--rid", "1200"]);
    run(&["group", "join", "Staff", "alice", "bob"]);
    run(&["group", "leave", "staff", "bob"]);
    let listed = run(&["group", "list"]);
    let expected = "empty                rid=1200\nmedia                members=bob\n\
        staff                rid=268435456 members=alice (Who works here)\n";
    assert_eq!(listed, expected);
    run(&["group", "rename", "staff", "crew"]);
    run(&["group", "remove", "empty"]);
    assert!(fixture.accounts().contains("groups=crew\n"));
    assert!(
        fixture
            .accounts()
            .contains("@crew:rid=268435456;comment=Who works here")
    );
    assert_eq!(mode(&fixture.path("accounts")), 0o600);

    let before = fixture.accounts();
    for (arguments, sentence) in [
        (
            &["group", "add", "CREW"][..],
            "there is already a group `CREW`",
        ),
        (
            &["group", "add", "alice"],
            "there is already an account `alice`",
        ),
        (
            &["group", "add", "low", "--rid", "544"],
            "the number 544 is taken",
        ),
        (&["group", "add", "a:b"], "the name contains"),
        (&["group", "remove", "Administrators"], "always there"),
        (
            &["group", "join", "none", "alice"],
            "there is no group `none`",
        ),
        (
            &["group", "join", "crew", "none"],
            "there is no account `none`",
        ),
        (
            &["group", "rename", "crew", "media"],
            "there is already a group `media`",
        ),
    ] {
        let output = fixture.run(arguments, "");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains(sentence), "{}", stderr(&output));
        assert_eq!(fixture.accounts(), before);
    }
}

#[test]
fn what_cannot_be_done_leaves_the_account_file_as_it_was() {
    let fixture = Fixture::with_accounts();
    assert!(
        fixture
            .run(&["user", "add", "alice"], "Password\n")
            .status
            .success()
    );
    let before = fs::read(fixture.path("accounts")).unwrap();
    for (arguments, input, sentence) in [
        (
            &["user", "add", "ALICE"][..],
            "x\n",
            "smbd: there is already an account `ALICE`\n",
        ),
        (
            &["user", "add", "a:b"],
            "x\n",
            "smbd: the name contains a control character or one of \" / \\ [ ] : ; | = , + * ? < > @\n",
        ),
        (
            &["user", "add", "bob"],
            "\n",
            "smbd: the password is empty; nothing was changed\n",
        ),
        (
            &["user", "passwd", "bob"],
            "x\n",
            "smbd: there is no account `bob`\n",
        ),
        (
            &["user", "remove", "bob"],
            "",
            "smbd: there is no account `bob`\n",
        ),
        (
            &["user", "import", "none"],
            "",
            "smbd: cannot read none: No such file or directory (os error 2)\n",
        ),
    ] {
        let output = fixture.run(arguments, input);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(stderr(&output), sentence);
        assert_eq!(
            fs::read(fixture.path("accounts")).unwrap(),
            before,
            "{arguments:?}"
        );
    }
}

#[test]
fn an_account_file_that_others_may_read_is_refused() {
    let fixture = Fixture::with_accounts();
    assert!(
        fixture
            .run(&["user", "add", "alice"], "Password\n")
            .status
            .success()
    );
    fs::set_permissions(fixture.path("accounts"), fs::Permissions::from_mode(0o644)).unwrap();
    let output = fixture.run(&["user", "list"], "");
    assert_eq!(output.status.code(), Some(1));
    let sentence = "smbd: others may use accounts (mode 0644); forbid it: chmod 600 accounts\n";
    assert_eq!(stderr(&output), sentence);
}

#[test]
fn users_of_samba_are_imported() {
    let fixture = Fixture::with_accounts();
    let x = "X".repeat(32);
    let text = format!(
        "alice:1000:{x}:{HASH}:[U          ]:LCT-63A1B2C3:\npc$:1001:{x}:{HASH}:[W          ]:LCT-0:\n"
    );
    fs::write(fixture.path("smbpasswd"), text).unwrap();
    let output = fixture.run(&["user", "import", "smbpasswd"], "");
    assert!(output.status.success());
    let expected = "\
smbpasswd: line 2: not a user's account; expected an account with the flag U
added 1, updated 0, left out 1; a running server takes it over on SIGHUP
";
    assert_eq!(stderr(&output), expected);
    assert_eq!(fixture.accounts(), format!("alice:{HASH}:uid=1000"));
}

#[test]
fn many_changes_at_once_lose_none() {
    let fixture = Fixture::with_accounts();
    let names: Vec<String> = (0..12).map(|number| format!("user{number}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            let fixture = &fixture;
            scope.spawn(move || {
                assert!(fixture.run(&["user", "add", name], "x\n").status.success());
            });
        }
    });
    assert_eq!(
        stdout(&fixture.run(&["user", "list"], "")).lines().count(),
        names.len()
    );
}
