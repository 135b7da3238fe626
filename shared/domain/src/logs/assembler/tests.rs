use std::fmt::Write as _;

use super::*;
use crate::logs::Level;

/// A piece with one line, stamped `millis` milliseconds after the epoch.
fn piece(millis: i64, text: &str) -> Vec<u8> {
    format!("{} {text}", crate::time::Time::from_millis(millis)).into_bytes()
}

fn read(after: Cursor, pieces: &[Vec<u8>]) -> Vec<Entry> {
    let mut assembler = Assembler::after(after);
    let entries = pieces.iter();
    let entries = entries.filter_map(|piece| assembler.take(Stream::Stdout, piece));
    entries.collect()
}

#[test]
fn a_progress_bar_is_one_entry_with_its_last_state() {
    // The engine sends a long line in parts of 16 KiB with the same timestamp.
    let mut bar = String::new();
    for step in 1..=9_000 {
        let hashes = "#".repeat(step / 100);
        write!(bar, "\rstep {step} of 9000 {hashes}").expect("a String takes it");
    }
    let mut pieces: Vec<_> = bar
        .as_bytes()
        .chunks(16 * 1024)
        .map(|part| piece(5, std::str::from_utf8(part).unwrap()))
        .collect();
    assert!(pieces.len() > 30);
    pieces.push(piece(5, "\n"));
    pieces.push(piece(6, "ERROR: x\rdone\r\n"));
    let entries = read(Cursor::default(), &pieces);
    let messages: Vec<_> = entries.iter().map(|entry| entry.message.clone()).collect();
    let last = format!("step 9000 of 9000 {}", "#".repeat(90));
    assert_eq!(messages, [last.as_str(), "done"]);
    assert!(entries.iter().all(|entry| !entry.truncated));
    // Overwritten states do not count.
    assert_eq!(entries[1].level, Level::Info);
}

#[test]
fn a_line_has_one_level_wherever_the_reading_began() {
    let lines = [
        "INFO: started",
        "ERROR:root:it failed",
        "Traceback (most recent call last):",
        "  File \"/app/a.py\", line 3, in <module>",
        "    run()",
        "app.Full: no room",
        "ready",
        "  indented",
    ];
    let pieces: Vec<_> = lines
        .iter()
        .zip(0..)
        .map(|(line, number)| piece(number * 400, &format!("{line}\n")))
        .collect();
    let all = read(Cursor::default(), &pieces);
    let levels: Vec<_> = all.iter().map(|entry| entry.level).collect();
    assert_eq!(levels[1..6], [Level::Error; 5]);
    assert_eq!(levels[6..], [Level::Info; 2]);
    for (index, entry) in all.iter().enumerate() {
        // The cursor goes through its text, and the second reading begins at that line.
        let cursor: Cursor = entry.cursor.to_string().parse().unwrap();
        for from in [0, index, index + 1] {
            let rest = read(cursor, &pieces[from..]);
            assert_eq!(rest.len(), all.len() - index - 1);
            for (read, known) in rest.iter().zip(&all[index + 1..]) {
                let same = (&read.message, read.level, read.cursor.to_string());
                assert_eq!(
                    same,
                    (&known.message, known.level, known.cursor.to_string())
                );
            }
        }
    }
}

#[test]
fn a_line_that_comes_late_belongs_to_nothing() {
    let pieces = [
        piece(0, "ERROR: x\n"),
        piece(1_000, "  still of it\n"),
        piece(2_001, "  not of it\n"),
    ];
    let levels = read(Cursor::default(), &pieces).into_iter();
    let levels: Vec<_> = levels.map(|entry| entry.level).collect();
    assert_eq!(levels, [Level::Error, Level::Error, Level::Info]);
}

#[test]
fn each_stream_has_its_own_traces() {
    let mut assembler = Assembler::after(Cursor::default());
    let mut take = |stream, text: &str| assembler.take(stream, &piece(5, text)).unwrap().level;
    assert_eq!(take(Stream::Stderr, "ERROR: x\n"), Level::Error);
    assert_eq!(take(Stream::Stdout, "\tat once\n"), Level::Info);
    assert_eq!(
        take(Stream::Stderr, "\tat com.A.b(A.java:1)\n"),
        Level::Error
    );
}

#[test]
fn a_log_that_does_not_go_back_to_the_cursor_has_a_gap() {
    let pieces: Vec<_> = (0..5).map(|number| piece(number, "x\n")).collect();
    let gaps = |after, pieces: &[Vec<u8>]| -> Vec<bool> {
        let entries = read(after, pieces).into_iter();
        entries.map(|entry| entry.after_gap).collect()
    };
    let all = read(Cursor::default(), &pieces);
    assert_eq!(gaps(Cursor::default(), &pieces), [false; 5]);
    assert_eq!(gaps(all[1].cursor, &pieces), [false; 3]);
    assert_eq!(gaps(all[1].cursor, &pieces[1..]), [false; 3]);
    // The cursor's own line is gone, and other lines may be gone with it.
    assert_eq!(gaps(all[1].cursor, &pieces[2..]), [true, false, false]);
    // A time, or an empty cursor, is not the position of a line.
    assert_eq!(gaps(Cursor::before(2_000_000), &pieces[3..]), [false; 2]);

    let mut assembler = Assembler::after(Cursor::default());
    let mut gap = |number: usize| {
        let entry = assembler.take(Stream::Stdout, &pieces[number]);
        entry.map(|entry| entry.after_gap)
    };
    assert_eq!((gap(0), gap(1)), (Some(false), Some(false)));
    assembler.begin_anew();
    let mut gap = |number: usize| {
        let entry = assembler.take(Stream::Stdout, &pieces[number]);
        entry.map(|entry| entry.after_gap)
    };
    // The new reading begins with a known line.
    assert_eq!((gap(1), gap(2)), (None, Some(false)));
    assembler.begin_anew();
    let entry = assembler.take(Stream::Stdout, &pieces[4]);
    assert!(entry.unwrap().after_gap);
}
