//! Compartments over a folder that stands for a control group, with processes of this machine in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use config::Program;
use server::share::Replace;

use super::*;
use crate::config_share::cgroup::Group;

/// A share over a folder that looks like a control group with two below it.
struct Scene {
    share: Share,
    made: Arc<Made>,
    folder: tempfile::TempDir,
}

/// A program that every system has, without links.
fn program() -> PathBuf {
    Path::new("/bin/true").canonicalize().unwrap()
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    for group in ["", "web", "Odd:name"] {
        let group = folder.path().join(group);
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("cgroup.procs"), "").unwrap();
        fs::write(group.join("cgroup.subtree_control"), "").unwrap();
    }
    fs::write(folder.path().join("web/pids.max"), "max\n").unwrap();
    let mut settings = config::Share::default();
    settings.compartments.end_after = Duration::from_millis(20);
    settings.programs = vec![Program {
        path: program(),
        ..Program::default()
    }];
    let made = Arc::new(Made::default());
    let group = Group::pretended(folder.path());
    let share = ConfigShare::with_group(&settings, parts(&made), Some(group));
    Scene {
        share: used(share),
        made,
        folder,
    }
}

/// A process that is ended with the test.
struct Sleeper(Child);

impl Sleeper {
    /// It has its name a moment after it was started.
    fn new() -> Self {
        let sleeper = Self(Command::new("sleep").arg("600").spawn().unwrap());
        let comm = format!("/proc/{}/comm", sleeper.0.id());
        while fs::read_to_string(&comm).unwrap() != "sleep\n" {
            std::thread::yield_now();
        }
        sleeper
    }

    fn file(&self) -> String {
        format!("sleep.{}", self.0.id())
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Scene {
    /// Puts the process into the group, as the kernel would show it.
    fn put(&self, group: &str, sleeper: &Sleeper) {
        let file = self.folder.path().join(group).join("cgroup.procs");
        fs::write(file, format!("{}\n", sleeper.0.id())).unwrap();
    }

    fn refusal(&self, name: &str, how: &OpenHow) -> NtStatus {
        self.share.open(name, how).map(drop).unwrap_err()
    }
}

#[test]
fn groups_are_folders_whatever_they_are_called() {
    let scene = scene();
    let names = scene.share.names("");
    let expected = [
        "processes",
        "settings",
        "start_bin",
        "statistics",
        "subcompartment_Odd\u{f022}name",
        "subcompartment_web",
    ];
    assert_eq!(names, expected);
    let names = scene.share.names("SubCompartment_WEB");
    assert_eq!(names, ["pids.max", "processes", "start_bin"]);
    assert!(
        scene
            .share
            .exists("subcompartment_odd\u{f022}name\\processes")
    );
    let existing = to_open();
    for name in ["subcompartment_", "subcompartment_none", "web"] {
        assert_eq!(
            scene.refusal(name, &existing),
            NtStatus::OBJECT_NAME_NOT_FOUND
        );
    }
}

#[test]
fn a_folder_makes_a_group_only_where_its_name_says_so() {
    let scene = scene();
    scene
        .share
        .make_folder("subcompartment_web\\subcompartment_new");
    assert!(scene.folder.path().join("web/new").is_dir());
    let how = to_make_folder();
    for (name, status) in [
        ("new", NtStatus::ACCESS_DENIED),
        ("processes\\new", NtStatus::ACCESS_DENIED),
        ("subcompartment_", NtStatus::ACCESS_DENIED),
        ("subcompartment_cgroup.x", NtStatus::OBJECT_NAME_INVALID),
        ("subcompartment_web", NtStatus::OBJECT_NAME_COLLISION),
        (
            "subcompartment_none\\subcompartment_x",
            NtStatus::OBJECT_PATH_NOT_FOUND,
        ),
    ] {
        assert_eq!(scene.refusal(name, &how), status, "{name}");
    }
    let file = to_create(Disposition::New);
    assert_eq!(
        scene.refusal("subcompartment_file", &file),
        NtStatus::ACCESS_DENIED
    );
    assert_eq!(fs::read_dir(scene.folder.path()).unwrap().count(), 4);
}

#[test]
fn a_link_leads_nowhere() {
    let scene = scene();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("cgroup.procs"), "1\n").unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), scene.folder.path().join("link")).unwrap();
    assert_eq!(
        scene.refusal("subcompartment_link", &to_open()),
        NtStatus::OBJECT_NAME_NOT_FOUND
    );
    let names = scene.share.names("");
    assert!(!names.iter().any(|name| name.contains("link")));
}

#[test]
fn a_limit_is_read_and_written_whole() {
    let scene = scene();
    let name = "subcompartment_web\\pids.max";
    assert_eq!(text(&scene.share, name), "max\n");
    let limit = scene.share.open(name, &to_open()).unwrap();
    assert_eq!(write(&limit, "7\n"), Ok(()));
    let file = scene.folder.path().join("web/pids.max");
    assert_eq!(fs::read_to_string(&file).unwrap(), "7\n");
    assert_eq!(limit.read(10).unwrap(), b"7\n");
    let behind = WriteAt {
        place: Place::Offset(1),
        write_through: false,
    };
    let refused = wait(limit.handle().write(behind, Bytes::from_static(b"7")));
    assert_eq!(refused, Err(NtStatus::INVALID_PARAMETER));
    assert_eq!(limit.check_delete(), Err(NtStatus::CANNOT_DELETE));
    let missing = scene.refusal("subcompartment_web\\cpu.max", &to_open());
    assert_eq!(missing, NtStatus::OBJECT_NAME_NOT_FOUND);
}

#[test]
fn deleting_a_process_ends_it_and_nothing_else_does() {
    let scene = scene();
    let mut sleeper = Sleeper::new();
    let name = format!("subcompartment_web\\processes\\{}", sleeper.file());
    assert_eq!(
        scene.refusal(&name, &to_open()),
        NtStatus::OBJECT_NAME_NOT_FOUND
    );
    scene.put("web", &sleeper);
    assert_eq!(
        scene.share.names("subcompartment_web\\processes"),
        [sleeper.file()]
    );
    assert!(scene.share.names("processes").is_empty());
    let file = scene.share.open(&name, &to_open()).unwrap();
    assert_eq!(write(&file, "x"), Err(NtStatus::ACCESS_DENIED));
    let allowed = server::access::maximal_access(
        &scene.share.caller.token,
        file.0.security.as_ref().unwrap(),
    );
    let data = AccessMask::FILE_READ_DATA.with(AccessMask::FILE_WRITE_DATA);
    assert!(!allowed.intersects(data) && allowed.contains(AccessMask::DELETE));
    file.close();
    assert!(!sleeper.has_ended());
    let deleting = scene.share.open(&name, &to_open()).unwrap();
    let handle = Arc::clone(&deleting.0.handle);
    let mut closing = handle.close(server::share::CloseHow::Delete(scene.share.caller.clone()));
    drive(&scene, &mut closing);
    assert!(sleeper.has_ended());
}

/// Polls an answer until it is there, letting time pass in between.
fn drive(scene: &Scene, answer: &mut Answer<'_, ()>) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for _ in 0..500 {
        if let std::task::Poll::Ready(result) = answer.as_mut().poll(&mut context) {
            assert_eq!(result, Ok(()));
            return;
        }
        scene.made.turn();
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it does not end");
}

#[test]
fn a_process_that_has_left_the_compartments_is_not_ended() {
    let scene = scene();
    let mut sleeper = Sleeper::new();
    scene.put("web", &sleeper);
    let name = format!("subcompartment_web\\processes\\{}", sleeper.file());
    let file = scene.share.open(&name, &to_open()).unwrap();
    fs::write(scene.folder.path().join("web/cgroup.procs"), "").unwrap();
    assert_eq!(file.delete(), Err(NtStatus::ACCESS_DENIED));
    assert!(!sleeper.has_ended());
}

#[test]
fn a_process_moves_to_another_compartment_under_its_own_name_only() {
    let scene = scene();
    let sleeper = Sleeper::new();
    scene.put("web", &sleeper);
    let name = format!("subcompartment_web\\processes\\{}", sleeper.file());
    let file = scene.share.open(&name, &to_open()).unwrap();
    for target in ["processes\\other.1", "statistics\\x", "processes", "x"] {
        let refused = file.rename(target, Replace::Never);
        assert_eq!(refused, Err(NtStatus::ACCESS_DENIED), "{target}");
    }
    let target = format!("processes\\{}", sleeper.file());
    assert_eq!(file.rename(&target, Replace::Never), Ok(()));
    let taken_in = fs::read_to_string(scene.folder.path().join("cgroup.procs")).unwrap();
    assert_eq!(taken_in, sleeper.0.id().to_string());
    let name = wait(file.handle().name()).unwrap();
    assert_eq!(name.to_string(), target);
}

#[test]
fn a_file_that_is_renamed_to_start_is_run_and_gone() {
    let scene = scene();
    let text = format!("program = '{}'", program().display());
    scene
        .share
        .write_file("subcompartment_web\\start_bin\\job", text.as_bytes());
    let job = scene
        .share
        .open("subcompartment_web\\start_bin\\job", &to_open());
    let job = job.unwrap();
    let start = "Subcompartment_Web\\START_BIN\\start";
    assert_eq!(
        job.rename("start_bin\\start", Replace::Never),
        Err(NtStatus::NOT_SAME_DEVICE)
    );
    assert!(scene.made.launched.lock().is_empty());
    assert_eq!(job.rename(start, Replace::Never), Ok(()));
    let again = job.rename(start, Replace::IfExists);
    assert_eq!(again, Err(NtStatus::DELETE_PENDING));
    job.close();
    let launched = std::mem::take(&mut *scene.made.launched.lock());
    assert_eq!(launched.len(), 1);
    assert_eq!(launched[0].program, program());
    assert!(
        scene
            .share
            .names("subcompartment_web\\start_bin")
            .is_empty()
    );
    // Those who watch hear of both names, from the server and from here.
    scene.made.turn();
    scene.made.turn();
    let gone = (start.to_owned(), FileAction::REMOVED);
    assert_eq!(scene.made.take_changes(), [gone]);
}

#[test]
fn a_mistake_is_refused_and_explained_and_the_file_stays() {
    let scene = scene();
    scene
        .share
        .write_file("start_bin\\job", b"program = '/bin/sh'");
    let job = scene.share.open("start_bin\\job", &to_open()).unwrap();
    let refused = job.rename("start_bin\\start", Replace::IfExists);
    assert_eq!(refused, Err(NtStatus::ACCESS_DENIED));
    let why = text(&scene.share, "start_bin\\last_error.txt");
    assert_eq!(why, "program: /bin/sh may not be started here\n");
    assert_eq!(scene.share.names("start_bin"), ["job", "last_error.txt"]);
    assert_eq!(
        wait(job.handle().name()).unwrap().to_string(),
        "start_bin\\job"
    );
    assert_eq!(job.rename("start_bin\\work", Replace::Never), Ok(()));
    assert_eq!(scene.share.names("start_bin"), ["last_error.txt", "work"]);
    assert!(scene.made.launched.lock().is_empty());
}

#[test]
fn nothing_is_made_as_start() {
    let scene = scene();
    for how in [
        to_create(Disposition::New),
        to_create(Disposition::Either),
        to_make_folder(),
    ] {
        assert_eq!(
            scene.refusal("start_bin\\Start", &how),
            NtStatus::ACCESS_DENIED
        );
    }
    assert_eq!(
        scene.refusal("start_bin\\start", &to_open()),
        NtStatus::OBJECT_NAME_NOT_FOUND
    );
    scene.share.write_file("start_bin\\job", b"");
    let job = scene.share.open("start_bin\\job", &to_open()).unwrap();
    let target = Name::parse_text("start_bin\\start").unwrap();
    let replace = Replace::Never;
    let linked = job.set(server::share::SetInfo::Link { target, replace });
    assert_eq!(linked, Err(NtStatus::ACCESS_DENIED));
}

#[test]
fn who_watches_is_told_of_processes_and_groups() {
    let scene = scene();
    let root = scene.share.open("", &to_open()).unwrap();
    root.handle().watch(WatchScope::Tree).unwrap();
    scene.made.turn();
    let sleeper = Sleeper::new();
    scene.put("web", &sleeper);
    fs::create_dir(scene.folder.path().join("late")).unwrap();
    fs::write(scene.folder.path().join("late/cgroup.procs"), "").unwrap();
    scene.made.turn();
    let process = format!("subcompartment_web\\processes\\{}", sleeper.file());
    let changes = [
        ("subcompartment_late".to_owned(), FileAction::ADDED),
        (process.clone(), FileAction::ADDED),
    ];
    assert_eq!(scene.made.take_changes(), changes);
    drop(sleeper);
    scene.share.make_folder("subcompartment_mine");
    scene.made.turn();
    assert_eq!(scene.made.take_changes(), [(process, FileAction::REMOVED)]);
}

#[test]
fn what_is_no_control_group_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Group::configured(folder.path()).err().unwrap().to_string();
    assert!(
        refused.starts_with("it is no control group of version 2."),
        "{refused}"
    );
    assert!(refused.contains("Delegate=yes"));
    let missing = Group::configured(Path::new("/none/such")).err().unwrap();
    assert!(missing.to_string().starts_with("it cannot be opened"));
}
