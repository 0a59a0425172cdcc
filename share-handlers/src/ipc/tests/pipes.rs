//! Messages in and out of a pipe.

use super::*;

#[test]
fn known_pipes_open_in_any_case_and_unknown_ones_are_not_found() {
    for name in ["srvsvc", "SrvSvc", "wkssvc"] {
        let opened = open_as(&[], name).unwrap();
        assert_eq!(opened.name.to_string(), name.to_lowercase());
        assert!(!opened.created);
    }
    for name in ["", "netlogon", "srvsvc\\x", "srvsvc:x", "srvsv"] {
        let refused = open_as(&[], name).map(drop);
        assert_eq!(refused, Err(NtStatus::OBJECT_NAME_NOT_FOUND), "{name}");
    }
}

#[test]
fn opens_of_one_pipe_have_nothing_in_common() {
    let handler = IpcHandler::new(Arc::new(Lab), Arc::new(NoAdministration), Arc::new(Inline));
    let how = OpenHow::to_look(AccessMask::FILE_GENERIC_READ);
    let name = Name::parse_text("srvsvc").unwrap();
    let open = || now(handler.open(&caller(&[]), &name, &how)).unwrap().handle;
    let (first, second) = (open(), open());
    assert_ne!(first.object(), second.object());
    write(&*first, &bytes(MACOS_BIND)).unwrap();
    assert_eq!(write(&*second, &request(1, 15, &[])), Ok(24));
    assert_eq!(read(&*second, 100).err(), Some(NtStatus::PIPE_BROKEN));
    assert!(read(&*first, 100).is_ok());
}

#[test]
fn a_message_is_read_in_parts_and_the_rest_is_not_lost() {
    let pipe = open("srvsvc");
    write(&*pipe, &bytes(WINDOWS_BIND)).unwrap();
    let (first, is_partial) = read(&*pipe, 100).unwrap();
    assert!(is_partial);
    let (second, is_partial) = read(&*pipe, 100).unwrap();
    assert!(!is_partial);
    assert_eq!((first.len(), second.len()), (100, 16));
    write(&*pipe, &request(1, 28, &numbers(&[0]))).unwrap();
    let short = now(pipe.transact(Bytes::from(request(2, 28, &numbers(&[0]))), 30));
    assert_eq!(short, Err(NtStatus::PIPE_BUSY));
    assert!(!read(&*pipe, 1000).unwrap().1);
    let short = now(pipe.transact(Bytes::from(request(2, 28, &numbers(&[0]))), 30)).unwrap();
    assert_eq!((short.data.len(), short.more), (30, true));
    assert_eq!(read(&*pipe, 1000).unwrap().0.len(), 24 + 56 - 30);
}

#[test]
fn a_pipe_read_as_bytes_has_no_ends_of_messages() {
    let pipe = bound(&[], "srvsvc");
    let mode = |read_mode, completion_mode| PipeInformation {
        read_mode,
        completion_mode,
    };
    now(pipe.set_pipe(mode(PipeType::BYTE_STREAM, 1))).unwrap();
    let invalid = now(pipe.set_pipe(mode(PipeType(2), 0)));
    assert_eq!(invalid, Err(NtStatus::INVALID_PARAMETER));
    let information = now(pipe.pipe_information(FileInfoClass::PIPE)).unwrap();
    assert_eq!(
        information,
        FileInformation::Pipe(mode(PipeType::BYTE_STREAM, 1))
    );
    assert_eq!(read(&*pipe, 10), Err(NtStatus::PIPE_EMPTY));
    for call_id in [1, 2] {
        write(&*pipe, &request(call_id, 28, &numbers(&[0]))).unwrap();
    }
    assert_eq!(read(&*pipe, 100).unwrap(), (read_back(100), false));
    assert_eq!(read(&*pipe, 100).unwrap().0.len(), 60);
}

/// The first bytes of two answers to NetrRemoteTOD.
fn read_back(length: usize) -> Vec<u8> {
    let pipe = bound(&[], "srvsvc");
    let mut all = Vec::new();
    for call_id in [1, 2] {
        all.extend_from_slice(&transact(&*pipe, &request(call_id, 28, &numbers(&[0]))).data);
    }
    all.truncate(length);
    all
}

// test [MS-FSCC] 2.3.46
#[test]
fn peeking_takes_nothing() {
    let pipe = open("srvsvc");
    let peek = |room| now(pipe.control(Fsctl::PIPE_PEEK, Bytes::new(), room));
    write(&*pipe, &bytes(WINDOWS_BIND)).unwrap();
    for _ in 0..2 {
        let part = peek(26).unwrap();
        assert!(part.more, "the message is longer");
        let peeked = PipePeekResponse::decode(&part.output).unwrap();
        assert_eq!((peeked.number_of_messages, peeked.message_length), (1, 116));
        assert_eq!(hex(&peeked.data), "05000c03100000007400");
    }
    assert_eq!(peek(15), Err(NtStatus::INVALID_PARAMETER));
    let unknown = now(pipe.control(Fsctl::SET_SPARSE, Bytes::new(), 0));
    assert_eq!(unknown, Err(NtStatus::INVALID_DEVICE_REQUEST));
    let information = now(pipe.pipe_information(FileInfoClass::PIPE_LOCAL)).unwrap();
    let FileInformation::PipeLocal(local) = information else {
        panic!("{information:?}");
    };
    assert_eq!(local.read_data_available, 116);
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_read_with_nothing_to_read_waits_for_the_next_answer() {
    let pipe = open("srvsvc");
    let wakes = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut room = ReplyRoom::new(BytesMut::new(), 0, 1024);
    let mut reading: Pin<Box<dyn Future<Output = _> + Send>> = pipe.read(0, &mut room);
    let mut context = Context::from_waker(&waker);
    assert!(reading.as_mut().poll(&mut context).is_pending());
    let mut other_room = ReplyRoom::new(BytesMut::new(), 0, 1024);
    let mut withdrawn = pipe.read(0, &mut other_room);
    assert!(withdrawn.as_mut().poll(&mut context).is_pending());
    drop(withdrawn);
    write(&*pipe, &bytes(WINDOWS_BIND)).unwrap();
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    assert_eq!(reading.as_mut().poll(&mut context), Poll::Ready(Ok(116)));
}

#[test]
fn reads_that_wait_get_messages_in_their_own_order() {
    let pipe = open("srvsvc");
    let mut rooms = [(); 4].map(|()| ReplyRoom::new(BytesMut::new(), 0, 1024));
    let [first, withdrawn, second, late] = &mut rooms;
    let mut first = pipe.read(0, first);
    let mut withdrawn = pipe.read(0, withdrawn);
    let mut second = pipe.read(0, second);
    for read in [&mut first, &mut withdrawn, &mut second] {
        assert_eq!(poll(read), None);
    }
    drop(withdrawn);
    let mut late = pipe.read(0, late);
    write(&*pipe, &bytes(WINDOWS_BIND)).unwrap();
    assert_eq!(poll(&mut late), None, "two were before it");
    assert_eq!(poll(&mut second), None, "one was before it");
    assert_eq!(poll(&mut first), Some(Ok(116)));
    assert_eq!(poll(&mut second), None, "there was one message");
    write(&*pipe, &request(1, 28, &numbers(&[0]))).unwrap();
    assert_eq!(poll(&mut late), None);
    assert_eq!(poll(&mut second), Some(Ok(24 + 56)));
    drop(late);
    write(&*pipe, &request(2, 28, &numbers(&[0]))).unwrap();
    assert_eq!(read(&*pipe, 1000).unwrap().0.len(), 24 + 56);
}

#[test]
fn closing_ends_a_read_that_waits() {
    let pipe = open("srvsvc");
    let mut room = ReplyRoom::new(BytesMut::new(), 0, 1024);
    let mut reading = pipe.read(0, &mut room);
    assert!(poll(&mut reading).is_none());
    now(pipe.close(CloseHow::Keep)).unwrap();
    assert_eq!(poll(&mut reading), Some(Err(NtStatus::PIPE_BROKEN)));
    drop(reading);
    assert_eq!(
        write(&*pipe, &bytes(WINDOWS_BIND)),
        Err(NtStatus::PIPE_CLOSING)
    );
}

#[test]
fn who_never_reads_is_not_answered_for_ever() {
    let pipe = bound(&[], "srvsvc");
    let packet = request(1, 15, &share_enum(2, u32::MAX, None));
    let status = (0..10_000).find_map(|_| write(&*pipe, &packet).err());
    assert_eq!(status, Some(NtStatus::INSUFFICIENT_RESOURCES));
    let all: Vec<u8> = packet
        .iter()
        .copied()
        .cycle()
        .take(packet.len() * 10_000)
        .collect();
    let pipe = bound(&[], "srvsvc");
    write(&*pipe, &all).unwrap();
    assert_eq!(write(&*pipe, &packet), Err(NtStatus::PIPE_DISCONNECTED));
}

#[test]
fn pipes_that_hold_too_much_together_are_broken_and_those_with_little_go_on() {
    let mut handler = IpcHandler::new(Arc::new(Lab), Arc::new(NoAdministration), Arc::new(Inline));
    handler.budget = Budget::new(210_000);
    let how = OpenHow::to_look(AccessMask::FILE_GENERIC_READ);
    let name = Name::parse_text("srvsvc").unwrap();
    let open = || now(handler.open(&caller(&[]), &name, &how)).unwrap().handle;
    let unfinished = fragment(0x01, 7, 15, &[0; 20_000]);
    let begin = |pipe: &dyn Handle| {
        assert_eq!(transact(pipe, &bytes(MACOS_BIND)).data[2], 12);
        write(pipe, &unfinished).unwrap();
        write(pipe, &[5])
    };
    let pipes: Vec<_> = (0..10).map(|_| open()).collect();
    for pipe in &pipes {
        assert_eq!(begin(&**pipe), Ok(1));
    }
    let late = open();
    assert_eq!(begin(&*late), Err(NtStatus::PIPE_DISCONNECTED));
    assert_eq!(read(&*late, 100), Err(NtStatus::PIPE_BROKEN));
    // Whoever finishes, or closes, gives room to others.
    let rest = fragment(0x02, 7, 15, &[]);
    write(&*pipes[0], &rest[1..]).unwrap();
    assert_eq!(read(&*pipes[0], 1000).unwrap().0[2], 2);
    assert_eq!(begin(&*open()), Ok(1));
    now(pipes[1].close(CloseHow::Keep)).unwrap();
    let next = open();
    assert_eq!(begin(&*next), Ok(1));
}
