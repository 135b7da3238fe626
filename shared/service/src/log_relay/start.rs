//! Where a view begins.

use std::{collections::VecDeque, time::Duration};

use containerlease_domain::{
    logs::{self, Assembler, Cursor, Start, Tail},
    names::ContainerName,
};
use futures_util::StreamExt;

use crate::docker::{Host, HostError, Read};

/// Time limit for the engine to find where the last lines of a log begin.
const LIMIT: Duration = Duration::from_secs(20);

/// The cursor after which a view begins.
pub(crate) async fn resolve(
    host: &Host,
    name: &ContainerName,
    start: &Start,
) -> Result<Cursor, HostError> {
    let without = start.without_a_log();
    let Start::With {
        tail: Tail::Lines(lines),
        ..
    } = start
    else {
        return Ok(without);
    };
    let resolved = before_last_lines(host, name, *lines as usize);
    let resolved = limited("looking for the last lines of a log", resolved).await?;
    Ok(resolved.map_or(without, |cursor| cursor.joined(without)))
}

/// The engine's timestamp of the last line of a log, in nanoseconds after the epoch; none without a
/// line.
pub(super) async fn last_stamp(
    host: &Host,
    name: &ContainerName,
) -> Result<Option<i64>, HostError> {
    let last = async { Ok(last_pieces(host, name, 1).await?.map(|(stamp, _)| stamp)) };
    limited("looking for the last line of a log", last).await
}

/// The position before the last `lines` lines; none if the log has no line.
///
/// The engine counts pieces of long lines as lines, and does not number its lines. So the first
/// pass finds a time before which the last lines cannot begin, and the second reads from there and
/// counts.
async fn before_last_lines(
    host: &Host,
    name: &ContainerName,
    lines: usize,
) -> Result<Option<Cursor>, HostError> {
    let mut pieces = lines.max(1);
    loop {
        let Some((stamp, found)) = last_pieces(host, name, pieces).await? else {
            return Ok(None);
        };
        let since = logs::second_before_disorder(stamp);
        let mut assembler = Assembler::after(Cursor::before_second(since));
        let mut starts = VecDeque::new();
        let mut log = host.read_log(name, Read::Since(since)).await?;
        while let Some(piece) = log.next().await {
            let piece = piece?;
            if piece.anew {
                assembler.begin_anew();
            }
            let before = assembler.cursor();
            if assembler
                .take(logs::stream_of(piece.stderr), &piece.bytes)
                .is_some()
            {
                starts.push_back(before);
                if starts.len() > lines {
                    starts.pop_front();
                }
            }
        }
        if starts.len() == lines || found < pieces {
            let start = starts.front().copied();
            return Ok(Some(start.unwrap_or_else(|| assembler.cursor())));
        }
        pieces *= 2;
    }
}

/// The timestamp of the first of the last `pieces` pieces of a log, and how many there are.
async fn last_pieces(
    host: &Host,
    name: &ContainerName,
    pieces: usize,
) -> Result<Option<(i64, usize)>, HostError> {
    let tail = u32::try_from(pieces).unwrap_or(u32::MAX);
    let mut log = host.read_log(name, Read::Tail(tail)).await?;
    let mut first = None;
    let mut found = 0;
    while let Some(piece) = log.next().await {
        let piece = piece?;
        first = first.or_else(|| logs::stamp_of(&piece.bytes).map(|(nanos, _)| nanos));
        found += 1;
    }
    Ok(first.map(|first| (first, found)))
}

async fn limited<T>(
    attempted: &'static str,
    work: impl Future<Output = Result<T, HostError>>,
) -> Result<T, HostError> {
    let limited = tokio::time::timeout(LIMIT, work).await;
    limited.unwrap_or(Err(HostError::TimedOut { attempted }))
}
