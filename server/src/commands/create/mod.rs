//! CREATE. [MS-SMB2] 3.3.5.9
//!
//! The steps in their order: [`plan`] checks the request and makes it typed, the handler opens
//! without harm, [`access`] decides what is granted, the object store arbitrates, and only then
//! is anything destroyed. [`durable`] decides whether the open outlives its connection, [`contexts`]
//! writes what the client asked to be told. [`reconnect`] takes up an open that is there already.
//! What a request means on a print share, [`print`] says first.

mod access;
mod app_instance;
mod caching;
mod contexts;
mod durable;
mod plan;
mod print;
mod reconnect;
mod replay;
mod response;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use wire::create::CreateAction;
use wire::dtyp::AccessMask;
use wire::fscc::{CompletionFilter, FileAction};
use wire::{CreateRequest, FileId, NtStatus};

use super::breaks::{CachingHolder, Unanswered};
use super::{Answer, effects, teardown};
use crate::context::Context;
use crate::durable::{Known, UnderWay};
use crate::object_store::{
    Arrival, Caching, Decision, Granted, Moment, OpenId, OpenRequest, StreamKind, Turn,
    spares_oplocks,
};
use crate::open::{Open, OpenState};
use crate::persistence;
use crate::request::ChannelSequence;
use crate::share::{Caller, CloseHow, FileStat, LogOnFacts, Opened, SetInfo};
use durable::Wish;
use plan::Plan;
use replay::Admission;

/// Opens or creates what the name says.
///
/// # Errors
/// Those of [`Plan::new`], of the handler's `open`, of the access check and of the object store;
/// `INSUFFICIENT_RESOURCES` and `TOO_MANY_OPENED_FILES` at the limits.
pub async fn run(context: &mut Context, request: CreateRequest) -> Result<Answer, NtStatus> {
    let wish = Wish::new(context, &request)?;
    if let Wish::Reconnect(reconnect) = wish {
        return reconnect::run(context, &request, reconnect).await;
    }
    let under_way = match replay::admit(context, &request, wish)? {
        Admission::Repeated(open) => return replay::answer(context, &request, wish, &open).await,
        Admission::Waiting(id) => {
            let open = reconnect::resume(context, id).await?;
            return replay::answer(context, &request, wish, &open).await;
        }
        Admission::New(under_way) => under_way,
    };
    let mut plan = Plan::new(context, &request, wish)?;
    plan.under_way = under_way;
    let tree = context.tree()?.clone();
    let caller = caller(context)?;
    access::limit(&tree, &caller, &mut plan)?;
    app_instance::take_over(context, &plan).await?;
    let file_id = new_file_id(context);
    let (opened, granted, arbitrated) = loop {
        // Whoever deletes or renames the object while this open is on its way comes first.
        match look_up(context, &plan, &caller, file_id).await {
            Err(NtStatus::RETRY) => {}
            other => break other?,
        }
    };
    let granted_caching = arbitrated.caching;
    let open = Arc::new(make_open(
        context, &plan, &opened, granted, file_id, arbitrated,
    )?);
    let stat = match destroy(context, &plan, &opened, &open).await {
        Ok(stat) => stat,
        Err(status) => return Err(abandon(context, &opened, &open, status).await),
    };
    if let Err(status) = insert(context, &open, plan.under_way.take()).await {
        return Err(abandon(context, &opened, &open, status).await);
    }
    caching::tell_of_breaks(&context.server, &plan.caching);
    context.related.file_id = Some(file_id);
    context.related.has_file = true;
    report_created(context, &opened, &open);
    let security = opened.security.as_deref();
    let mut answered = plan.questions.answer(context, &open, &stat, security).await;
    let caching = caching::told(context, &open, granted_caching);
    answered.extend(contexts::lease(caching));
    answered.extend(plan.wish.answer(&open));
    Ok(response::new(&open, &stat, open.create_action, caching, answered).into())
}

/// Who opens. Services behind a pipe are told whether what they hear and say is encrypted.
fn caller(context: &Context) -> Result<Arc<Caller>, NtStatus> {
    let caller = context.caller()?;
    let facts = caller.log_on.as_ref();
    let Some(facts) = facts.filter(|_| opens_encrypted_pipe(context) == Ok(true)) else {
        return Ok(caller);
    };
    let facts = LogOnFacts {
        encrypted: true,
        ..LogOnFacts::clone(facts)
    };
    Ok(Arc::new(Caller {
        log_on: Some(Arc::new(facts)),
        ..Caller::clone(&caller)
    }))
}

/// Whether the request opens a pipe, and came encrypted, as all that follow it then must.
fn opens_encrypted_pipe(context: &Context) -> Result<bool, NtStatus> {
    Ok(context.sealed_by.is_some() && context.tree()?.share.is_pipe())
}

/// Tells those who watch of what is new.
fn report_created(context: &Context, opened: &Opened, open: &Open) {
    if opened.created {
        let filter = if open.is_directory {
            CompletionFilter::DIR_NAME
        } else {
            CompletionFilter::FILE_NAME
        };
        let added = FileAction::ADDED;
        let file_name = opened.name.with_stream(None);
        let file = (&file_name, added, CompletionFilter::FILE_NAME);
        // [MS-FSA] 2.1.5.1.1
        let changes = [file, (&opened.name, added, filter)];
        let skipped = usize::from(!opened.created_with_file);
        let changes = changes.get(skipped..).unwrap_or_default();
        effects::report_all(&context.server, open, changes);
    }
}

/// Has the handler open the name, and the object store agree: what was opened, with which access.
///
/// # Errors
/// `RETRY` when the name has become another object's meanwhile.
async fn look_up(
    context: &mut Context,
    plan: &Plan,
    caller: &Caller,
    file_id: FileId,
) -> Result<(Opened, AccessMask, Granted), NtStatus> {
    let tree = context.tree()?.clone();
    let store = &context.server.clone().object_store;
    let moment = store.moment();
    store.check_path(&tree.share.location(&plan.name), &plan.caching)?;
    let opened = tree
        .share
        .handler
        .open(caller, &plan.name, &plan.how)
        .await
        .map_err(|status| plan.refusal(status))?;
    if is_kept_for_another(context, plan, &opened)? {
        return Err(refuse(&opened, NtStatus::FILE_NOT_AVAILABLE).await);
    }
    let granted = match access::grant(&tree, caller, plan, &opened).await {
        Ok(granted) => granted,
        Err(status) => return Err(refuse(&opened, status).await),
    };
    match arbitrate(context, plan, caller, &opened, granted, file_id, moment).await {
        Ok(arbitrated) => Ok((opened, granted, arbitrated)),
        Err(status) => Err(refuse(&opened, status).await),
    }
}

/// Whether a persistent open waits for its client here: by the file that has the name, as far as there
/// is one.
// [MS-SMB2] 3.3.5.9
// departs [MS-SMB2] 3.3.5.9: an open of the same client that shares the lease, or looks at attributes alone, makes
// nothing stale; a client need not take up again what it has closed while it was away, and Windows lets it in too
// (note 301)
fn is_kept_for_another(context: &Context, plan: &Plan, opened: &Opened) -> Result<bool, NtStatus> {
    if context.server.persistent.absent.has_file(opened) {
        return Ok(true);
    }
    let waiting = persistence::waiting_on(&context.server, opened);
    if waiting.is_empty() {
        return Ok(false);
    }
    let session = context.session()?;
    let (owner, client) = (session.owner(), session.client_guid);
    let only_looks = spares_oplocks(plan.asked_access) && !plan.how.overwrite;
    let is_harmless = |open: &Arc<Open>| {
        let is_own = open.owner == owner && open.client_guid == client;
        let held = context.server.object_store.held(&open.attachment).lease();
        let asked = match plan.caching {
            Caching::Lease(lease) => Some(lease.key),
            _ => None,
        };
        let shares_lease = asked.is_some() && held.map(|lease| lease.key) == asked;
        is_own && (shares_lease || only_looks)
    };
    Ok(!waiting.iter().all(is_harmless))
}

/// Closes what the handler had opened, for an open that must not be.
async fn refuse(opened: &Opened, status: NtStatus) -> NtStatus {
    // The refusal is what the client has to know, whatever the close says.
    let _ = opened.handle.close(CloseHow::Keep).await;
    status
}

/// Closes an open that the object store had agreed to already. What was there before it stays, even
/// if it was to be deleted with the open: the client is told that there was no open.
async fn abandon(context: &Context, opened: &Opened, open: &Open, status: NtStatus) -> NtStatus {
    if !opened.created {
        context.server.object_store.keep_on_close(&open.attachment);
    }
    let _ = teardown::open(&context.server, open).await;
    status
}

fn new_file_id(context: &Context) -> FileId {
    let number = context.server.new_file_id();
    FileId {
        persistent: number,
        volatile: number,
    }
}

/// Asks the object store until it grants or denies.
// [MS-FSA] 2.1.5.1.2
async fn arbitrate(
    context: &mut Context,
    plan: &Plan,
    caller: &Caller,
    opened: &Opened,
    granted_access: AccessMask,
    file_id: FileId,
    mut looked_up: Moment,
) -> Result<Granted, NtStatus> {
    let server = context.server.clone();
    let tree = context.tree()?.clone();
    let is_directory = opened.stat.is_directory() && opened.stream.is_none();
    let caching = if is_directory && !caching::has_directory_leases(context) {
        Caching::None
    } else {
        plan.caching
    };
    let mut turn = Turn::default();
    loop {
        let request = OpenRequest {
            object: opened.handle.object(),
            location: tree.share.location(&opened.name),
            kind: if is_directory {
                StreamKind::Directory
            } else {
                StreamKind::Data
            },
            caller,
            arrival: arrival(plan, opened),
            desired_access: plan.arbitrated_access(granted_access),
            granted_access,
            share_access: plan.share_access,
            delete_on_close: plan.deletes_on_close(),
            caching: caching::without_unknown_losses(&server, caching),
            open: OpenId(file_id.persistent),
            looked_up,
        };
        let unanswered = CachingHolder::of(&caching, request.open)
            .map(|holder| Unanswered::begin(&server, holder));
        let outcome = server.object_store.open(&request);
        drop(std::mem::take(&mut turn));
        effects::carry_out(&server, outcome.effects);
        match outcome.decision {
            Decision::Grant(granted) => {
                if let Some(unanswered) = unanswered {
                    context.hold_back_breaks(unanswered);
                }
                return Ok(granted);
            }
            Decision::Deny(NtStatus::RETRY) => {
                drop(unanswered);
                looked_up = server.object_store.moment();
                if !keeps_name(opened).await {
                    return Err(NtStatus::RETRY);
                }
            }
            Decision::Deny(status) => return Err(status),
            Decision::Wait(waiter) => {
                // Who waits has nothing yet; nor may a break of what it joins wait for it.
                drop(unanswered);
                if let Some(under_way) = &plan.under_way {
                    context.outlive_channel()?;
                    under_way.wait_for(match server.object_store.is_shared(&request) {
                        true => Known::Opened,
                        false => Known::Opening,
                    });
                }
                turn = context.wait(waiter).await?;
            }
        }
    }
}

fn arrival(plan: &Plan, opened: &Opened) -> Arrival {
    match (opened.created, plan.how.overwrite) {
        (true, _) => Arrival::Created,
        (false, true) if plan.supersede => Arrival::Superseded,
        (false, true) => Arrival::Overwritten,
        (false, false) => Arrival::Opened,
    }
}

/// Whether what was opened has its name still. A file system gives the identity of a file that has
/// gone to the next one: then another has lost its name, and this may be what the request has made.
async fn keeps_name(opened: &Opened) -> bool {
    opened.handle.name().await.as_ref() == Ok(&opened.name)
}

/// Does the harm of overwriting and superseding, and returns the metadata after it.
async fn destroy(
    context: &Context,
    plan: &Plan,
    opened: &Opened,
    open: &Open,
) -> Result<FileStat, NtStatus> {
    if !plan.how.overwrite || opened.created {
        return Ok(opened.stat);
    }
    let overwrite = SetInfo::Overwrite {
        attributes: plan.how.attributes,
        supersede: plan.supersede,
        allocation_size: plan.how.allocation_size,
        extended_attributes: plan.how.extended_attributes.clone(),
    };
    opened.handle.set(overwrite).await?;
    let changed = CompletionFilter::ATTRIBUTES
        .with(CompletionFilter::SIZE)
        .with(CompletionFilter::LAST_WRITE);
    effects::report(
        &context.server,
        open,
        &opened.name,
        FileAction::MODIFIED,
        changed,
    );
    opened.handle.stat().await
}

fn make_open(
    context: &Context,
    plan: &Plan,
    opened: &Opened,
    granted_access: AccessMask,
    file_id: FileId,
    arbitrated: Granted,
) -> Result<Open, NtStatus> {
    let session = context.session()?;
    let is_directory = opened.stat.is_directory() && opened.stream.is_none();
    let caching = arbitrated.caching;
    let state = OpenState {
        channel_sequence: ChannelSequence::new(context.header.channel_sequence()),
        mode: plan.mode(),
        durability: plan.wish.grant(context, plan, is_directory, caching),
        ..OpenState::default()
    };
    Ok(Open {
        file_id,
        session_id: session.id,
        tree: context.tree()?.clone(),
        handle: opened.handle.clone(),
        attachment: arbitrated.attachment,
        desired_access: plan.asked_access,
        granted_access,
        share_access: plan.share_access,
        create_options: plan.options,
        is_directory,
        stream: opened.stream.clone(),
        name: opened.name.clone(),
        creation_time: context.server.environment().wall_clock(),
        client_guid: session.client_guid,
        owner: session.owner(),
        create_guid: plan.wish.create_guid(),
        app_instance: plan.app_instance,
        is_encrypted_pipe: opens_encrypted_pipe(context)?,
        create_action: action(plan, opened),
        is_replay_eligible: AtomicBool::new(false),
        state: Mutex::new(state),
    })
}

/// Puts the open into its tables, and a persistent one into the records.
async fn insert(
    context: &Context,
    open: &Arc<Open>,
    under_way: Option<UnderWay>,
) -> Result<(), NtStatus> {
    context.server.app_instances.insert(open);
    if !context.server.insert_open(open) {
        return Err(NtStatus::INSUFFICIENT_RESOURCES);
    }
    persistence::begin(&context.server, open).await?;
    if let Some(under_way) = under_way.filter(|_| may_be_repeated(open)) {
        under_way.finish(open);
    }
    enter_session(context, open)
}

/// Puts the open into its session's table, unless session or tree connect have ended meanwhile.
fn enter_session(context: &Context, open: &Arc<Open>) -> Result<(), NtStatus> {
    let most = context.server.limits().opens_per_session;
    let session = context.session()?;
    session.opens.insert(open.clone(), most)?;
    let is_connected = session.tree_connect(open.tree.id).is_some();
    // Of this and TREE_DISCONNECT, the one that takes the open out closes it.
    if !is_connected && session.opens.remove(open.file_id).is_some() {
        return Err(NtStatus::NETWORK_NAME_DELETED);
    }
    Ok(())
}

/// Whether the open is eligible for replay.
// [MS-SMB2] 3.3.5.9.10
fn may_be_repeated(open: &Open) -> bool {
    let uses_contents = AccessMask::FILE_READ_DATA
        .with(AccessMask::FILE_EXECUTE)
        .with(AccessMask::FILE_WRITE_DATA)
        .with(AccessMask::FILE_APPEND_DATA)
        .with(AccessMask::DELETE);
    persistence::is_persistent(open)
        || (!open.is_directory && open.granted_access.intersects(uses_contents))
}

fn action(plan: &Plan, opened: &Opened) -> CreateAction {
    if opened.created {
        CreateAction::CREATED
    } else if plan.supersede {
        CreateAction::SUPERSEDED
    } else if plan.how.overwrite {
        CreateAction::OVERWRITTEN
    } else {
        CreateAction::OPENED
    }
}
