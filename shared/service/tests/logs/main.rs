//! A log's entries and cursors, for any bytes that an engine, a container or a caller may send.
//!
//! `CONTAINERLEASE_FUZZ` is the number of cases per property. `corpus` holds the seeds: streams
//! as an engine sent them, and texts that resemble cursors.

use std::{net::Ipv4Addr, time::Duration};

use containerlease_domain::{
    logs::{Assembler, Cursor, Entry, LINE_LIMIT, Stream},
    names::{ContainerName, LeaseId},
};
use containerlease_service::docker::{Host, Read};
use containerlease_settings::{EngineAddress, NetworkChoice, Publish};
use futures_util::StreamExt;
use proptest::{
    collection::vec, prelude::*, strategy::ValueTree as _, test_runner::Config as ProptestConfig,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

const CURSORS: &str = include_str!("corpus/cursors.txt");
const MIXED: &[u8] = include_bytes!("corpus/mixed.frames");
const LONG_LINE: &[u8] = include_bytes!("corpus/long-line.frames");

/// API Gateway's limit on a message, in bytes.
const MESSAGE_LIMIT: usize = 128 * 1024;

#[expect(
    clippy::disallowed_methods,
    reason = "the number of cases is this test's own setting"
)]
fn cases(default: u32) -> ProptestConfig {
    let asked = std::env::var("CONTAINERLEASE_FUZZ").ok();
    let asked = asked.map(|cases| cases.parse().expect("CONTAINERLEASE_FUZZ is a number"));
    ProptestConfig {
        cases: asked.unwrap_or(default),
        // A case that failed is not kept in a file; it becomes a test with a name.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A piece as the engine sends it.
#[derive(Clone, Debug)]
struct Piece {
    stream: Stream,
    bytes: Vec<u8>,
}

fn any_stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]
}

/// Bytes that a container may write in a line.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[a-z ]{0,20}".prop_map(String::into_bytes),
        2 => vec(any::<u8>().prop_filter("a line has no newline", |b| *b != b'\n'), 0..40),
        1 => (1..5_usize).prop_map(|times| vec![b'x'; times * 16 * 1024]),
        1 => (1..5_usize).prop_map(|times| vec![1; times * 16 * 1024]),
    ]
}

/// A log: each stream's lines in the order of their timestamps. Some lines share a timestamp,
/// long ones come in parts, and some have no end.
fn any_log() -> impl Strategy<Value = Vec<Piece>> {
    let step = prop_oneof![3 => Just(0_i64), 3 => 1..1_000_i64, 1 => 1..5_000_000_000_i64];
    vec((any_stream(), step, any_text(), any::<bool>()), 0..40).prop_map(|lines| {
        let mut nanos = 1_795_512_600_000_000_000_i64;
        let mut pieces = Vec::new();
        for (number, (stream, step, mut text, cr)) in lines.into_iter().enumerate() {
            // No two lines with one timestamp have the same text, also after redrawing: that would
            // mean that the engine sent a line again.
            let number = number.to_string().into_bytes();
            text.splice(0..0, number.iter().copied());
            text.extend(number);
            nanos += step;
            let stamp = jiff::Timestamp::from_nanosecond(i128::from(nanos));
            let stamp = stamp.expect("it is a time of this century");
            let mut parts = text.chunks(16 * 1024).peekable();
            loop {
                let part = parts.next().unwrap_or_default();
                let mut bytes = format!("{stamp} ").into_bytes();
                bytes.extend_from_slice(part);
                let last = parts.peek().is_none();
                if last {
                    bytes.extend_from_slice(if cr { b"\r\n" } else { b"\n" });
                }
                pieces.push(Piece { stream, bytes });
                if last {
                    break;
                }
            }
        }
        pieces
    })
}

/// Damaged logs, and bytes that are no log at all.
fn any_garbage() -> impl Strategy<Value = Vec<Piece>> {
    let raw =
        (any_stream(), vec(any::<u8>(), 0..60)).prop_map(|(stream, bytes)| Piece { stream, bytes });
    let raw = vec(raw, 0..20);
    (
        any_log(),
        raw,
        vec((any::<usize>(), any::<usize>(), any::<u8>()), 0..20),
    )
        .prop_map(|(mut pieces, raw, changes)| {
            pieces.extend(raw);
            for (piece, byte, value) in changes {
                let Some(count) = std::num::NonZero::new(pieces.len()) else {
                    break;
                };
                let bytes = &mut pieces[piece % count].bytes;
                if let Some(count) = std::num::NonZero::new(bytes.len()) {
                    bytes[byte % count] = value;
                }
            }
            pieces
        })
}

fn read(after: Cursor, pieces: &[Piece]) -> Vec<Entry> {
    let mut assembler = Assembler::after(after);
    let mut entries: Vec<_> = pieces
        .iter()
        .filter_map(|piece| assembler.take(piece.stream, &piece.bytes))
        .collect();
    entries.extend(assembler.finish());
    entries
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn reading_on_after_any_entry_gives_the_rest_and_nothing_twice(log in any_log()) {
        let all = read(Cursor::default(), &log);
        let lines = log.iter().filter(|piece| piece.bytes.ends_with(b"\n")).count();
        prop_assert_eq!(all.len(), lines);
        for (index, entry) in all.iter().enumerate() {
            let rest = read(entry.cursor, &log);
            prop_assert_eq!(&rest[..], &all[index + 1..], "after {:?}", entry.message);
        }
    }

    #[test]
    fn reading_on_from_the_second_of_a_cursor_misses_nothing(log in any_log()) {
        let all = read(Cursor::default(), &log);
        for (index, entry) in all.iter().enumerate() {
            // The engine leaves out lines older than the requested second.
            let since = entry.cursor.since_second();
            let newer = log.iter().filter(|piece| second_of(piece) >= since);
            let newer: Vec<_> = newer.cloned().collect();
            prop_assert_eq!(&read(entry.cursor, &newer)[..], &all[index + 1..]);
        }
    }

    #[test]
    fn whatever_comes_nothing_panics_and_all_is_bounded(pieces in any_garbage()) {
        let mut last = Cursor::default();
        for entry in read(Cursor::default(), &pieces) {
            prop_assert!(entry.message.len() <= 3 * LINE_LIMIT);
            prop_assert!(entry.to_line().len() <= MESSAGE_LIMIT);
            prop_assert!(entry.cursor.covers(&last) && entry.cursor != last);
            last = entry.cursor;
        }
    }

    #[test]
    fn a_cursor_is_what_it_was_or_none(text in ".{0,60}") {
        if let Ok(cursor) = text.parse::<Cursor>() {
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
            let _ = cursor.since_second();
        }
    }

    #[test]
    fn what_looks_like_a_cursor_is_one_or_none(text in like_a_cursor()) {
        if let Ok(cursor) = text.parse::<Cursor>() {
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
            prop_assert!(cursor.since_second() >= 0);
        }
    }
}

fn like_a_cursor() -> impl Strategy<Value = String> {
    let known: Vec<_> = CURSORS.lines().map(str::to_owned).collect();
    let known = prop::sample::select(known);
    let changed = (known.clone(), any::<usize>(), "[0-9._+-]{0,2}").prop_map(|(text, at, with)| {
        let (before, after) = text.split_at(at % (text.len() + 1));
        format!("{before}{with}{}", after.get(1..).unwrap_or_default())
    });
    prop_oneof![known, changed, "[0-9._+-]{0,50}"]
}

#[test]
fn what_an_engine_has_sent_is_read_as_it_was_written() {
    let read = |frames: &[u8]| {
        let mut rest = frames;
        let mut pieces = Vec::new();
        while let [kind, _, _, _, a, b, c, d, body @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let stream = [Stream::Stdout, Stream::Stderr][usize::from(*kind == 2)];
            let bytes = body[..length].to_vec();
            pieces.push(Piece { stream, bytes });
            rest = &body[length..];
        }
        let entries = read(Cursor::default(), &pieces);
        let of = |stream| {
            let entries = entries.iter().filter(move |entry| entry.stream == stream);
            entries
                .map(|entry| entry.message.clone())
                .collect::<Vec<_>>()
        };
        (of(Stream::Stdout), of(Stream::Stderr))
    };
    let (out, err) = read(MIXED);
    let red = "\u{1b}[31mred\u{1b}[0m";
    let json = r#"{"level":"warn","msg":"json"}"#;
    let odd = ["plain", "bytes \u{fffd}\u{fffd}", "dos", "", red, json];
    let numbered = |word: &str| (0..8).map(|i| format!("{word} {i}")).collect::<Vec<_>>();
    assert_eq!(out[..6], odd);
    assert_eq!(out[6..14], numbered("out"));
    assert_eq!(out[14..], ["no end"]);
    assert_eq!(err[0], "on stderr");
    assert_eq!(err[1..], numbered("err"));
    assert_eq!(read(LONG_LINE).0, ["a".repeat(17_000), "after".to_owned()]);
}

fn second_of(piece: &Piece) -> i64 {
    let text = String::from_utf8_lossy(&piece.bytes);
    let stamp = text.split(' ').next().map(str::parse::<jiff::Timestamp>);
    let stamp = stamp.expect("a piece is not empty");
    stamp.expect("it begins with a time").as_second()
}

/// A frame as the engine sends it, with a length that may be wrong.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![3 => Just(None), 1 => any::<u32>().prop_map(Some)];
    (any::<u8>(), length, vec(any::<u8>(), 0..100), 0..=3_u8).prop_map(
        |(kind, length, body, right_kind)| {
            let kind = if right_kind == 0 { kind } else { right_kind };
            let length = length.unwrap_or(u32::try_from(body.len()).unwrap_or(u32::MAX));
            let mut frame = vec![kind, 0, 0, 0];
            frame.extend(length.to_be_bytes());
            frame.extend(body);
            frame
        },
    )
}

/// An engine's stream with some bytes changed, cut off somewhere.
fn changed(frames: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((0..frames.len(), any::<u8>()), 0..4);
    (changes, 0..=frames.len()).prop_map(|(changes, length)| {
        let mut frames = frames.to_vec();
        for (at, value) in changes {
            frames[at] = value;
        }
        frames.truncate(length);
        frames
    })
}

#[tokio::test]
async fn an_engine_that_sends_anything_breaks_nothing() {
    /// How often a log that looks damaged each time is read at most.
    const READINGS: usize = 5;
    let folder = std::env::temp_dir().join(format!("containerlease-{}", LeaseId::generate()));
    std::fs::create_dir(&folder).unwrap();
    let socket = folder.join("engine.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // The client reads a log that looks damaged again, so there is one body per connection.
    let (bodies, body) = tokio::sync::watch::channel(Vec::new());
    let engine = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let body = body.borrow().clone();
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\
                        Content-Type: application/vnd.docker.multiplexed-stream\r\n\r\n";
            // The client may close the connection early.
            drop(stream.write_all(head.as_bytes()).await);
            drop(stream.write_all(&body).await);
        }
    });

    let address = EngineAddress::Unix(socket);
    let aws = aws_config::SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .build();
    let deployment = "fuzz".parse().unwrap();
    let publish = Publish::at(Ipv4Addr::LOCALHOST.into());
    let host = Host::new(&address, &aws, deployment, publish, NetworkChoice::Auto).unwrap();
    let name = ContainerName::of_lease(&LeaseId::generate());
    let anything = prop_oneof![
        vec(any_frame(), 0..8).prop_map(|frames| frames.concat()),
        vec(any::<u8>(), 0..400),
        changed(MIXED),
        changed(LONG_LINE),
    ];
    let config = cases(200);
    let mut runner = proptest::test_runner::TestRunner::new(config.clone());
    for _ in 0..config.cases {
        let body = anything.new_tree(&mut runner).unwrap().current();
        let length = body.len();
        bodies.send_replace(body);
        let read = async {
            let Ok(mut pieces) = host.read_log(&name, Read::Since(0)).await else {
                return 0;
            };
            let mut assembler = Assembler::after(Cursor::default());
            let mut received = 0;
            while let Some(Ok(piece)) = pieces.next().await {
                received += piece.bytes.len();
                let _ = assembler.take(Stream::Stdout, &piece.bytes);
            }
            received
        };
        let received = tokio::time::timeout(Duration::from_secs(20), read).await;
        assert!(received.expect("reading comes to an end") <= length * READINGS);
    }
    engine.abort();
    std::fs::remove_dir_all(folder).unwrap();
}
