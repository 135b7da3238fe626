//! Our own lines in a stream, beside those of the container. They have the fields of every line,
//! and `event`.

use serde::Serialize;

use containerlease_domain::{
    lease::{Reason, StateName},
    logs::{Cursor, Level},
    time::Time,
    view::ReceiptView,
};

/// Something to tell a viewer.
#[derive(Clone, Debug)]
pub enum ViewerEvent<'e> {
    /// Nothing was sent for a while; the view continues after the cursor.
    Heartbeat {
        cursor: Cursor,
    },
    /// The view is this many lines behind; 0 means that it has caught up.
    Behind {
        lines: u64,
    },
    /// This many lines were left out, if the number is known, and the view continues after the
    /// cursor.
    Skipped {
        lines: Option<u64>,
        cursor: Cursor,
    },
    Paused,
    Resumed,
    Pong,
    /// The viewer sent an unknown message.
    UnknownMessage,
    /// The lease has ended and all its lines were sent.
    Ended(&'e ReceiptView),
    /// The connection closes now.
    Closing(Closing),
}

/// Why a connection is closed before its lease has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The relay was lost, and nobody knows what it sent last.
    RelayLost,
    /// The lease no longer exists.
    NoLease,
    /// An error on our side.
    Fault,
    /// The engine or the table cannot be reached.
    Unavailable,
}

impl Closing {
    /// The WebSocket close code.
    pub fn code(self) -> u16 {
        match self {
            Self::RelayLost => 1012,
            Self::NoLease => 4404,
            Self::Fault => 4500,
            Self::Unavailable => 4503,
        }
    }

    /// A sentence for the viewer.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::RelayLost => {
                "The relay of this log was lost. Connect again with the last line's cursor."
            }
            Self::NoLease => "There is no such lease any more.",
            Self::Fault => "Something went wrong here. Connect again with the last line's cursor.",
            Self::Unavailable => {
                "The log cannot be read now. Connect again in a moment with the last line's cursor."
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'e> {
    event: &'static str,
    timestamp: Time,
    level: Level,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<&'e ReceiptView>,
}

impl ViewerEvent<'_> {
    /// The event as its own frame.
    pub fn to_frame(&self) -> String {
        let mut line = Line {
            event: "heartbeat",
            timestamp: Time::now(),
            level: Level::Info,
            message: String::new(),
            lines: None,
            cursor: None,
            code: None,
            reason: None,
            receipt: None,
        };
        match self {
            Self::Heartbeat { cursor } => {
                line.level = Level::Trace;
                line.cursor = Some(*cursor);
            }
            Self::Behind { lines } => {
                line.event = "behind";
                line.lines = Some(*lines);
                if *lines == 0 {
                    "The view has caught up.".clone_into(&mut line.message);
                } else {
                    line.level = Level::Warn;
                    line.message = format!("The view is {lines} lines behind.");
                }
            }
            Self::Skipped { lines, cursor } => {
                line.event = "skipped";
                line.level = Level::Warn;
                line.message = lines.map_or_else(
                    || "Lines may be missing here: the log is not kept that far back.".to_owned(),
                    |lines| format!("{lines} lines were left out."),
                );
                line.lines = *lines;
                line.cursor = Some(*cursor);
            }
            Self::Paused => {
                line.event = "paused";
                "The view is paused.".clone_into(&mut line.message);
            }
            Self::Resumed => {
                line.event = "resumed";
                "The view continues.".clone_into(&mut line.message);
            }
            Self::Pong => {
                line.event = "pong";
                line.level = Level::Trace;
            }
            Self::UnknownMessage => {
                line.event = "error";
                line.level = Level::Warn;
                "This connection takes the messages ping, pause, resume and skip."
                    .clone_into(&mut line.message);
            }
            Self::Ended(receipt) => {
                line.event = StateName::Ended.as_str();
                line.timestamp = receipt.removed_at;
                line.message = format!("The lease has ended: {}.", why(receipt.reason));
                line.reason = Some(receipt.reason);
                line.receipt = Some(receipt);
            }
            Self::Closing(closing) => {
                line.event = "closing";
                line.level = Level::Warn;
                closing.sentence().clone_into(&mut line.message);
                line.code = Some(closing.code());
            }
        }
        serde_json::to_string(&line).expect("an event is made of texts and numbers")
    }
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Expired => "its time was over",
        Reason::Deleted => "it was deleted",
        Reason::Completed => "its program ended by itself",
        Reason::Failed => "its program failed or could not be started",
        Reason::Lost => "its container vanished",
        Reason::Evicted => "it used more disk than its limit",
    }
}
