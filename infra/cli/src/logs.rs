//! `containerlease logs`: a lease's log, as the container writes it.
//!
//! # Layout
//!
//! - [`connection`]: one connection, read frame by frame.
//! - [`page`]: the log so far, in pages over HTTP.
//! - [`decode`]: a frame's objects; pure.
//! - [`view`]: where a view starts, what it has shown, where it resumes; pure.
//! - [`output`]: lines and messages, on standard output and standard error.

pub mod connection;
pub mod decode;
pub mod output;
mod page;
pub mod view;

use std::{io::Write, time::Duration};

use clap::Args;
use containerlease_domain::{
    logs::{NotAStart, Start},
    names::LeaseId,
    time::Time,
};
use tokio::time::{Instant, sleep};
use tokio_tungstenite::Connector;

use crate::{
    api::Api,
    backoff::Backoff,
    console::Console,
    failure::{Failure, uncapitalised},
    find::{Called, find},
    server::Server,
};
use connection::{Connection, Received};
use decode::{Malformed, Object};
use output::{Form, Output};
use view::View;

/// A connection without a frame for this long counts as lost. Heartbeats come every 10 s.
const SILENCE: Duration = Duration::from_secs(30);

/// A connection that lived this long counts as good.
const GOOD: Duration = Duration::from_secs(1);

/// Show a lease's log, also after its end
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Lines go to the stream that the container wrote them to; this program's own messages go to
standard error. With --follow it reconnects by itself until the lease ends, and neither repeats
nor loses lines. The last 1000 lines of an ended lease are kept for a while.")]
pub struct Arguments {
    /// The lease: its id, the beginning of its id, or its name
    #[arg(value_name = "LEASE")]
    lease: Called,
    /// Follow the log until the lease ends
    #[arg(short, long)]
    follow: bool,
    /// Start with the last N lines, up to 10000, or with all
    #[arg(long, value_name = "N|all")]
    tail: Option<String>,
    /// Leave out older lines: a time in RFC 3339, or an age such as 90s, 15m, 2h, 1d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Resume after the line with this cursor; --json shows cursors
    #[arg(long)]
    cursor: Option<String>,
    /// Show when each line was written
    #[arg(short, long)]
    timestamps: bool,
    /// Show each line as JSON, with everything known about it, on standard output
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Where the view starts. An age is counted from this machine's clock, as docker does, so a
    /// view that reconnects starts at the same place.
    fn start(&self) -> Result<Start, NotAStart> {
        Start::parse(
            self.cursor.as_deref(),
            self.tail.as_deref(),
            self.since.as_deref(),
            Time::now(),
        )
    }

    fn form(&self) -> Form {
        match (self.json, self.timestamps) {
            (true, _) => Form::Json,
            (false, true) => Form::Timestamps,
            (false, false) => Form::Plain,
        }
    }
}

/// Shows a lease's log: to its current end or, with `--follow`, until the lease ends.
pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let view = View::new(arguments.start()?);
    let lease = find(api, &arguments.lease).await?;
    if arguments.follow {
        let server = api.server();
        return until_gone(server, lease, view, arguments.form(), console).await;
    }
    let (out, err) = console.for_containers();
    page::show(api, &lease, view, Output::new(out, err, arguments.form())).await
}

/// Follows a lease's log until the lease ends.
pub(crate) async fn follow(
    server: &Server,
    lease: LeaseId,
    console: &mut Console,
) -> Result<(), Failure> {
    let view = View::new(Start::with_all());
    until_gone(server, lease, view, Form::Plain, console).await
}

/// Follows a log as long as somebody reads it: a silent log must not keep `head` waiting.
async fn until_gone(
    server: &Server,
    lease: LeaseId,
    view: View,
    form: Form,
    console: &mut Console,
) -> Result<(), Failure> {
    let gone = console.reader_gone();
    let (out, err) = console.for_containers();
    tokio::select! {
        shown = show_live(server, lease, view, Output::new(out, err, form)) => shown,
        () = gone => Err(Failure::Output(std::io::ErrorKind::BrokenPipe.into())),
    }
}

async fn show_live<O: Write, E: Write>(
    server: &Server,
    lease: LeaseId,
    view: View,
    output: Output<O, E>,
) -> Result<(), Failure> {
    let mut shown = Shown { view, output };
    let log = Log {
        server,
        connector: server.connector()?,
        lease,
    };
    let mut backoff = Backoff::default();
    // A wrong address or a wrong id fails at once: only a server that answered before is retried.
    let mut connection = log.connect(&shown.view).await?;
    loop {
        let lost = match shown.read(&mut connection).await? {
            End::LeaseEnded(sentence) => {
                shown.output.tell(&sentence);
                return Ok(());
            }
            End::Lost(lost) => lost,
        };
        connection = log.connect_again(&mut shown, &mut backoff, &lost).await?;
    }
}

/// The log of a lease on a server.
struct Log<'l> {
    server: &'l Server,
    connector: Connector,
    lease: LeaseId,
}

impl Log<'_> {
    async fn connect(&self, view: &View) -> Result<Connection, Failure> {
        let url = self.server.log_url(&self.lease, &view.query());
        Connection::open(self.server, &self.connector, &url).await
    }

    /// Reconnects, with as many attempts as it takes.
    async fn connect_again<O: Write, E: Write>(
        &self,
        shown: &mut Shown<O, E>,
        backoff: &mut Backoff,
        lost: &Lost,
    ) -> Result<Connection, Failure> {
        if lost.had_lines || lost.was_good() {
            *backoff = Backoff::default();
        }
        let mut pause = if lost.was_good() {
            Duration::ZERO
        } else {
            backoff.pause()
        };
        loop {
            shown.output.interrupted(pause);
            sleep(pause).await;
            match self.connect(&shown.view).await {
                Ok(connection) => return Ok(connection),
                Err(failure) if failure.is_passing() => pause = backoff.pause(),
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// How a connection ended.
enum End {
    /// The lease ended: why, in a sentence.
    LeaseEnded(String),
    Lost(Lost),
}

/// A connection that was lost.
struct Lost {
    age: Duration,
    had_lines: bool,
    /// Whether the server asked clients to slow down.
    in_trouble: bool,
}

impl Lost {
    /// Whether to reconnect without a pause.
    fn was_good(&self) -> bool {
        self.age >= GOOD && !self.in_trouble
    }
}

/// WebSocket close codes that say more than that the connection is lost.
mod code {
    pub(super) const NO_LEASE: u16 = 4404;
    pub(super) const FAULT: u16 = 4500;
    pub(super) const UNAVAILABLE: u16 = 4503;
}

/// What has been shown of a log, and the outputs.
struct Shown<O, E> {
    view: View,
    output: Output<O, E>,
}

/// What a frame said besides lines.
#[derive(Default)]
struct Said {
    had_lines: bool,
    /// The lease ended: why, in a sentence.
    ended: Option<String>,
    /// The server closes the connection, with this code.
    closing: Option<u16>,
}

impl<O: Write, E: Write> Shown<O, E> {
    /// Shows what the connection brings, until it ends.
    async fn read(&mut self, connection: &mut Connection) -> Result<End, Failure> {
        let mut had_lines = false;
        let mut settled = false;
        let code = loop {
            let patience = if settled { SILENCE } else { GOOD };
            match connection.next(patience).await {
                Received::Frame(frame) => {
                    let said = self.show(&frame)?;
                    had_lines |= said.had_lines;
                    if let Some(sentence) = said.ended {
                        return Ok(End::LeaseEnded(sentence));
                    }
                    // API Gateway closes with its own codes; the frame carries ours.
                    if let Some(code) = said.closing {
                        break Some(code);
                    }
                }
                Received::Silence if settled => break None,
                Received::Silence => self.output.connected(),
                Received::Closed(code) => break code,
            }
            settled = true;
        };
        if code == Some(code::NO_LEASE) {
            let sentence = "there is no such lease any more: its record was purged";
            return Err(Failure::NoSuchLease(sentence.to_owned()));
        }
        Ok(End::Lost(Lost {
            age: connection.age(),
            had_lines,
            in_trouble: matches!(code, Some(code::FAULT | code::UNAVAILABLE)),
        }))
    }

    /// Shows a frame. The view advances only past lines that were written; if a write fails, the
    /// command ends.
    fn show(&mut self, frame: &str) -> Result<Said, Failure> {
        let mut said = Said::default();
        for object in decode::objects(frame) {
            if !matches!(object, Ok(Object::Closing { .. })) {
                self.output.connected();
            }
            match object {
                Ok(Object::Line(line)) => {
                    said.had_lines = true;
                    if self.view.take(&line.cursor) {
                        self.output.line(&line)?;
                    }
                }
                Ok(Object::Heartbeat { cursor }) => self.view.note_heartbeat(cursor),
                Ok(Object::Skipped { lines, cursor }) => {
                    self.view.go_on_after(cursor);
                    self.output.skipped(lines);
                }
                Ok(Object::Behind { lines }) => self.output.behind(lines, Instant::now()),
                Ok(Object::Other) => {}
                Ok(Object::Ended { message }) => said.ended = Some(uncapitalised(&message)),
                Ok(Object::Closing { code }) => said.closing = Some(code),
                Err(Malformed) => self.output.malformed(),
            }
        }
        self.output.flush()?;
        Ok(said)
    }
}
