//! The rows that records of persistent opens are made of, in a database in the state folder.
//!
//! Owns the database and the one thread that uses it. Changes come there in a queue; all that wait
//! are made in one transaction, so that they share what the disk takes to make it durable. The file is
//! made with the first row: a server without such opens has none. Never looks into a row.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use bytes::Bytes;
use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableHandle,
};
use server::{
    persistence::{Change, PersistentStore, Row},
    share::Answer,
};
use tokio::sync::oneshot;
use wire::NtStatus;

use crate::{
    failure::Failure,
    files::{create_private_folder, folder_of},
};

/// The database, by the queue of what is to be changed in it.
pub(crate) struct Records {
    queue: Sender<Request>,
    failures: Arc<AtomicU64>,
}

/// Something to be done, and who waits for it.
struct Request {
    changes: Vec<Change>,
    done: oneshot::Sender<Result<(), NtStatus>>,
}

/// What the thread works with.
struct Keeper {
    path: PathBuf,
    /// None before the first record, and after a failure: then it is opened anew.
    database: Option<Database>,
    failures: Arc<AtomicU64>,
}

/// Whatever the database says is wrong.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

impl Records {
    /// The records in the state folder, and all rows that are there, in their order.
    ///
    /// # Errors
    ///
    /// The database is there but cannot be read.
    pub(crate) fn open(state_dir: &Path) -> Result<(Self, Vec<(Row, Bytes)>), Failure> {
        let path = state_dir.join(FILE);
        let mut keeper = Keeper {
            path,
            database: None,
            failures: Arc::default(),
        };
        let failures = keeper.failures.clone();
        let rows = keeper.load().map_err(|trouble| {
            let (path, advice) = (keeper.path.display(), advice(&trouble));
            Failure::new(format!("cannot read {path}: {trouble}; {advice}"))
        })?;
        let (queue, requests) = channel();
        let started = thread::Builder::new()
            .name("records".into())
            .spawn(move || keeper.work(&requests));
        started.map_err(|error| Failure::to("start the thread for records", error))?;
        Ok((Self { queue, failures }, rows))
    }
}

impl PersistentStore for Records {
    fn change(&self, changes: Vec<Change>) -> Answer<'static, ()> {
        let (done, answer) = oneshot::channel();
        // Were the thread gone, the answer would be too.
        let _ = self.queue.send(Request { changes, done });
        Box::pin(async { answer.await.unwrap_or(Err(FAILED)) })
    }

    fn settle(&self) -> Answer<'static, ()> {
        self.change(Vec::new())
    }

    fn failures(&self) -> u64 {
        self.failures.load(Ordering::Acquire)
    }
}

impl Keeper {
    /// Does what is asked for until nobody can ask any more.
    fn work(&mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv() {
            let mut together = vec![first];
            together.extend(requests.try_iter().take(MOST_TOGETHER));
            let result = self.make(&together).map_err(|trouble| {
                let path = self.path.display();
                tracing::error!(%path, "records of persistent opens cannot be written: {trouble}");
                self.database = None;
                self.failures.fetch_add(1, Ordering::Release);
                FAILED
            });
            for request in together {
                // Not everybody waits.
                let _ = request.done.send(result);
            }
        }
    }

    /// All rows that there are.
    fn load(&mut self) -> Result<Vec<(Row, Bytes)>, Trouble> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let database = self.database()?;
        check_tables(database)?;
        let transaction = database.begin_read()?;
        let table = match transaction.open_table(TABLE) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut rows = Vec::new();
        for entry in table.iter()? {
            let (key, bytes) = entry?;
            let (open, part) = key.value();
            rows.push((Row { open, part }, Bytes::copy_from_slice(bytes.value())));
        }
        Ok(rows)
    }

    /// Makes all changes, or none.
    fn make(&mut self, requests: &[Request]) -> Result<(), Trouble> {
        let mut changes = requests.iter().flat_map(|request| &request.changes);
        let has_rows = self.database.is_some() || self.path.exists();
        if !changes.any(|change| has_rows || matches!(change, Change::Put(..))) {
            return Ok(());
        }
        let transaction = self.database()?.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for change in requests.iter().flat_map(|request| &request.changes) {
                match change {
                    Change::Put(row, bytes) => drop(table.insert(key(*row), &bytes[..])?),
                    Change::Remove(row) => drop(table.remove(key(*row))?),
                    Change::RemoveAll(open) => {
                        table.retain_in((*open, 0)..=(*open, u64::MAX), |_, _| false)?;
                    }
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// The database, opened or made if it is not open.
    fn database(&mut self) -> Result<&Database, Trouble> {
        if self.database.is_none() {
            self.database = Some(open(&self.path)?);
        }
        self.database
            .as_ref()
            .ok_or_else(|| "it is not open".into())
    }
}

/// Drops what a program before this one has left in its own form, and refuses what a later one has.
fn check_tables(database: &Database) -> Result<(), Trouble> {
    let transaction = database.begin_write()?;
    for table in transaction.list_tables()? {
        if FORMER_TABLES.contains(&table.name()) {
            tracing::warn!("persistent opens of an earlier version of this program are lost");
        } else if table.name() != TABLE.name() {
            return Err("it is of a later version of this program".into());
        }
    }
    for former in FORMER_TABLES {
        let former = TableDefinition::<u64, &[u8]>::new(former);
        transaction.delete_table(former)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Opens the database, or makes it.
fn open(path: &Path) -> Result<Database, Trouble> {
    let folder = folder_of(path);
    let lock;
    if !path.exists() {
        create_private_folder(&folder)?;
        // Two servers with one folder must not both make it: the second finds it, and in use.
        lock = File::open(&folder)?;
        lock.lock()?;
    }
    if path.exists() {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        return database_in(file);
    }
    let unfinished = folder.join(UNFINISHED);
    if unfinished.exists() {
        fs::remove_file(&unfinished)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    let database = database_in(options.open(&unfinished)?)?;
    // Half a database is none: it gets its name when it is whole.
    fs::rename(&unfinished, path)?;
    // The name must survive as its contents do.
    File::open(&folder)?.sync_all()?;
    Ok(database)
}

fn database_in(file: File) -> Result<Database, Trouble> {
    let mut builder = Builder::new();
    Ok(builder.set_cache_size(CACHE_BYTES).create_file(file)?)
}

/// What to do about a database that cannot be read.
fn advice(trouble: &Trouble) -> &'static str {
    match trouble.downcast_ref() {
        Some(DatabaseError::DatabaseAlreadyOpen) => "another server uses it",
        _ => "remove it to start without the opens that it holds",
    }
}

fn key(Row { open, part }: Row) -> (u64, u64) {
    (open, part)
}

/// What the client is told whose state cannot be kept.
const FAILED: NtStatus = NtStatus::INSUFFICIENT_RESOURCES;

/// Changes made in one transaction besides the first, so that none waits without end.
const MOST_TOGETHER: usize = 1_023;

/// What the database may keep in memory.
const CACHE_BYTES: usize = 4 << 20;

const FILE: &str = "persistent-opens.redb";

/// What the file is called until it is whole.
const UNFINISHED: &str = "persistent-opens.redb.new";

/// The tables of earlier versions of the program.
const FORMER_TABLES: [&str; 1] = ["opens"];

/// Its name changes with the form of what is in it.
const TABLE: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("opens-2");

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn row(open: u64, part: u64) -> Row {
        Row { open, part }
    }

    fn put(open: u64, text: &'static str) -> Vec<Change> {
        vec![Change::Put(row(open, 0), text.into())]
    }

    fn opened(folder: &Path) -> (Records, Vec<(Row, Bytes)>) {
        // The database of the one before may have to be closed first, by its thread.
        for _ in 0..100 {
            match Records::open(folder) {
                Ok(opened) => return opened,
                Err(_) => thread::sleep(std::time::Duration::from_millis(20)),
            }
        }
        Records::open(folder)
            .map_err(|failure| failure.to_string())
            .unwrap()
    }

    #[tokio::test]
    async fn rows_survive_and_the_last_change_of_each_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (records, found) = opened(folder.path());
        assert_eq!(found, []);
        for (number, text) in [(1, "a"), (2, "b"), (3, "c"), (2, "d"), (4, "e")] {
            records.change(put(number, text)).await.unwrap();
        }
        let further = |part| Change::Put(row(2, part), "f".into());
        let changes = vec![
            further(7),
            further(9),
            further(8),
            Change::Remove(row(2, 9)),
        ];
        records.change(changes).await.unwrap();
        let changes = [put(4, "g"), vec![further(1), Change::RemoveAll(4)]].concat();
        records.change(changes).await.unwrap();
        // Whoever does not wait gets it too, in its turn.
        drop(records.change(vec![Change::RemoveAll(3)]));
        records.settle().await.unwrap();
        drop(records);
        let (_, found) = opened(folder.path());
        let numbers: Vec<_> = found.iter().map(|(row, _)| (row.open, row.part)).collect();
        assert_eq!(numbers, [(1, 0), (2, 0), (2, 1), (2, 7), (2, 8)]);
        assert_eq!(found[1].1, "d");
    }

    #[tokio::test]
    async fn without_records_there_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let (records, _) = opened(folder.path());
        records.change(vec![Change::RemoveAll(1)]).await.unwrap();
        records.settle().await.unwrap();
        assert!(!folder.path().join(FILE).exists());
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_answered_with_an_error_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let (records, _) = opened(folder.path());
        let path = folder.path().join(FILE);
        std::fs::create_dir(&path).unwrap();
        assert_eq!(records.change(put(1, "a")).await, Err(FAILED));
        assert_eq!(records.failures(), 1);
        std::fs::remove_dir(&path).unwrap();
        assert_eq!(records.change(put(1, "a")).await, Ok(()));
    }

    #[test]
    fn a_spoilt_file_is_not_replaced_silently() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "nonsense").unwrap();
        let failure = Records::open(folder.path()).err().unwrap().to_string();
        let advice = "remove it to start without the opens that it holds";
        assert!(failure.ends_with(advice), "{failure}");
    }

    #[tokio::test]
    async fn a_file_that_another_server_uses_is_not_called_spoilt() {
        let folder = tempfile::tempdir().unwrap();
        let (records, _) = opened(folder.path());
        records.change(put(1, "a")).await.unwrap();
        let failure = Records::open(folder.path()).err().unwrap().to_string();
        assert!(failure.ends_with("another server uses it"), "{failure}");
        records.change(put(2, "b")).await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_was_killed_while_it_made_the_file_costs_the_next_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(UNFINISHED), [0; 5_000]).unwrap();
        let (records, found) = opened(folder.path());
        assert_eq!(found, []);
        records.change(put(1, "a")).await.unwrap();
        assert!(!folder.path().join(UNFINISHED).exists());
        drop(records);
        assert_eq!(opened(folder.path()).1, [(row(1, 0), "a".into())]);
    }

    #[tokio::test]
    async fn a_damaged_file_is_read_or_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let (records, _) = opened(folder.path());
        for number in 0..50 {
            let change = Change::Put(row(number, 0), vec![7; 300].into());
            records.change(vec![change]).await.unwrap();
        }
        drop(records);
        drop(opened(folder.path()));
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).unwrap();
        for place in (0..64).chain((64..whole.len()).step_by(whole.len() / 40)) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0xff;
            for bytes in [&damaged[..], &whole[..place]] {
                let other = tempfile::tempdir().unwrap();
                std::fs::write(other.path().join(FILE), bytes).unwrap();
                if let Err(failure) = Records::open(other.path()) {
                    assert!(failure.to_string().contains(FILE), "{failure}");
                }
            }
        }
    }

    #[tokio::test]
    async fn the_file_is_for_its_owner_alone_and_no_longer_for_what_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (records, _) = opened(folder.path());
        let path = folder.path().join(FILE);
        let mut lengths = Vec::new();
        for round in 0..200_u64 {
            let text = "r".repeat(400);
            let put = |open| Change::Put(row(round * 100 + open, 0), text.clone().into());
            let remove = |open| Change::RemoveAll(round * 100 + open);
            records.change((0..100).map(put).collect()).await.unwrap();
            records
                .change((0..100).map(remove).collect())
                .await
                .unwrap();
            lengths.push(std::fs::metadata(&path).unwrap().len());
        }
        assert_eq!(lengths[20], lengths[199]);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    fn with_table(folder: &Path, name: &str) {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(folder.join(FILE))
            .unwrap();
        let database = database_in(file).unwrap();
        let transaction = database.begin_write().unwrap();
        let table = TableDefinition::<u64, &[u8]>::new(name);
        transaction
            .open_table(table)
            .unwrap()
            .insert(1, &b"x"[..])
            .unwrap();
        transaction.commit().unwrap();
    }

    #[tokio::test]
    async fn rows_of_an_earlier_version_are_dropped_and_those_of_a_later_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        with_table(folder.path(), "opens");
        let (records, found) = opened(folder.path());
        assert_eq!(found, []);
        records.change(put(1, "a")).await.unwrap();
        drop(records);
        assert_eq!(opened(folder.path()).1, [(row(1, 0), "a".into())]);
        let folder = tempfile::tempdir().unwrap();
        with_table(folder.path(), "opens-3");
        let before = std::fs::read(folder.path().join(FILE)).unwrap();
        let failure = Records::open(folder.path()).err().unwrap().to_string();
        assert!(failure.contains("of a later version"), "{failure}");
        let after = std::fs::read(folder.path().join(FILE)).unwrap();
        assert_eq!(before.len(), after.len());
    }

    #[tokio::test]
    async fn of_two_servers_that_begin_at_once_one_has_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let both = [opened(folder.path()).0, opened(folder.path()).0];
        let answers = both.each_ref().map(|one| one.change(put(1, "a")));
        let mut made = Vec::new();
        for answer in answers {
            made.push(answer.await.is_ok());
        }
        made.sort_unstable();
        assert_eq!(made, [false, true]);
        drop(both);
        assert_eq!(opened(folder.path()).1, [(row(1, 0), "a".into())]);
    }

    #[tokio::test]
    async fn many_changes_at_once_are_all_made() {
        let folder = tempfile::tempdir().unwrap();
        let (records, _) = opened(folder.path());
        let answers: Vec<_> = (0..3_000)
            .map(|number| records.change(put(number, "record")))
            .collect();
        for answer in answers {
            answer.await.unwrap();
        }
        drop(records);
        assert_eq!(opened(folder.path()).1.len(), 3_000);
    }
}
