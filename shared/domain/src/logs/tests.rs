use super::*;

const T1: &str = "2026-11-24T09:30:00.123456789Z";
const T2: &str = "2026-11-24T09:30:00.5Z";

fn take(assembler: &mut Assembler, stream: Stream, piece: &str) -> Option<Entry> {
    assembler.take(stream, piece.as_bytes())
}

fn read_all(cursor: Cursor, pieces: &[(Stream, String)]) -> Vec<Entry> {
    let mut assembler = Assembler::after(cursor);
    let mut entries: Vec<_> = pieces
        .iter()
        .filter_map(|(stream, piece)| take(&mut assembler, *stream, piece))
        .collect();
    entries.extend(assembler.finish());
    entries
}

#[test]
fn a_line_becomes_an_entry_with_a_full_timestamp() {
    let mut assembler = Assembler::after(Cursor::default());
    let entry = take(
        &mut assembler,
        Stream::Stderr,
        &format!("{T2} ready to go\n"),
    )
    .unwrap();
    assert_eq!(entry.timestamp, "2026-11-24T09:30:00.500000000Z");
    assert_eq!(entry.message, "ready to go");
    assert_eq!(entry.stream, Stream::Stderr);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&entry.to_line()).unwrap(),
        serde_json::json!({
            "timestamp": "2026-11-24T09:30:00.500000000Z",
            "level": "info",
            "message": "ready to go",
            "stream": "stderr",
            "cursor": "0_1795512600500000000.0",
        })
    );
    let line = line_within(&entry.to_line_without_cursor(), &entry.cursor, ENTRY_LIMIT);
    assert_eq!(line, entry.to_line());
}

#[test]
fn reading_begins_with_the_first_line_at_or_after_a_time() {
    let pieces = [
        (Stream::Stdout, format!("{T1} early\n")),
        (Stream::Stderr, format!("{T2} now\n")),
        (Stream::Stderr, format!("{T2} now too\n")),
    ];
    let since = Cursor::before(1_795_512_600_500_000_000);
    let messages: Vec<_> = read_all(since, &pieces)
        .into_iter()
        .map(|entry| entry.message)
        .collect();
    assert_eq!(messages, ["now", "now too"]);
}

#[test]
fn resuming_after_any_entry_gives_the_rest_and_nothing_twice() {
    let pieces: Vec<_> = [
        (Stream::Stdout, format!("{T1} one\n")),
        (Stream::Stdout, format!("{T1} two\n")),
        (Stream::Stderr, format!("{T2} a\n")),
        (Stream::Stdout, format!("{T1} three\n")),
        (Stream::Stderr, format!("{T2} b\n")),
        (Stream::Stdout, format!("{T2} four\n")),
    ]
    .into();
    let all = read_all(Cursor::default(), &pieces);
    assert_eq!(all.len(), 6);
    for (index, entry) in all.iter().enumerate() {
        let rest = read_all(entry.cursor, &pieces);
        assert_eq!(rest, all[index + 1..], "after {}", entry.message);
    }
}

#[test]
fn what_the_engine_sends_again_when_it_rotates_comes_once() {
    let line = |stamp: &str, text: &str| (Stream::Stdout, format!("{stamp} {text}\n"));
    let (one, two, three) = (line(T1, "one"), line(T1, "two"), line(T2, "three"));
    let again = [
        one.clone(),
        two.clone(),
        two.clone(),
        one.clone(),
        three.clone(),
        three.clone(),
        two,
        three,
        line(T2, "four"),
    ];
    let messages = |cursor, pieces: &[_]| -> Vec<_> {
        let entries = read_all(cursor, pieces).into_iter();
        entries.map(|entry| entry.message).collect()
    };
    let all = messages(Cursor::default(), &again);
    assert_eq!(all, ["one", "two", "three", "four"]);
    // A reading that continues after the first line counts as the first reading did.
    let after_one = read_all(Cursor::default(), &[one])[0].cursor;
    assert_eq!(messages(after_one, &again), all[1..]);
}

#[test]
fn a_long_line_is_joined_and_a_too_long_one_is_cut_and_marked() {
    let chunk = "x".repeat(16 * 1024);
    let joined = read_all(
        Cursor::default(),
        &[
            (Stream::Stdout, format!("{T1} {chunk}")),
            (Stream::Stderr, format!("{T1} between\n")),
            (Stream::Stdout, format!("{T1} end\n")),
        ],
    );
    assert_eq!(joined[1].message.len(), chunk.len() + 3);
    assert!(!joined[1].truncated);
    let pieces: Vec<_> = (0..5)
        .map(|_| (Stream::Stdout, format!("{T1} {chunk}")))
        .chain([(Stream::Stdout, format!("{T1} end\n"))])
        .collect();
    let cut = read_all(Cursor::default(), &pieces);
    assert_eq!((cut.len(), cut[0].message.len()), (1, LINE_LIMIT));
    assert!(cut[0].truncated);
}

#[test]
fn a_last_line_without_an_end_comes_when_the_log_ends() {
    let entries = read_all(Cursor::default(), &[(Stream::Stdout, format!("{T1} half"))]);
    assert_eq!(entries[0].message, "half");
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_nothing_panics() {
    let mut assembler = Assembler::after(Cursor::default());
    let mut piece = format!("{T1} ").into_bytes();
    piece.extend([0xff, 0x00, b'\r', b'\n']);
    let entry = assembler.take(Stream::Stdout, &piece).unwrap();
    assert_eq!(entry.message, "\u{fffd}\u{0}");
    assert!(entry.replaced);
    for nonsense in [&b""[..], b"x", b"no timestamp\n", &[0xff, b' ', b'\n']] {
        assert_eq!(assembler.take(Stream::Stdout, nonsense), None);
    }
}

#[test]
fn a_character_that_a_limit_has_cut_in_two_is_left_out() {
    let bytes = |text: &str, cut: usize| text.as_bytes()[..text.len() - cut].to_vec();
    assert_eq!(text_of(bytes("xä", 1), true), "x");
    assert_eq!(text_of(bytes("xä", 1), false), "x\u{fffd}");
    assert_eq!(text_of(bytes("xä", 0), true), "xä");
    let with_another = [b"\xff", "ä€".as_bytes()].concat();
    assert_eq!(text_of(with_another[..5].to_vec(), true), "\u{fffd}ä");
    assert_eq!(text_of(b"x\xff".to_vec(), true), "x\u{fffd}");
    assert_eq!(text_of(Vec::new(), true), "");
}

#[test]
fn a_line_is_cut_at_a_character_so_that_its_json_fits() {
    let bar = "\u{1b}[32m█▉\"\\\t\u{1b}[0m".repeat(4_000);
    for text in [
        "\u{1}".repeat(60_000),
        "x".repeat(60_000),
        "ä€😀".repeat(6_000),
        bar,
    ] {
        let pieces = [(Stream::Stdout, format!("{T1} {text}\n"))];
        let entry = read_all(Cursor::default(), &pieces).remove(0);
        let whole = entry.message.clone();
        for limit in [300, 1_000, 8_001, 31 * 1024] {
            let line = line_within(&entry.to_line_without_cursor(), &entry.cursor, limit);
            let spare = limit - line.len();
            assert!(spare < 6, "{spare} of {limit} bytes are left");
            let cut = kept::entry_of(&line).unwrap();
            assert!(cut.truncated && whole.starts_with(&cut.message));
            assert_eq!(cut.cursor, entry.cursor);
        }
    }
}

#[test]
fn an_entry_fits_into_a_message_whatever_it_holds() {
    let pieces: Vec<_> = (0..4)
        .map(|_| {
            (
                Stream::Stdout,
                format!("{T1} {}", "\u{1}".repeat(16 * 1024)),
            )
        })
        .collect();
    let entries = read_all(Cursor::default(), &pieces);
    let line = entries[0].to_line();
    assert!(line.len() <= ENTRY_LIMIT, "{}", line.len());
    assert!(line.contains("\"truncated\":true"));
}
