//! The queue of a printer: what is in it, and changes of it.

use server::share::{JobChange, JobState, PrintJob};

use super::super::calendar::SystemTime;
use super::super::infos::{Filled, Info, Member, Room};
use super::super::ndr::{Array, Handle};
use super::super::rpc::{Call, Fault, Later};
use super::super::win32;
use super::types::JobContainer;
use super::{OpenPrinter, RAW, error_of, printer_of};

type EnumArguments = (Handle, u32, u32, u32, Option<Array<u8>>, u32);

// [MS-RPRN] 3.1.4.3.3
pub(super) fn enum_jobs(
    call: &mut Call<'_>,
    (handle, first, number, level, buffer, size): EnumArguments,
) -> Result<Filled, Fault> {
    let room = Room::new(buffer, size);
    let printer = match printer_of(call, &handle)? {
        Ok(printer) => printer,
        Err(error) => return Ok(room.refused(error)),
    };
    let wanted = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let jobs = placed(&printer).into_iter();
    let jobs = jobs.skip(wanted(first)).take(wanted(number));
    let infos: Option<Vec<Info>> = jobs.map(|job| info(&printer, &job, level)).collect();
    // Without jobs, nothing has said so yet.
    match infos.filter(|_| LEVELS.contains(&level)) {
        Some(infos) => Ok(room.fill(&infos)),
        None => Ok(room.refused(win32::INVALID_LEVEL)),
    }
}

// [MS-RPRN] 3.1.4.3.2
pub(super) fn get_job(
    call: &mut Call<'_>,
    (handle, id, level, buffer, size): (Handle, u32, u32, Option<Array<u8>>, u32),
) -> Result<(Option<Array<u8>>, u32, u32), Fault> {
    let printer = match printer_of(call, &handle)? {
        Ok(printer) => printer,
        Err(error) => return Ok((buffer, 0, error)),
    };
    let mut jobs = placed(&printer).into_iter();
    let Some(job) = jobs.find(|(_, job)| job.id == id) else {
        return Ok((buffer, 0, win32::INVALID_PARAMETER));
    };
    match info(&printer, &job, level) {
        Some(info) => Ok(Room::new(buffer, size).fill_one(info)),
        None => Ok((buffer, 0, win32::INVALID_LEVEL)),
    }
}

type SetArguments = (Handle, u32, Option<JobContainer>, u32);

// [MS-RPRN] 3.1.4.3.1
// Titles, priorities and the order of jobs are not for clients to change.
pub(super) fn set_job(
    call: &mut Call<'_>,
    (handle, id, container, command): SetArguments,
) -> Result<Later<(u32,)>, Fault> {
    let printer = printer_of(call, &handle)?;
    let change = match (container, command) {
        (Some(_), _) => Err(win32::NOT_SUPPORTED),
        (None, 1) => Ok(JobChange::Pause),
        (None, 2) => Ok(JobChange::Resume),
        (None, 3 | 5) => Ok(JobChange::Delete),
        (None, 4) => Ok(JobChange::Restart),
        (None, _) => Err(win32::INVALID_PARAMETER),
    };
    Ok(Box::pin(async move {
        let (printer, change) = match (printer, change) {
            (Ok(printer), Ok(change)) => (printer, change),
            (Err(error), _) | (_, Err(error)) => return (error,),
        };
        let changed = printer.queue.change(&printer.caller, id, change).await;
        (changed.err().map_or(win32::SUCCESS, error_of),)
    }))
}

/// All jobs, each with its place in the queue, which counts from 1.
fn placed(printer: &OpenPrinter) -> Vec<(u32, PrintJob)> {
    (1..).zip(printer.queue.jobs()).collect()
}

const LEVELS: &[u32] = &[1, 2, 3, 4];

/// A job as of a level; none if there is no such level.
fn info(printer: &OpenPrinter, (place, job): &(u32, PrintJob), level: u32) -> Option<Info> {
    let low = u32::try_from(job.size & u64::from(u32::MAX)).unwrap_or_default();
    let high = u32::try_from(job.size >> 32).unwrap_or_default();
    Some(match level {
        1 => job_1(printer, *place, job),
        2 => job_2(printer, *place, job, low),
        // None is said to follow.
        3 => vec![Member::Number(job.id), Member::Number(0), Member::Number(0)],
        4 => {
            let mut info = job_2(printer, *place, job, low);
            info.push(Member::Number(high));
            info
        }
        _ => return None,
    })
}

// [MS-RPRN] 2.2.2.6.1
fn job_1(printer: &OpenPrinter, place: u32, job: &PrintJob) -> Info {
    vec![
        Member::Number(job.id),
        Member::text(printer.full_name()),
        Member::text(&job.client),
        Member::text(&job.user),
        Member::text(&job.title),
        Member::text(RAW),
        Member::None,
        Member::Number(status(job.state)),
        Member::Number(PRIORITY),
        Member::Number(place),
        PAGES,
        PAGES,
        Member::Time(SystemTime::from(job.submitted)),
    ]
}

// [MS-RPRN] 2.2.2.6.2
fn job_2(printer: &OpenPrinter, place: u32, job: &PrintJob, size: u32) -> Info {
    vec![
        Member::Number(job.id),
        Member::text(printer.full_name()),
        Member::text(&job.client),
        Member::text(&job.user),
        Member::text(&job.title),
        Member::text(&job.user),
        Member::text(RAW),
        Member::text(super::printers::PRINT_PROCESSOR),
        Member::text(""),
        Member::text(""),
        // Neither device settings nor a text of the status nor a descriptor.
        Member::None,
        Member::None,
        Member::None,
        Member::Number(status(job.state)),
        Member::Number(PRIORITY),
        Member::Number(place),
        // At any time of day.
        Member::Number(0),
        Member::Number(0),
        PAGES,
        Member::Number(size),
        Member::Time(SystemTime::from(job.submitted)),
        // How long it has been printing is not kept.
        Member::Number(0),
        PAGES,
    ]
}

// [MS-RPRN] 2.2.3.12
fn status(state: JobState) -> u32 {
    match state {
        JobState::Queued => 0,
        JobState::Paused => 0x01,
        JobState::Failed => 0x02,
        JobState::Spooling => 0x08,
        JobState::Printing => 0x10,
    }
}

/// The one that all jobs have.
pub(super) const PRIORITY: u32 = 1;
/// They are not counted.
const PAGES: Member = Member::Number(0);
