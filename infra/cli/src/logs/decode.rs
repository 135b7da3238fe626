//! Parses frames of the log protocol: pure, bounded by the frame, without panics.
//!
//! `docs/logs.md` describes the protocol.

use std::borrow::Cow;

use containerlease_domain::logs::{Cursor, Stream};
use serde::{Deserialize, de::IgnoredAny};
use thiserror::Error;

/// An object of a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Object<'f> {
    Line(Line<'f>),
    /// Nothing came for a while; resume here.
    Heartbeat {
        cursor: Cursor,
    },
    /// The number of lines that the view is behind.
    Behind {
        lines: u64,
    },
    /// Lines were left out, with their number if it is known; resume here.
    Skipped {
        lines: Option<u64>,
        cursor: Cursor,
    },
    /// The lease ended, and all its lines have come.
    Ended {
        /// Why, in a sentence.
        message: String,
    },
    /// The connection closes now.
    Closing {
        code: u16,
    },
    /// An object that this client ignores: an answer, or an event of a later version.
    Other,
}

/// A line of the container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'f> {
    /// RFC 3339 in UTC, nine decimals.
    pub timestamp: Cow<'f, str>,
    pub message: Cow<'f, str>,
    pub stream: Stream,
    /// Where to resume after this line.
    pub cursor: Cursor,
    /// The object as received, with all its fields.
    pub json: &'f str,
}

/// The text is not an object of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is no object of the log protocol")]
pub struct Malformed;

/// The objects of a frame, one per line, in order.
pub fn objects(frame: &str) -> impl Iterator<Item = Result<Object<'_>, Malformed>> {
    let lines = frame.split('\n').map(str::trim);
    lines.filter(|line| !line.is_empty()).map(object)
}

/// Parses one object.
pub(super) fn object(text: &str) -> Result<Object<'_>, Malformed> {
    // serde would also accept an array of the fields in order.
    if !text.starts_with('{') {
        return Err(Malformed);
    }
    // Nearly all are lines.
    match serde_json::from_str(text) {
        Ok(LineFields {
            event: None,
            timestamp,
            message,
            stream,
            cursor,
        }) => Ok(Object::Line(Line {
            timestamp,
            message,
            stream,
            cursor,
            json: text,
        })),
        _ => event(text),
    }
}

fn event(text: &str) -> Result<Object<'_>, Malformed> {
    #[derive(Deserialize)]
    struct Named<'f> {
        #[serde(borrow)]
        event: Cow<'f, str>,
    }
    #[derive(Deserialize)]
    struct Heartbeat {
        cursor: Cursor,
    }
    #[derive(Deserialize)]
    struct Behind {
        lines: u64,
    }
    #[derive(Deserialize)]
    struct Skipped {
        lines: Option<u64>,
        cursor: Cursor,
    }
    #[derive(Deserialize)]
    struct Ended {
        message: String,
    }
    #[derive(Deserialize)]
    struct Closing {
        code: u16,
    }
    let Named { event } = fields(text)?;
    // Parsed only now: an event of a later version may have a field with the same name and another
    // type.
    Ok(match event.as_ref() {
        "heartbeat" => {
            let Heartbeat { cursor } = fields(text)?;
            Object::Heartbeat { cursor }
        }
        "behind" => {
            let Behind { lines } = fields(text)?;
            Object::Behind { lines }
        }
        "skipped" => {
            let Skipped { lines, cursor } = fields(text)?;
            Object::Skipped { lines, cursor }
        }
        "ended" => {
            let Ended { message } = fields(text)?;
            Object::Ended { message }
        }
        "closing" => {
            let Closing { code } = fields(text)?;
            Object::Closing { code }
        }
        _ => Object::Other,
    })
}

fn fields<'f, F: Deserialize<'f>>(text: &'f str) -> Result<F, Malformed> {
    serde_json::from_str(text).map_err(|_| Malformed)
}

#[derive(Deserialize)]
struct LineFields<'f> {
    event: Option<IgnoredAny>,
    #[serde(borrow)]
    timestamp: Cow<'f, str>,
    #[serde(borrow)]
    message: Cow<'f, str>,
    stream: Stream,
    cursor: Cursor,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame as the server sends it, with every object that the protocol has.
    const FRAME: &str = concat!(
        r#"{"timestamp":"2026-11-24T09:30:00.500000000Z","level":"info","message":"ready","stream":"stdout","cursor":"1795512600500000000.0_0"}"#,
        "\n",
        r#"{"timestamp":"2026-11-24T09:30:00.500000001Z","level":"error","message":"a \"quoted\"\tword \u001b[31m\ud83d\ude00","stream":"stderr","truncated":true,"replaced":true,"cursor":"1795512600500000000.0_1795512600500000001.3"}"#,
        "\n",
        r#"{"event":"heartbeat","timestamp":"2026-11-24T09:30:10.000Z","level":"trace","message":"","cursor":"1795512600500000000.0_0"}"#,
        "\n",
        r#"{"event":"behind","timestamp":"2026-11-24T09:30:10.000Z","level":"warn","message":"The view is 1234 lines behind.","lines":1234}"#,
        "\n",
        r#"{"event":"skipped","timestamp":"2026-11-24T09:30:10.000Z","level":"warn","message":"5 lines were left out.","lines":5,"cursor":"1795512600500000000.0_0"}"#,
        "\n",
        r#"{"event":"closing","timestamp":"2026-11-24T09:30:10.000Z","level":"warn","message":"Connect again.","code":1012}"#,
        "\n",
        r#"{"event":"ended","timestamp":"2026-11-24T09:31:00.000Z","level":"info","message":"The lease has ended: its time was over.","reason":"expired","receipt":{"reason":"expired","attempts":1}}"#,
    );

    fn one(text: &str) -> Result<Object<'_>, Malformed> {
        let mut objects = objects(text);
        let first = objects.next().expect("there is one");
        assert_eq!(objects.next(), None);
        first
    }

    #[test]
    fn a_frame_comes_apart_into_its_objects() {
        let json: Vec<_> = FRAME.split('\n').collect();
        let objects: Result<Vec<_>, _> = objects(FRAME).collect();
        let expected = [
            Object::Line(Line {
                timestamp: "2026-11-24T09:30:00.500000000Z".into(),
                message: "ready".into(),
                stream: Stream::Stdout,
                cursor: "1795512600500000000.0_0".parse().unwrap(),
                json: json[0],
            }),
            Object::Line(Line {
                timestamp: "2026-11-24T09:30:00.500000001Z".into(),
                message: "a \"quoted\"\tword \u{1b}[31m😀".into(),
                stream: Stream::Stderr,
                cursor: "1795512600500000000.0_1795512600500000001.3"
                    .parse()
                    .unwrap(),
                json: json[1],
            }),
            Object::Heartbeat {
                cursor: "1795512600500000000.0_0".parse().unwrap(),
            },
            Object::Behind { lines: 1_234 },
            Object::Skipped {
                lines: Some(5),
                cursor: "1795512600500000000.0_0".parse().unwrap(),
            },
            Object::Closing { code: 1012 },
            Object::Ended {
                message: "The lease has ended: its time was over.".to_owned(),
            },
        ];
        assert_eq!(objects.unwrap(), expected);
    }

    #[test]
    fn a_plain_line_is_not_copied() {
        let Ok(Object::Line(line)) = one(FRAME.split('\n').next().unwrap()) else {
            panic!("it is a line")
        };
        assert!(matches!(line.message, Cow::Borrowed(_)));
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        for later in [
            r#"{"event":"moved","lines":"many","code":{"a":1},"reason":[1]}"#,
            r#"{"event":"pong"}"#,
            r#"{"lines":-1,"event":"paused"}"#,
        ] {
            assert_eq!(one(later), Ok(Object::Other), "{later}");
        }
        let with_more = r#"{"timestamp":"t","message":"m","stream":"stdout","cursor":"0_0","host":{"a":[1]},"level":"loud"}"#;
        assert!(matches!(one(with_more), Ok(Object::Line(_))));
    }

    #[test]
    fn what_is_no_object_of_the_protocol_is_malformed() {
        for wrong in [
            "x",
            "{",
            "{}",
            "null",
            r#""text""#,
            r#"["t","m","stdout","0_0"]"#,
            r#"[null,"t","m","stdout","0_0"]"#,
            r#"{"message":"no more than that"}"#,
            r#"{"timestamp":"t","message":"m","stream":"stdin","cursor":"0_0"}"#,
            r#"{"timestamp":"t","message":"m","stream":"stdout","cursor":"here"}"#,
            r#"{"timestamp":"t","message":"m","stream":"stdout","cursor":"0_0"} and more"#,
            r#"{"event":"behind"}"#,
            r#"{"event":"behind","lines":-1}"#,
            r#"{"event":"closing","code":"soon"}"#,
            r#"{"event":"heartbeat","cursor":"noon"}"#,
            r#"{"event":7}"#,
        ] {
            assert_eq!(one(wrong), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn one_malformed_line_does_not_spoil_the_frame() {
        let frame = format!("\n{}\r\nnonsense\n\n", FRAME.split('\n').next().unwrap());
        let kinds: Vec<_> = objects(&frame).map(|object| object.is_ok()).collect();
        assert_eq!(kinds, [true, false]);
    }

    #[test]
    fn depth_is_bounded() {
        for brackets in ["[", "{\"a\":"] {
            let deep = format!("{{\"event\":\"x\",\"a\":{}", brackets.repeat(200_000));
            assert_eq!(one(&deep), Err(Malformed));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let frame = String::from_utf8_lossy(&bytes);
            prop_assert!(objects(&frame).count() <= frame.len());
        }

        /// Bytes of a real frame, with changes, deletions and insertions.
        #[test]
        fn any_damage_to_a_frame_is_taken(
            damages in proptest::collection::vec((0..FRAME.len(), any::<u8>(), 0..3), 1..40),
        ) {
            let mut bytes = FRAME.as_bytes().to_vec();
            for (place, byte, how) in damages {
                let place = place % bytes.len();
                match how {
                    0 => bytes[place] = byte,
                    1 => bytes.insert(place, byte),
                    _ => {
                        bytes.remove(place);
                    }
                }
            }
            let frame = String::from_utf8_lossy(&bytes);
            for object in objects(&frame).flatten() {
                if let Object::Line(line) = object {
                    prop_assert!(frame.contains(line.json));
                }
            }
        }

        /// The printed line equals the written one, whatever it holds.
        #[test]
        fn a_line_comes_out_as_it_went_in(message in any::<String>()) {
            let json = serde_json::json!({
                "timestamp": "2026-11-24T09:30:00.500000000Z", "level": "info",
                "message": message, "stream": "stdout", "cursor": "5.0_0",
            });
            let json = json.to_string();
            let Ok(Object::Line(line)) = one(&json) else {
                panic!("it is a line")
            };
            prop_assert_eq!(line.message, message);
        }
    }
}
