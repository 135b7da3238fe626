//! How a viewer's side ends a connection, and the close frame that answers it.

use axum::extract::ws::{CloseFrame, close_code};
use tokio_tungstenite::tungstenite::Error;

/// The close code of a connection whose token has ended, as HTTP's 401.
const SIGNED_OUT: u16 = 4401;

/// Why nothing more is read from a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It closed the connection, or the connection is gone.
    Left,
    /// Nothing came for too long.
    Silent,
    /// The token with which it was opened has expired or was revoked.
    SignedOut,
    /// A message is longer than the limit.
    TooLong,
    /// A text message is not UTF-8.
    NotText,
    /// The bytes are not a WebSocket frame.
    Malformed,
}

impl Ended {
    /// The end that a read error means.
    pub(crate) fn of(error: axum::Error) -> Self {
        match error.into_inner().downcast_ref::<Error>() {
            Some(Error::Capacity(_)) => Self::TooLong,
            Some(Error::Utf8(_)) => Self::NotText,
            Some(Error::Protocol(_)) => Self::Malformed,
            _ => Self::Left,
        }
    }

    /// The frame that closes the connection; none if nobody would receive it, or it was already
    /// sent.
    pub(crate) fn farewell(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Left => return None,
            Self::Silent => (close_code::AWAY, "nothing came for too long"),
            Self::SignedOut => (SIGNED_OUT, "the token has expired or was revoked"),
            Self::TooLong => (close_code::SIZE, "the message is too long"),
            Self::NotText => (close_code::INVALID, "the text is not UTF-8"),
            Self::Malformed => (close_code::PROTOCOL, "the frame is malformed"),
        };
        Some(close_frame(code, reason))
    }
}

/// A close frame with a code and a sentence.
pub(crate) fn close_frame(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}
