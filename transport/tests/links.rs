//! Links over loopback: what one end sends is what the other receives, however the kernel cuts it.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use transport::netbios::name::NetbiosName;
use transport::netbios::session::{CalledNames, SessionRequest};
use transport::{
    BufferPool, FileRegion, Frame, Framing, Link, LinkError, LinkKind, LinkSettings, Listener,
    MAX_MESSAGE, Part,
};

fn settings(framing: Framing) -> LinkSettings {
    LinkSettings {
        framing,
        largest_message: 9 << 20,
        called_names: Arc::new(CalledNames {
            names: vec!["NAS".into()],
        }),
        pool: BufferPool::new(16 << 20),
    }
}

/// A raw client socket and the server's link to it.
async fn connect(framing: Framing) -> (TcpStream, Link) {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), settings(framing))
        .await
        .unwrap();
    let client = TcpStream::connect(listener.local_address().unwrap())
        .await
        .unwrap();
    client.set_nodelay(true).unwrap();
    (client, listener.accept().await.unwrap())
}

fn packet(type_byte: u8, body: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[type_byte, high, middle, low], body].concat()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

fn file(contents: &[u8]) -> Arc<OwnedFd> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(contents).unwrap();
    Arc::new(file.into())
}

fn region(file: &Arc<OwnedFd>, offset: u64, length: u32) -> Part {
    Part::File(FileRegion {
        file: file.clone(),
        offset,
        length,
    })
}

#[tokio::test]
async fn messages_of_every_size_arrive_whole_and_in_order() {
    let (client, mut server) = connect(Framing::DirectTcp).await;
    let mut client = Link::over_tcp(client, &settings(Framing::DirectTcp)).unwrap();
    let lengths = [
        0,
        1,
        64,
        1024,
        1025,
        4096,
        32_764,
        32_765,
        65_652,
        1 << 20,
        5 << 20,
        8 << 20,
    ];
    let sending = tokio::spawn(async move {
        for length in lengths {
            let frame = Frame::new(pattern(length).into()).unwrap();
            client.send([frame]).await.unwrap();
        }
        let batch = lengths.map(|length| Frame::new(pattern(length).into()).unwrap());
        client.send(batch).await.unwrap();
    });
    for length in [lengths, lengths].concat() {
        let message = server.receive().await.unwrap().unwrap();
        assert!(message == pattern(length), "{length}");
    }
    sending.await.unwrap();
    assert!(server.receive().await.unwrap().is_none());
    assert!(server.receive().await.unwrap().is_none());
}

#[tokio::test]
async fn a_message_sent_byte_by_byte_arrives() {
    let (mut client, mut server) = connect(Framing::DirectTcp).await;
    let sending = tokio::spawn(async move {
        for byte in packet(0, b"slow") {
            client.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        client
    });
    assert_eq!(&server.receive().await.unwrap().unwrap()[..], b"slow");
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn a_receive_that_is_given_up_loses_nothing() {
    let (mut client, mut server) = connect(Framing::DirectTcp).await;
    let stream = packet(0, &pattern(200_000));
    for piece in stream.chunks(9_999) {
        let waiting = tokio::time::timeout(Duration::from_millis(1), server.receive());
        assert!(waiting.await.is_err());
        client.write_all(piece).await.unwrap();
    }
    assert!(server.receive().await.unwrap().unwrap() == pattern(200_000));
}

#[tokio::test]
async fn a_send_that_is_given_up_goes_on_with_the_next() {
    let (mut client, mut server) = connect(Framing::DirectTcp).await;
    let large = Frame::new(pattern(8 << 20).into()).unwrap();
    let sending = tokio::time::timeout(Duration::from_millis(20), server.send([large]));
    assert!(sending.await.is_err(), "nobody reads");
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        all
    });
    server
        .send([Frame::new(Bytes::from_static(b"next")).unwrap()])
        .await
        .unwrap();
    drop(server);
    let expected = [packet(0, &pattern(8 << 20)), packet(0, b"next")].concat();
    assert!(reading.await.unwrap() == expected);
}

#[tokio::test]
async fn file_regions_are_sent_between_bytes_and_short_files_are_filled_up_with_zeros() {
    let (mut client, mut server) = connect(Framing::DirectTcp).await;
    let contents = pattern(3 << 20);
    let file = file(&contents);
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        all
    });
    let head = || Part::Bytes(Bytes::from_static(b"head"));
    let whole = Frame::of_parts(vec![head(), region(&file, 100, 2 << 20), head()]).unwrap();
    let short = Frame::of_parts(vec![head(), region(&file, (3 << 20) - 10, 100_000)]).unwrap();
    let beyond = Frame::of_parts(vec![region(&file, 1 << 40, 5)]).unwrap();
    server.send([whole, short, beyond]).await.unwrap();
    drop(server);

    let expected = [
        packet(
            0,
            &[b"head", &contents[100..100 + (2 << 20)], b"head"].concat(),
        ),
        packet(
            0,
            &[b"head", &contents[contents.len() - 10..], &[0; 99_990]].concat(),
        ),
        packet(0, &[0; 5]),
    ];
    assert!(reading.await.unwrap() == expected.concat());
}

#[tokio::test]
async fn a_source_that_sendfile_refuses_is_read_instead() {
    let (mut client, mut server) = connect(Framing::DirectTcp).await;
    // A directory can neither be sent nor read: the link must fail, not hang.
    let directory = std::fs::File::open("/").unwrap();
    let frame = Frame::of_parts(vec![region(&Arc::new(directory.into()), 0, 10)]).unwrap();
    assert!(server.send([frame]).await.is_err());

    // The kernel's own files report no size, and some cannot be spliced.
    let (mut client2, mut server) = connect(Framing::DirectTcp).await;
    let version: Arc<OwnedFd> = Arc::new(std::fs::File::open("/proc/version").unwrap().into());
    let text = std::fs::read("/proc/version").unwrap();
    let length = u32::try_from(text.len()).unwrap();
    let frame = Frame::of_parts(vec![region(&version, 0, length)]).unwrap();
    server.send([frame]).await.unwrap();
    drop(server);
    let mut received = Vec::new();
    client2.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, packet(0, &text));
    client.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_stream_inside_a_packet_is_an_error() {
    let stream = packet(0, &pattern(100_000));
    for length in [1, 3, 4, 5, 40_000, stream.len() - 1] {
        let (mut client, mut server) = connect(Framing::DirectTcp).await;
        client.write_all(&stream[..length]).await.unwrap();
        drop(client);
        assert!(
            matches!(server.receive().await, Err(LinkError::Truncated)),
            "{length}"
        );
    }
}

#[tokio::test]
async fn too_long_a_message_is_an_error_and_the_limit_can_be_raised() {
    let (mut client, server) = connect(Framing::DirectTcp).await;
    let (mut reader, _writer) = server.split();
    reader.set_largest_message(100);
    assert_eq!(reader.facts().largest_message, 100);
    client.write_all(&packet(0, &[1; 100])).await.unwrap();
    assert_eq!(reader.receive().await.unwrap().unwrap().len(), 100);
    reader.set_largest_message(200);
    client.write_all(&packet(0, &[1; 200])).await.unwrap();
    assert_eq!(reader.receive().await.unwrap().unwrap().len(), 200);
    client.write_all(&packet(0, &[1; 201])).await.unwrap();
    assert!(matches!(reader.receive().await, Err(LinkError::Frame(_))));

    assert!(Frame::new(BytesMut::zeroed(MAX_MESSAGE + 1).freeze()).is_err());
}

#[tokio::test]
async fn a_netbios_client_gets_a_session_and_may_keep_it_alive() {
    let (mut client, mut server) = connect(Framing::Detect).await;
    assert_eq!(server.facts().kind, LinkKind::DirectTcp);
    let request = SessionRequest {
        called: NetbiosName::new("*SMBSERVER", 0x20),
        calling: NetbiosName::new("client", 0),
    };
    let stream = [request.encode(), packet(0x85, &[]), packet(0, b"hello")].concat();
    client.write_all(&stream).await.unwrap();
    assert_eq!(&server.receive().await.unwrap().unwrap()[..], b"hello");
    assert_eq!(server.facts().kind, LinkKind::Netbios);
    assert_eq!(server.facts().largest_message, 0x1_FFFF);

    server.send([Frame::keep_alive()]).await.unwrap();
    let mut received = [0; 8];
    client.read_exact(&mut received).await.unwrap();
    assert_eq!(received, [0x82, 0, 0, 0, 0x85, 0, 0, 0]);
}

#[tokio::test]
async fn a_netbios_client_that_calls_another_name_is_told_so() {
    let (mut client, mut server) = connect(Framing::Detect).await;
    let request = SessionRequest {
        called: NetbiosName::new("OTHER", 0x20),
        calling: NetbiosName::new("client", 0),
    };
    client.write_all(&request.encode()).await.unwrap();
    assert!(matches!(server.receive().await, Err(LinkError::Refused(_))));
    drop(server);
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, [0x83, 0, 0, 1, 0x82]);
}

#[tokio::test]
async fn a_unix_socket_carries_messages_and_file_regions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = Listener::bind_unix(&path, settings(Framing::DirectTcp)).unwrap();
    let client = tokio::net::UnixStream::connect(&path).await.unwrap();
    let mut client = Link::over_unix(client, &settings(Framing::DirectTcp));
    let mut server = listener.accept().await.unwrap();
    assert_eq!(server.facts().kind, LinkKind::Unix);

    let contents = pattern(1 << 20);
    let frame = Frame::of_parts(vec![region(&file(&contents), 0, 1 << 20)]).unwrap();
    let sending = tokio::spawn(async move { server.send([frame]).await });
    assert!(client.receive().await.unwrap().unwrap() == contents);
    sending.await.unwrap().unwrap();
}

#[tokio::test]
async fn buffers_given_back_are_used_for_the_next_messages() {
    let (mut client, server) = connect(Framing::DirectTcp).await;
    let pool = BufferPool::new(16 << 20);
    let mut settings = settings(Framing::DirectTcp);
    settings.pool = pool.clone();
    drop(server);
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), settings)
        .await
        .unwrap();
    client.shutdown().await.unwrap();
    let mut client = TcpStream::connect(listener.local_address().unwrap())
        .await
        .unwrap();
    let mut server = listener.accept().await.unwrap();

    let mut addresses = Vec::new();
    for _ in 0..4 {
        let sending = packet(0, &pattern(1 << 20));
        let (_, message) = tokio::join!(
            async { client.write_all(&sending).await.unwrap() },
            server.receive()
        );
        let message = pool.freeze(message.unwrap().unwrap());
        addresses.push(message.as_ptr());
    }
    assert!(addresses.iter().all(|address| *address == addresses[0]));
}
