//! One open of a pipe: messages in, messages out.
//!
//! Owns the queue of answers and who waits for them. A write is carried out before it is answered, so that an answer is
//! there before the write's own; a read waits for a client that has not asked anything yet, and for a call of another
//! write that takes long.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use server::share::{
    Answer, CloseHow, Controlled, FileStat, Handle, Name, ObjectId, ReplyRoom, SetInfo, Transacted,
    WriteAt,
};
use wire::fscc::file_info::{
    PipeInformation, PipeLocalInformation, PipeRemoteInformation, PipeState, PipeType,
};
use wire::fscc::fsctl_data::PipePeekResponse;
use wire::fscc::{FileAttributes, FileInfoClass, FileInformation, Fsctl};
use wire::{NtStatus, Writer};

use super::budget::Part;
use super::pdu::Header;
use super::rpc::{Association, Pending, Reply};
use crate::ready::ready;

/// One open of a pipe.
pub(super) struct Pipe {
    object: ObjectId,
    name: Name,
    state: Mutex<State>,
}

struct State {
    association: Association,
    /// The beginning of a packet whose end has not been written.
    input: BytesMut,
    /// What is to be read, a message each; of the first one perhaps only what is left.
    output: VecDeque<Bytes>,
    /// What both of them, and a request whose last fragment has not come, take of what all pipes may hold.
    held: Part,
    mode: PipeInformation,
    end: Option<End>,
    /// A call is being waited for; whoever does so carries on with what comes meanwhile.
    is_busy: bool,
    /// The reads that have not got anything yet, in the order in which they came.
    readers: BTreeMap<u64, Waker>,
    last_reader: u64,
}

/// Why nothing more will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client has closed the pipe.
    Closed,
    /// The service has, because it could not understand the client.
    Disconnected,
}

/// A message, or the part of one that there was room for.
struct Taken {
    length: usize,
    is_partial: bool,
}

impl Pipe {
    pub(super) fn new(object: ObjectId, name: Name, association: Association, held: Part) -> Self {
        let state = State {
            association,
            input: BytesMut::new(),
            output: VecDeque::new(),
            held,
            mode: PipeInformation {
                read_mode: PipeType::MESSAGE,
                completion_mode: WAITS,
            },
            end: None,
            is_busy: false,
            readers: BTreeMap::new(),
            last_reader: 0,
        };
        Self {
            object,
            name,
            state: Mutex::new(state),
        }
    }

    pub(super) fn stat_now(&self) -> FileStat {
        FileStat {
            attributes: FileAttributes::NORMAL,
            allocation_size: u64::from(QUOTA),
            links: 1,
            file_id: self.object.file,
            ..FileStat::default()
        }
    }

    /// Takes what a client wrote, and answers each packet that is complete. Gives what has to be waited for first.
    fn put(&self, data: &[u8]) -> Result<Option<Running>, NtStatus> {
        self.put_into(self.state.lock(), data)
    }

    fn put_into(
        &self,
        mut state: MutexGuard<'_, State>,
        data: &[u8],
    ) -> Result<Option<Running>, NtStatus> {
        match state.end {
            None => {}
            Some(End::Closed) => return Err(NtStatus::PIPE_CLOSING),
            Some(End::Disconnected) => return Err(NtStatus::PIPE_DISCONNECTED),
        }
        if state.unread() > MOST_UNREAD || state.input.len() > LONGEST_MESSAGE {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        state.input.extend_from_slice(data);
        let running = if state.is_busy { None } else { state.answer() };
        state.count();
        self.tell(state);
        Ok(running)
    }

    /// Waits for calls that take long, and goes on with what has come meanwhile.
    async fn carry_on(&self, running: Option<Running>) {
        let mut next = running;
        while let Some(running) = next {
            let guard = Busy { pipe: self };
            let pending = running.await;
            std::mem::forget(guard);
            let mut state = self.state.lock();
            state.is_busy = false;
            let answers = state.association.resume(pending);
            state.output.extend(answers);
            next = state.answer();
            state.count();
            self.tell(state);
        }
    }

    /// Wakes who waits for what `state` has now.
    fn tell(&self, state: MutexGuard<'_, State>) {
        let woken = state.to_wake();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// A place behind the reads that wait already.
    fn queue(&self, state: &mut State) -> Turn<'_> {
        state.last_reader += 1;
        let number = state.last_reader;
        state.readers.insert(number, Waker::noop().clone());
        Turn { pipe: self, number }
    }

    /// What is to be read, left where it is.
    // [MS-FSCC] 2.3.46
    fn peek(&self, room_bytes: usize) -> Result<Controlled, NtStatus> {
        let room = room_bytes.checked_sub(PipePeekResponse::FIXED_SIZE);
        let room = room.ok_or(NtStatus::INVALID_PARAMETER)?;
        let state = self.state.lock();
        if state.output.is_empty() && state.end.is_some() {
            return Err(NtStatus::PIPE_BROKEN);
        }
        let first = state.output.front().cloned().unwrap_or_default();
        let response = PipePeekResponse {
            named_pipe_state: state.pipe_state(),
            read_data_available: state.unread(),
            number_of_messages: u32::try_from(state.output.len()).unwrap_or(u32::MAX),
            message_length: u32::try_from(first.len()).unwrap_or(u32::MAX),
            data: first.slice(..first.len().min(room)),
        };
        let mut out = BytesMut::new();
        response.encode(&mut Writer::new(&mut out));
        // [MS-SMB2] 3.3.4.4
        Ok(Controlled {
            output: out.freeze(),
            more: first.len() > room,
        })
    }

    fn information(&self, class: FileInfoClass) -> Result<FileInformation, NtStatus> {
        let state = self.state.lock();
        Ok(match class {
            FileInfoClass::PIPE => FileInformation::Pipe(state.mode),
            FileInfoClass::PIPE_LOCAL => FileInformation::PipeLocal(PipeLocalInformation {
                named_pipe_type: PipeType::MESSAGE,
                named_pipe_configuration: BOTH_WAYS,
                maximum_instances: u32::MAX,
                current_instances: 1,
                inbound_quota: QUOTA,
                read_data_available: state.unread(),
                outbound_quota: QUOTA,
                write_quota_available: QUOTA,
                named_pipe_state: state.pipe_state(),
                named_pipe_end: CLIENT_END,
            }),
            FileInfoClass::PIPE_REMOTE => {
                FileInformation::PipeRemote(PipeRemoteInformation::default())
            }
            _ => return Err(NtStatus::INVALID_PARAMETER),
        })
    }

    fn set_mode(&self, mode: PipeInformation) -> Result<(), NtStatus> {
        if mode.read_mode.0 > PipeType::MESSAGE.0 || mode.completion_mode > 1 {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        self.state.lock().mode = mode;
        Ok(())
    }

    fn close_now(&self) {
        let mut state = self.state.lock();
        state.end = Some(End::Closed);
        state.give_up();
        self.tell(state);
    }
}

impl State {
    /// Answers the packets that are complete, up to one that has to be waited for.
    fn answer(&mut self) -> Option<Running> {
        loop {
            // Whoever asks so much in one breath does not mean to read the answers.
            if self.unread() > MOST_UNREAD && !self.input.is_empty() {
                self.disconnect();
            }
            match self.answer_next()? {
                Reply::Now(answers) => self.output.extend(answers),
                Reply::Last(answer) => {
                    self.output.push_back(answer);
                    self.disconnect();
                }
                Reply::Later(running) => {
                    self.is_busy = true;
                    return Some(running);
                }
            }
        }
    }

    /// Answers the first packet; none when it is not complete.
    fn answer_next(&mut self) -> Option<Reply> {
        let reply = match Header::decode(&self.input) {
            Ok(None) => return None,
            Ok(Some(header)) if header.length > self.input.len() => return None,
            Ok(Some(header)) => {
                let packet = self.input.split_to(header.length);
                self.association.receive(packet).ok()
            }
            Err(_) => None,
        };
        if reply.is_none() {
            self.disconnect();
        }
        if self.input.is_empty() {
            // A pipe at rest keeps no buffer.
            self.input = BytesMut::new();
        }
        reply
    }

    /// The reads that can go on: all of them at the end, otherwise the first if there is a message.
    fn to_wake(&self) -> Vec<Waker> {
        let most = match (self.end, self.output.is_empty()) {
            (Some(_), _) => usize::MAX,
            (None, is_empty) => usize::from(!is_empty),
        };
        self.readers.values().take(most).cloned().collect()
    }

    fn disconnect(&mut self) {
        self.end = Some(End::Disconnected);
        self.input = BytesMut::new();
    }

    /// Counts what is held, and gives it up if that is more than it may be.
    fn count(&mut self) {
        let unread: usize = self.output.iter().map(Bytes::len).sum();
        let bytes = unread + self.input.len() + self.association.unfinished_bytes();
        if !self.held.holds(bytes) {
            self.disconnect();
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.input = BytesMut::new();
        self.output.clear();
        self.association.forget_unfinished();
        self.held.holds(0);
    }

    /// Takes from the messages, of which there is one at least, what fits.
    fn take(&mut self, into: &mut [u8]) -> Taken {
        let mut length = 0;
        while let Some(message) = self.output.front_mut() {
            let room = into.get_mut(length..).unwrap_or_default();
            let part = message.len().min(room.len());
            if let (Some(room), Some(bytes)) = (room.get_mut(..part), message.get(..part)) {
                room.copy_from_slice(bytes);
            }
            length += part;
            message.advance(part);
            let is_partial = !message.is_empty();
            if !is_partial {
                self.output.pop_front();
            }
            // Bytes have no ends of messages.
            if self.mode.read_mode == PipeType::MESSAGE || is_partial {
                let is_partial = is_partial && self.mode.read_mode == PipeType::MESSAGE;
                return Taken { length, is_partial };
            }
        }
        Taken {
            length,
            is_partial: false,
        }
    }

    fn unread(&self) -> u32 {
        let unread: usize = self.output.iter().map(Bytes::len).sum();
        u32::try_from(unread).unwrap_or(u32::MAX)
    }

    fn pipe_state(&self) -> PipeState {
        match self.end {
            None => PipeState::CONNECTED,
            Some(_) => PipeState::CLOSING,
        }
    }
}

/// A call that is being waited for.
type Running = Pin<Box<dyn Future<Output = Pending> + Send>>;

/// Breaks the pipe if a call is given up half done: nobody could tell its answer from the next one's.
struct Busy<'a> {
    pipe: &'a Pipe,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.disconnect();
        self.pipe.tell(state);
    }
}

/// A read's place among those of its pipe: messages go to reads in the order in which both came. Dropping it lets the
/// next one on.
struct Turn<'a> {
    pipe: &'a Pipe,
    number: u64,
}

impl Turn<'_> {
    /// Waits for a message that is this read's. Room for it is made only then: thousands may wait, and each may have
    /// asked for megabytes.
    async fn comes(&self) -> Result<(), NtStatus> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Takes the message that has come.
    fn take(self, into: &mut [u8]) -> Result<Taken, NtStatus> {
        let mut state = self.pipe.state.lock();
        if state.output.is_empty() {
            return Err(NtStatus::PIPE_BROKEN);
        }
        let taken = state.take(into);
        state.count();
        Ok(taken)
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Result<(), NtStatus>> {
        let mut state = self.pipe.state.lock();
        let first = state.readers.first_key_value();
        let is_first = first.is_some_and(|(number, _)| *number == self.number);
        match (state.output.is_empty(), state.end) {
            (false, _) if is_first => return Poll::Ready(Ok(())),
            (true, Some(_)) => return Poll::Ready(Err(NtStatus::PIPE_BROKEN)),
            (true, None) if state.mode.completion_mode != WAITS => {
                return Poll::Ready(Err(NtStatus::PIPE_EMPTY));
            }
            _ => {}
        }
        state.readers.insert(self.number, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.readers.remove(&self.number);
        self.pipe.tell(state);
    }
}

impl Handle for Pipe {
    fn object(&self) -> ObjectId {
        self.object
    }

    fn stat(&self) -> Answer<'_, FileStat> {
        ready(Ok(self.stat_now()))
    }

    fn name(&self) -> Answer<'_, Name> {
        ready(Ok(self.name.clone()))
    }

    fn read<'a>(&'a self, _at: u64, room: &'a mut ReplyRoom) -> Answer<'a, u32> {
        if room.length() == 0 {
            return ready(Ok(0));
        }
        let turn = self.queue(&mut self.state.lock());
        Box::pin(async move {
            turn.comes().await?;
            let taken = turn.take(room.as_mut_slice())?;
            if taken.is_partial {
                room.mark_partial();
            }
            Ok(u32::try_from(taken.length).unwrap_or(u32::MAX))
        })
    }

    fn write(&self, _at: WriteAt, data: Bytes) -> Answer<'_, u32> {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        match self.put(&data) {
            Err(status) => ready(Err(status)),
            Ok(None) => ready(Ok(length)),
            Ok(running) => Box::pin(async move {
                self.carry_on(running).await;
                Ok(length)
            }),
        }
    }

    fn flush(&self) -> Answer<'_, ()> {
        ready(Ok(()))
    }

    /// The disposition of an open means nothing to a pipe, so there is nothing to overwrite.
    // [MS-FSA] 2.1.5.2
    fn set(&self, request: SetInfo) -> Answer<'_, ()> {
        ready(match request {
            SetInfo::Overwrite { .. } => Ok(()),
            _ => Err(NtStatus::NOT_SUPPORTED),
        })
    }

    fn pipe_information(&self, class: FileInfoClass) -> Answer<'_, FileInformation> {
        ready(self.information(class))
    }

    fn set_pipe(&self, information: PipeInformation) -> Answer<'_, ()> {
        ready(self.set_mode(information))
    }

    fn control(&self, code: Fsctl, _input: Bytes, room_bytes: usize) -> Answer<'_, Controlled> {
        ready(match code {
            Fsctl::PIPE_PEEK => self.peek(room_bytes),
            _ => Err(NtStatus::INVALID_DEVICE_REQUEST),
        })
    }

    fn transact(&self, input: Bytes, room_bytes: usize) -> Answer<'_, Transacted> {
        let mut state = self.state.lock();
        // An answer to something else must not be taken for this one's.
        if !state.output.is_empty() {
            return ready(Err(NtStatus::PIPE_BUSY));
        }
        let turn = self.queue(&mut state);
        let running = match self.put_into(state, &input) {
            Err(status) => return ready(Err(status)),
            Ok(running) => running,
        };
        Box::pin(async move {
            self.carry_on(running).await;
            turn.comes().await?;
            let mut data = vec![0; room_bytes.min(LONGEST_MESSAGE)];
            let taken = turn.take(&mut data)?;
            data.truncate(taken.length);
            Ok(Transacted {
                data: data.into(),
                more: taken.is_partial,
            })
        })
    }

    fn close(&self, _how: CloseHow) -> Answer<'_, ()> {
        self.close_now();
        ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.close_now();
    }
}

/// FilePipeInformation, CompletionMode: a read of an empty pipe waits.
const WAITS: u32 = 0;
/// FilePipeLocalInformation, NamedPipeConfiguration.
const BOTH_WAYS: u32 = 2;
/// FilePipeLocalInformation, NamedPipeEnd.
const CLIENT_END: u32 = 0;
/// What a pipe says that it can hold, in bytes, as Windows' do.
const QUOTA: u32 = 4096;
/// A client that does not read its answers is not given more than this, in bytes, and one answer.
const MOST_UNREAD: u32 = 256 << 10;
/// A packet's length has 16 bits.
const LONGEST_MESSAGE: usize = 0x1_0000;
