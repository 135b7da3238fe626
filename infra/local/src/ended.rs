//! How a viewer's connection ends from its own side, and what is said to it then.

use axum::extract::ws::{CloseFrame, close_code};
use tokio_tungstenite::tungstenite::Error;

/// Why nothing more is read from a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It has closed the connection, or the connection is gone.
    Left,
    /// Nothing has come for too long.
    Silent,
    /// A message is longer than is read.
    TooLong,
    /// A text is not UTF-8.
    NotText,
    /// It is no WebSocket's frame.
    Malformed,
}

impl Ended {
    /// What a failed reading says of the end.
    pub(crate) fn of(error: axum::Error) -> Self {
        match error.into_inner().downcast_ref::<Error>() {
            Some(Error::Capacity(_)) => Self::TooLong,
            Some(Error::Utf8(_)) => Self::NotText,
            Some(Error::Protocol(_)) => Self::Malformed,
            _ => Self::Left,
        }
    }

    /// The frame that closes the connection; none where there is nobody to get it, or it was
    /// answered already.
    pub(crate) fn farewell(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Left => return None,
            Self::Silent => (close_code::AWAY, "nothing came for too long"),
            Self::TooLong => (close_code::SIZE, "the message is too long"),
            Self::NotText => (close_code::INVALID, "the text is not UTF-8"),
            Self::Malformed => (close_code::PROTOCOL, "the frame is malformed"),
        };
        Some(close_frame(code, reason))
    }
}

/// A close with a code and a sentence.
pub(crate) fn close_frame(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}
