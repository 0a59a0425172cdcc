//! Printing from afar: a document is begun, written and ended.

use bytes::Bytes;
use server::share::{CloseHow, Place, WriteAt};
use wire::{NtStatus, Utf16String};

use super::super::ndr::{Array, Handle};
use super::super::rpc::{Call, Fault, Later};
use super::super::win32;
use super::types::{Document, DocumentContainer, DocumentInfo};
use super::{OpenDocument, error_of, find, is_raw, printer_of};

type Refused = Result<(u32,), Fault>;

// [MS-RPRN] 3.1.4.9.1
pub(super) fn start_document(
    call: &mut Call<'_>,
    (handle, container): (Handle, DocumentContainer),
) -> Result<Later<(u32, u32)>, Fault> {
    let asked = match (printer_of(call, &handle)?, container.document) {
        (Err(error), _) => Err(error),
        (_, DocumentInfo::Level1(None) | DocumentInfo::Other(_)) => Err(win32::INVALID_PARAMETER),
        (Ok(printer), DocumentInfo::Level1(Some(document))) => {
            // What the share lets the user do may have changed since the printer was opened.
            let found = check(&document).and_then(|()| find(call, &printer.name));
            found.map(|found| (printer, found, document))
        }
    };
    Ok(Box::pin(async move {
        let (printer, found, document) = match asked {
            Ok(asked) => asked,
            Err(error) => return (0, error),
        };
        if printer.document.lock().is_some() {
            return (0, win32::INVALID_HANDLE);
        }
        if !found.may_print {
            return (0, win32::ACCESS_DENIED);
        }
        let title = document.name.as_ref().map(Utf16String::to_string_lossy);
        let title = title.unwrap_or_default();
        match printer.queue.clone().begin(&found.caller, &title).await {
            Err(status) => (0, error_of(status)),
            Ok(job) => {
                let document = OpenDocument {
                    job: job.id,
                    handle: job.document,
                };
                // Of two that begin at once, the first one's is given up.
                printer.document.lock().replace(document);
                (job.id, win32::SUCCESS)
            }
        }
    }))
}

/// There are no files that a document could go to but printers.
fn check(document: &Document) -> Result<(), u32> {
    let has_file = document
        .output_file
        .as_ref()
        .is_some_and(|file| !file.is_empty());
    if has_file {
        Err(win32::INVALID_PARAMETER)
    } else if !is_raw(document.datatype.as_ref()) {
        Err(win32::INVALID_DATATYPE)
    } else {
        Ok(())
    }
}

/// The document that is being printed on a handle.
fn document_of(call: &Call<'_>, handle: &Handle) -> Result<Result<OpenDocument, u32>, Fault> {
    Ok(printer_of(call, handle)?.and_then(|printer| {
        let document = printer.document.lock().clone();
        let document = document.ok_or(win32::NO_START_DOC)?;
        let mut jobs = printer.queue.jobs().into_iter();
        // Somebody may have deleted the job.
        if jobs.any(|job| job.id == document.job) {
            Ok(document)
        } else {
            Err(win32::PRINT_CANCELLED)
        }
    }))
}

// [MS-RPRN] 3.1.4.9.2
// [MS-RPRN] 3.1.4.9.4
// Nobody here knows where the pages of a document begin: they are not counted.
pub(super) fn page(call: &mut Call<'_>, (handle,): (Handle,)) -> Refused {
    Ok((document_of(call, &handle)?.err().unwrap_or(win32::SUCCESS),))
}

// [MS-RPRN] 3.1.4.9.3
pub(super) fn write(
    call: &mut Call<'_>,
    (handle, Array(data), size): (Handle, Array<u8>, u32),
) -> Result<Later<(u32, u32)>, Fault> {
    if u32::try_from(data.len()) != Ok(size) {
        return Err(Fault::BAD_STUB);
    }
    let document = document_of(call, &handle)?;
    Ok(Box::pin(async move {
        let document = match document {
            Ok(document) => document,
            Err(error) => return (0, error),
        };
        let at = WriteAt {
            place: Place::End,
            write_through: false,
        };
        match document.handle.write(at, Bytes::from(data)).await {
            Ok(written) => (written, win32::SUCCESS),
            Err(status) => (0, error_of(status)),
        }
    }))
}

// [MS-RPRN] 3.1.4.9.7
pub(super) fn end_document(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<Later<(u32,)>, Fault> {
    let taken = take(call, &handle)?;
    Ok(Box::pin(async move {
        let ended = match taken {
            Ok(document) => end(&document).await.map_err(error_of),
            Err(error) => Err(error),
        };
        (ended.err().unwrap_or(win32::SUCCESS),)
    }))
}

// [MS-RPRN] 3.1.4.9.5
pub(super) fn abort(call: &mut Call<'_>, (handle,): (Handle,)) -> Result<Later<(u32,)>, Fault> {
    let printer = printer_of(call, &handle)?;
    let taken = take(call, &handle)?;
    Ok(Box::pin(async move {
        let aborted = match (printer, taken) {
            (Ok(printer), Ok(document)) => {
                let how = CloseHow::Delete(printer.caller.clone());
                document.handle.close(how).await.map_err(error_of)
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        (aborted.err().unwrap_or(win32::SUCCESS),)
    }))
}

/// The document that is being printed on a handle, on which there is none then.
fn take(call: &Call<'_>, handle: &Handle) -> Result<Result<OpenDocument, u32>, Fault> {
    let printer = printer_of(call, handle)?;
    Ok(printer.and_then(|printer| printer.document.lock().take().ok_or(win32::NO_START_DOC)))
}

/// Hands a document to the printer.
pub(super) async fn end(document: &OpenDocument) -> Result<(), NtStatus> {
    document.handle.close(CloseHow::Keep).await
}
