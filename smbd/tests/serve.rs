//! The built program while it serves: start, log-on, status, reload, drain, sockets handed in.
//!
//! The client is `smbclient`; where it is not installed the tests that need it say so and are
//! skipped.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A running server with a folder of its own.
struct Running {
    folder: TempDir,
    port: u16,
    program: Child,
    log: Receiver<String>,
}

impl Running {
    /// Starts the server with this behind the section `[server]`'s first lines.
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let running = Self::command(env!("CARGO_BIN_EXE_smbd"), &[], folder.path());
        Self::start_in(folder, port, more, running)
    }

    fn start_in(folder: TempDir, port: u16, more: &str, mut command: Command) -> Self {
        write_configuration(folder.path(), port, more);
        let mut program = command.spawn().unwrap();
        let (sender, log) = channel();
        let errors = BufReader::new(program.stderr.take().unwrap());
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let running = Self {
            folder,
            port,
            program,
            log,
        };
        running.wait_for("listening");
        running
    }

    fn command(program: &str, arguments: &[&str], folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .args(["--config", "shares.toml"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs another of the program's commands.
    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Self::command(env!("CARGO_BIN_EXE_smbd"), arguments, self.folder.path());
        let mut program = command.stdin(Stdio::piped()).spawn().unwrap();
        let _ = program.stdin.take().unwrap().write_all(input.as_bytes());
        program.wait_with_output().unwrap()
    }

    fn status(&self) -> String {
        String::from_utf8(self.run(&["status"], "").stdout).unwrap()
    }

    /// Waits for a line of the log that contains this text, and returns it.
    fn wait_for(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut seen = Vec::new();
        loop {
            let patience = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(patience) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("no line with {text:?} in the log: {error}; {seen:#?}"),
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.program.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Stops the server and returns how it ended and how long that took.
    fn stop(mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        self.signal("-TERM");
        let status = self.program.wait().unwrap();
        (status.code(), begun.elapsed())
    }

    fn client(&self, share: &str, user: &str, commands: &str) -> Command {
        let mut client = Command::new("smbclient");
        client
            .args([
                &format!("//127.0.0.1/{share}"),
                "-p",
                &self.port.to_string(),
            ])
            .args(["-U", user, "-c", commands])
            .current_dir(self.folder.path());
        client
    }

    /// A client that stays connected.
    fn visit(&self, user: &str) -> Visit {
        let mut command = Command::new("smbclient");
        let share = "//127.0.0.1/files";
        command.args([share, "-p", &self.port.to_string(), "-U", user, "-E"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut client = command.spawn().unwrap();
        let output = BufReader::new(client.stderr.take().unwrap());
        Visit { client, output }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// A client that stays connected until it is dropped.
struct Visit {
    client: Child,
    output: BufReader<ChildStderr>,
}

impl Visit {
    /// Lists the share, and returns what the client says to that.
    fn list(&mut self) -> String {
        self.client
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"ls\n")
            .unwrap();
        let mut said = String::new();
        while !said.contains("blocks of size") && !said.contains("NT_STATUS_") {
            if self.output.read_line(&mut said).unwrap() == 0 {
                break;
            }
        }
        said
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn write_configuration(folder: &Path, port: u16, more: &str) {
    let text = format!(
        "[server]\nlisten = ['127.0.0.1:{port}']\nstate_dir = 'state'\naccounts = 'state/accounts'\n{more}\n\
         [identity]\nrun_as = 'program-user'\n[demo]\nuser = 'demo'\npassword = 'demo'\n\
         [[share]]\nname = 'files'\npath = 'files'\ncreate_directory = true\n\
         [[share]]\nname = 'memory'\nkind = 'memory'\n"
    );
    fs::write(folder.join("shares.toml"), text).unwrap();
}

fn has_smbclient() -> bool {
    let found = Command::new("smbclient").arg("--version").output().is_ok();
    if !found {
        println!("skipped: smbclient is not installed");
    }
    found
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn it_says_what_to_type_and_stops_at_once_when_nobody_is_there() {
    let mut running = Running::start("");
    let stdout = BufReader::new(running.program.stdout.take().unwrap());
    let wanted = format!(
        "smbclient //127.0.0.1/files -p {} -U demo%demo",
        running.port
    );
    assert!(
        stdout
            .lines()
            .map_while(Result::ok)
            .any(|line| line.contains(&wanted))
    );
    running.wait_for("serving everybody as the user");
    assert!(
        running
            .status()
            .contains("0 connections, 0 sessions, 0 opens")
    );
    let (code, took) = running.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn the_guid_stays_across_a_restart() {
    let running = Running::start("");
    let guid = fs::read_to_string(running.path("state/server-guid")).unwrap();
    assert!(running.status().contains(guid.trim()));
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    fs::create_dir(folder.path().join("state")).unwrap();
    fs::copy(
        running.path("state/server-guid"),
        folder.path().join("state/server-guid"),
    )
    .unwrap();
    drop(running);
    let command = Running::command(env!("CARGO_BIN_EXE_smbd"), &[], folder.path());
    let again = Running::start_in(folder, port, "", command);
    assert!(again.status().contains(guid.trim()));
}

#[test]
fn files_go_in_and_come_out_again() {
    if !has_smbclient() {
        return;
    }
    let running = Running::start("");
    let content: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number * 7 % 251) as u8)
        .collect();
    fs::write(running.path("original"), &content).unwrap();
    for share in ["files", "memory"] {
        let commands = "put original copy; get copy back; ls; del copy";
        let output = running
            .client(share, "demo%demo", commands)
            .output()
            .unwrap();
        assert!(output.status.success(), "{share}: {}", text(&output));
        assert_eq!(fs::read(running.path("back")).unwrap(), content, "{share}");
    }
    assert_eq!(fs::read_dir(running.path("files")).unwrap().count(), 0);
    let refused = running
        .client("files", "demo%wrong", "ls")
        .output()
        .unwrap();
    assert!(
        text(&refused).contains("NT_STATUS_LOGON_FAILURE"),
        "{}",
        text(&refused)
    );
}

#[test]
fn no_thread_may_pass_over_quotas_or_keep_set_user_id_bits() {
    const FSETID_AND_SYS_RESOURCE: u64 = 1 << 4 | 1 << 24;
    let running = Running::start("");
    running.status();
    let threads = fs::read_dir(format!("/proc/{}/task", running.program.id())).unwrap();
    for thread in threads {
        let facts = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        for held in facts.lines().filter_map(|line| {
            line.strip_prefix("CapEff:")
                .or(line.strip_prefix("CapPrm:"))
        }) {
            let held = u64::from_str_radix(held.trim(), 16).unwrap();
            assert_eq!(held & FSETID_AND_SYS_RESOURCE, 0, "{facts}");
        }
    }
}

#[test]
fn a_reload_takes_over_shares_and_accounts_and_a_wrong_one_changes_nothing() {
    if !has_smbclient() {
        return;
    }
    let running = Running::start("");
    let works = |share: &str, user: &str| {
        running
            .client(share, user, "ls")
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(!works("new", "demo%demo") && !works("files", "alice%secret"));
    assert!(
        running
            .run(&["user", "add", "alice"], "secret\n")
            .status
            .success()
    );
    let mut configuration = fs::read_to_string(running.path("shares.toml")).unwrap();
    configuration += "[[share]]\nname = 'new'\nkind = 'memory'\nusers = ['alice']\n";
    fs::write(running.path("shares.toml"), &configuration).unwrap();
    running.signal("-HUP");
    let line = running.wait_for("reloaded");
    assert!(line.contains("shares added: new"), "{line}");
    assert!(works("new", "alice%secret") && works("files", "alice%secret"));
    assert!(!works("new", "demo%demo"));

    fs::write(running.path("shares.toml"), "[server]\nlissen = 1\n").unwrap();
    running.signal("-HUP");
    running.wait_for("the reload changed nothing");
    running.wait_for("shares.toml:2: server.lissen: there is no such setting");
    assert!(works("new", "alice%secret"));
}

#[test]
fn a_reload_ends_only_what_is_no_longer_granted() {
    if !has_smbclient() {
        return;
    }
    let running = Running::start("[log]\nrequests = 'debug'");
    assert!(
        running
            .run(&["user", "add", "alice"], "secret\n")
            .status
            .success()
    );
    running.signal("-HUP");
    running.wait_for("reloaded");
    let (mut alice, mut demo) = (running.visit("alice%secret"), running.visit("demo%demo"));
    for visit in [&mut alice, &mut demo] {
        let first = visit.list();
        assert!(first.contains("blocks of size"), "{first}");
    }
    assert!(
        running
            .run(&["user", "remove", "alice"], "")
            .status
            .success()
    );
    running.signal("-HUP");
    let line = running.wait_for("reloaded");
    assert!(
        line.contains("ended_sessions=1 closed_tree_connects=0"),
        "{line}"
    );
    let (alice, demo) = (alice.list(), demo.list());
    assert!(alice.contains("NT_STATUS_"), "{alice}");
    running.wait_for("USER_SESSION_DELETED");
    assert!(demo.contains("blocks of size"), "{demo}");
}

#[test]
fn a_request_that_waits_for_ever_does_not_hold_up_the_end() {
    if !has_smbclient() {
        return;
    }
    let running = Running::start("");
    let mut client = running.client("files", "demo%demo", "mkdir d; notify d");
    let mut client = client
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let is_waiting = || text(&running.run(&["status", "--json"], "")).contains("waiting\": 1");
    while !is_waiting() {
        assert!(Instant::now() < deadline, "CHANGE_NOTIFY does not wait");
        thread::sleep(Duration::from_millis(50));
    }
    let (code, took) = running.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
    client.wait().unwrap();
}

#[test]
fn a_service_manager_is_told_when_it_is_ready_and_when_it_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let heard = || {
        let mut message = [0; 200];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let mut command = Running::command(env!("CARGO_BIN_EXE_smbd"), &[], folder.path());
    command.env("NOTIFY_SOCKET", &path);
    let running = Running::start_in(folder, free_port(), "", command);
    assert_eq!(heard(), "READY=1\n");
    running.signal("-HUP");
    assert!(heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(heard(), "READY=1\n");
    assert_eq!(running.stop().0, Some(0));
    assert_eq!(heard(), "STOPPING=1\n");
}

#[test]
fn whoever_says_nothing_is_disconnected_and_does_not_hold_up_the_end() {
    let running = Running::start("authentication_timeout = '1 s'");
    let mut silent = TcpStream::connect(("127.0.0.1", running.port)).unwrap();
    silent
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let begun = Instant::now();
    assert_eq!(std::io::Read::read(&mut silent, &mut [0; 1]).unwrap(), 0);
    assert!((900..5_000).contains(&begun.elapsed().as_millis()));
    let _another = TcpStream::connect(("127.0.0.1", running.port)).unwrap();
    let (code, took) = running.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn connections_beyond_the_limit_are_refused() {
    let running = Running::start("[limits]\nconnections = 2\nconnections_per_address = 2");
    let connect = || TcpStream::connect(("127.0.0.1", running.port)).unwrap();
    let (_one, _two, mut three) = (connect(), connect(), connect());
    running.wait_for("a connection was refused");
    three
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    assert!(matches!(
        std::io::Read::read(&mut three, &mut [0; 1]),
        Ok(0) | Err(_)
    ));
}

#[test]
fn a_socket_handed_in_takes_the_place_of_those_configured() {
    if !has_smbclient() || Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: python3 is not installed");
        return;
    }
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    // What a service manager does: listen, and become the program with the socket as descriptor 3.
    let script = format!(
        "import os, socket, sys\n\
         listener = socket.create_server(('127.0.0.1', {port}))\n\
         os.dup2(listener.fileno(), 3)\n\
         os.set_inheritable(3, True)\n\
         os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
         os.execv(sys.argv[1], sys.argv[1:])\n"
    );
    let program = env!("CARGO_BIN_EXE_smbd");
    let command = Running::command("python3", &["-c", &script, program], folder.path());
    let running = Running::start_in(folder, port, "", command);
    let output = running
        .client("memory", "demo%demo", "ls")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_second_server_on_the_same_port_says_why_it_cannot_start() {
    let running = Running::start("");
    let output = running.run(&[], "");
    assert_eq!(output.status.code(), Some(1));
    let sentence = format!(
        "smbd: cannot listen on 127.0.0.1:{}: Address already in use (os error 98) (is another SMB server running?)",
        running.port
    );
    assert!(text(&output).contains(&sentence), "{}", text(&output));
}
