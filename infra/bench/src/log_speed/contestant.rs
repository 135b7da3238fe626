//! The two that are compared: the server's WebSocket and the docker command.

use containerlease_domain::names::LeaseId;

use crate::{
    Fallible,
    engine::Engine,
    log_readers::{Chunk, DockerReader, Line, SocketReader},
    process::Process,
    server::Api,
};

/// What a turn measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contestant {
    WebSocket,
    Docker,
}

pub(super) const CONTESTANTS: [Contestant; 2] = [Contestant::WebSocket, Contestant::Docker];

impl Contestant {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "the WebSocket",
            Self::Docker => "docker logs",
        }
    }

    /// The contestants in that round's order.
    pub(super) fn in_order(round: usize) -> [Self; 2] {
        let mut order = CONTESTANTS;
        order.rotate_left(round % CONTESTANTS.len());
        order
    }

    /// The container's lines in what came.
    pub(super) fn lines(self, chunks: &[Chunk]) -> Fallible<Vec<Line>> {
        match self {
            Self::WebSocket => SocketReader::lines(chunks),
            Self::Docker => DockerReader::lines(chunks),
        }
    }

    /// The text for the line of this number.
    pub(super) fn mark(self, number: usize) -> String {
        match self {
            Self::WebSocket => SocketReader::mark(number),
            Self::Docker => DockerReader::mark(number),
        }
    }

    /// Begins with so many of the last lines, or with `all`.
    pub(super) async fn open(
        self,
        engine: &Engine,
        api: &Api,
        id: &LeaseId,
        tail: &str,
    ) -> Fallible<Reader> {
        Ok(match self {
            Self::WebSocket => {
                Reader::WebSocket(Box::new(SocketReader::open(api, id, tail).await?))
            }
            Self::Docker => Reader::Docker(Box::new(DockerReader::open(engine, id, tail)?)),
        })
    }
}

/// Reads a log from one of the two.
pub(super) enum Reader {
    WebSocket(Box<SocketReader>),
    Docker(Box<DockerReader>),
}

impl Reader {
    pub(super) async fn next(&mut self) -> Fallible<Option<Chunk>> {
        match self {
            Self::WebSocket(reader) => reader.next().await,
            Self::Docker(reader) => reader.next().await,
        }
    }

    /// The sending process, if it is the reader's own.
    pub(super) fn process(&self) -> Option<Process> {
        match self {
            Self::WebSocket(_) => None,
            Self::Docker(reader) => reader.process(),
        }
    }

    pub(super) async fn close(self) -> Fallible<()> {
        match self {
            Self::WebSocket(reader) => reader.close().await,
            Self::Docker(reader) => reader.close().await,
        }
    }
}
