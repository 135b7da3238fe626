import { memo, useDeferredValue, useMemo, useRef, useState } from "react";
import { useContainer } from "../hooks/useContainers";
import { useFollowingScroll } from "../hooks/useFollowingScroll";
import { HELD_LIMIT, type LogStatus, type Logs, useLogs } from "../hooks/useLogs";
import { useTimer } from "../hooks/useTimer";
import { canFollowLog, leaseLabel } from "../lease/rules";
import { clockTimeWithMs, counted } from "../lease/time";
import { reasonLabel, removalPhrase } from "../lease/words";
import {
  LINES_KEPT,
  type LogGap,
  type LogLine,
  type LogRow,
  linesAmong,
} from "../services/logService";
import type { Container } from "../types/container";
import { CloseIcon, DownIcon } from "./icons";

interface Props {
  id: string;
  /** The lease from the list; undefined if the list does not have it. */
  listed: Container | undefined;
  onClose: () => void;
}

/** The live log of one lease. Use the lease's id as its key, so each log starts fresh. */
export function LogViewer({ id, listed, onClose }: Props) {
  const alone = useContainer(id, listed === undefined);
  const lease = useLastKnown(listed ?? alone.data);

  // An open log stays open: its last lines arrive while the lease is ending.
  const [isOpen, setIsOpen] = useState(false);
  const mayOpen = lease !== undefined && lease.state !== "ended" && canFollowLog(lease).allowed;
  if (mayOpen && !isOpen) setIsOpen(true);

  const logs = useLogs(id, isOpen);
  const status = statusToShow(logs.status, lease, alone.error);
  const [wrap, setWrap] = useState(true);
  const [filter, setFilter] = useState("");
  const label = lease === undefined ? leaseLabel({ id, name: null }) : leaseLabel(lease);

  return (
    <section id="log" className="panel log" aria-labelledby="log-title">
      <div className="panel-head log-head">
        <h2 id="log-title">
          <span className="log-title-word">Log of</span> {label}
        </h2>
        <LogStatusPill status={status} paused={logs.paused} held={logs.held} />
        {status.phase === "waiting" && (
          <button type="button" className="button" data-kind="ghost" onClick={logs.retryNow}>
            Reconnect now
          </button>
        )}
        <div className="log-tools">
          <input
            type="search"
            className="log-filter"
            placeholder="Filter"
            aria-label="Show only lines that contain"
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
          />
          <button
            type="button"
            className="button"
            aria-pressed={wrap}
            title="Break long lines"
            onClick={() => setWrap(!wrap)}
          >
            Wrap
          </button>
          <button
            type="button"
            className="button"
            aria-pressed={logs.paused}
            title={logs.paused ? "Show the lines that arrived meanwhile" : "Hold the view still"}
            onClick={() => logs.setPaused(!logs.paused)}
          >
            {logs.paused ? "Resume" : "Pause"}
          </button>
          <button
            type="button"
            className="button"
            title="Empty the view; the log itself stays as it is"
            onClick={logs.clear}
          >
            Clear
          </button>
        </div>
        <button
          type="button"
          className="icon-button log-close"
          onClick={onClose}
          title="Close the log"
          aria-label="Close the log"
        >
          <CloseIcon />
        </button>
      </div>
      <LogLines logs={logs} status={status} filter={filter} wrap={wrap} label={label} />
    </section>
  );
}

/** Keeps the last known lease from when it leaves the list until it is fetched by itself. */
function useLastKnown(lease: Container | undefined): Container | undefined {
  const [known, setKnown] = useState(lease);
  if (lease !== undefined && lease !== known) setKnown(lease);
  return lease ?? known;
}

type ShownStatus = LogStatus | { phase: "starting"; detail: string };

/** Before the socket opens, the lease itself tells the state of its log. */
function statusToShow(
  status: LogStatus,
  lease: Container | undefined,
  error: { title: string; detail: string } | null,
): ShownStatus {
  if (status.phase !== "idle") return status;
  if (lease === undefined) {
    return error === null
      ? { phase: "connecting" }
      : { phase: "unavailable", title: error.title, detail: error.detail };
  }
  if (lease.state === "ended") {
    return { phase: "ended", reason: lease.reason, receipt: lease.receipt };
  }
  const verdict = canFollowLog(lease);
  return verdict.allowed ? status : { phase: "starting", detail: verdict.reason };
}

function LogStatusPill({
  status,
  paused,
  held,
}: {
  status: ShownStatus;
  paused: boolean;
  held: number;
}) {
  return (
    <p className="log-status" data-phase={paused ? "paused" : status.phase} role="status">
      <span className="log-status-dot" aria-hidden="true" />
      {paused ? (
        <span>Paused{held > 0 && <span aria-hidden="true"> · {heldWords(held)}</span>}</span>
      ) : null}
      {!paused && status.phase === "waiting" ? <Reconnecting at={status.retryAtMs} /> : null}
      {!paused && status.phase !== "waiting" ? statusWord(status) : null}
    </p>
  );
}

/** Beyond the limit the server holds lines back, and the page does not know how many. */
function heldWords(held: number): string {
  return held > HELD_LIMIT
    ? `over ${HELD_LIMIT.toLocaleString("en")} waiting`
    : `${held.toLocaleString("en")} waiting`;
}

function statusWord(status: Exclude<ShownStatus, { phase: "waiting" }>): string {
  switch (status.phase) {
    case "idle":
    case "connecting":
      return "Connecting…";
    case "starting":
      return "Starting…";
    case "live":
      return "Live";
    case "ended":
      return status.reason === null
        ? "Ended"
        : `Ended: ${reasonLabel(status.reason).toLowerCase()}`;
    case "unavailable":
      return "Not available";
  }
}

/** Screen readers hear only that the log reconnects, not the countdown. */
function Reconnecting({ at }: { at: number }) {
  const seconds = Math.max(0, Math.ceil(useTimer(at, Date.now) / 1000));
  return (
    <span>
      Reconnecting<span aria-hidden="true">{seconds > 0 ? ` in ${seconds} s` : "…"}</span>
    </span>
  );
}

interface LogLinesProps {
  logs: Logs;
  status: ShownStatus;
  filter: string;
  wrap: boolean;
  label: string;
}

function LogLines({ logs, status, filter, wrap, label }: LogLinesProps) {
  const { rows, dropped } = logs.snapshot;
  const wanted = useDeferredValue(filter.trim().toLowerCase());
  const matching = useMemo(() => filtered(rows, wanted), [rows, wanted]);
  const lineCount = useMemo(() => linesAmong(rows), [rows]);
  const matchCount = useMemo(() => linesAmong(matching), [matching]);
  const box = useRef<HTMLDivElement>(null);
  const { shown, following, unseen, jumpToLatest, onScroll } = useFollowingScroll(
    box,
    matching,
    wrap,
  );

  const skipToNow = () => {
    logs.skip();
    jumpToLatest();
    // The button disappears; keep the focus from falling to the page's top.
    box.current?.focus({ preventScroll: true });
  };

  return (
    <div className="log-frame">
      {/* biome-ignore-start lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <div
        ref={box}
        className="log-lines"
        data-wrap={wrap}
        role="log"
        aria-live="off"
        aria-label={`Log lines of ${label}`}
        tabIndex={0}
        onScroll={onScroll}
      >
        {dropped > 0 && shown.length === matching.length && (
          <p className="log-note">{counted(dropped, "older line")} dropped from view</p>
        )}
        {shown.map((row) =>
          row.kind === "line" ? (
            <LineRow key={row.seq} line={row} wanted={wanted} />
          ) : (
            <GapRow key={row.seq} gap={row} />
          ),
        )}
        {matching.length === 0 && (
          <LogPlaceholder status={status} hidden={lineCount} filter={filter.trim()} />
        )}
        {matching.length > 0 && <LogEnd status={status} />}
      </div>
      {/* biome-ignore-end lint/a11y/noNoninteractiveTabindex: see above */}
      <BehindNotice lines={logs.paused ? 0 : logs.behind} onSkip={skipToNow} />
      {!following && (
        <button type="button" className="button log-jump" onClick={jumpToLatest}>
          <DownIcon /> Jump to latest{unseen > 0 && ` (${unseen.toLocaleString("en")} new)`}
        </button>
      )}
      <p className="log-foot">
        <span>
          {wanted === ""
            ? counted(lineCount, "line")
            : `${matchCount.toLocaleString("en")} of ${counted(lineCount, "line")}`}
        </span>
        {dropped > 0 && <span>{counted(dropped, "older line")} dropped from view</span>}
        {status.phase === "waiting" && <span>{status.why}</span>}
      </p>
    </div>
  );
}

/** Keeps gaps among the matching lines: a missing line may match as well. */
function filtered(rows: readonly LogRow[], wanted: string): readonly LogRow[] {
  if (wanted === "") return rows;
  const matching = rows.filter(
    (row) => row.kind === "gap" || row.message.toLowerCase().includes(wanted),
  );
  return linesAmong(matching) === 0 ? [] : matching;
}

/**
 * Lies over the first lines in view, so nothing moves when it appears or disappears. Screen readers
 * hear once that the view is behind, not each number.
 */
function BehindNotice({ lines, onSkip }: { lines: number; onSkip: () => void }) {
  const isBehind = lines > 0;
  return (
    <div className="log-behind" data-shown={isBehind}>
      <p role="status">
        {isBehind && (
          <>
            <span className="visually-hidden">The view is behind the container.</span>
            <span aria-hidden="true">{counted(lines, "line")} behind</span>
          </>
        )}
      </p>
      {isBehind && (
        <button
          type="button"
          className="button"
          title="Skip the lines not yet received and continue with new ones"
          onClick={onSkip}
        >
          Skip to now
        </button>
      )}
    </div>
  );
}

const LineRow = memo(function LineRow({ line, wanted }: { line: LogLine; wanted: string }) {
  return (
    <div className="log-line" data-seq={line.seq} data-level={line.level}>
      <time className="log-time" dateTime={line.timestamp} title={line.timestamp}>
        {clockTimeWithMs(line.timestamp)}
      </time>
      <span className="log-stream" data-stream={line.stream} title={line.stream}>
        {line.stream === "stderr" ? "err" : "out"}
      </span>
      <span className="log-level">{line.level}</span>
      <span className="log-message">
        {line.truncated && <LineMark {...MARKS.truncated} />}
        {line.replaced && <LineMark {...MARKS.replaced} />}
        {wanted === "" ? line.message : <Marked text={line.message} wanted={wanted} />}
      </span>
    </div>
  );
});

const MARKS = {
  truncated: {
    word: "cut",
    meaning: "The line was longer than 64 KiB: its beginning is shown, the rest is not kept.",
  },
  replaced: {
    word: "not UTF-8",
    meaning: "Bytes of the line that were not UTF-8 are shown as \u{fffd}.",
  },
};

/** A word before a line that differs from what the container wrote. */
function LineMark({ word, meaning }: { word: string; meaning: string }) {
  return (
    <span className="log-mark" title={meaning}>
      <span aria-hidden="true">{word}</span>
      <span className="visually-hidden">{meaning}</span>
    </span>
  );
}

function GapRow({ gap }: { gap: LogGap }) {
  return (
    <p className="log-note log-gap" data-seq={gap.seq}>
      {gap.message}
    </p>
  );
}

function Marked({ text, wanted }: { text: string; wanted: string }) {
  const at = text.toLowerCase().indexOf(wanted);
  if (at < 0) return text;
  const end = at + wanted.length;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, end)}</mark>
      {text.slice(end)}
    </>
  );
}

/** Shown instead of lines: why there are none, and what would bring some. */
function LogPlaceholder({
  status,
  hidden,
  filter,
}: {
  status: ShownStatus;
  hidden: number;
  filter: string;
}) {
  const [title, detail] = placeholderWords(status, hidden, filter);
  return (
    <div className="log-empty">
      <p className="empty-title">{title}</p>
      <p>{detail}</p>
    </div>
  );
}

function placeholderWords(status: ShownStatus, hidden: number, filter: string): [string, string] {
  if (hidden > 0) {
    return [`No line contains “${filter}”`, `${counted(hidden, "line")} hidden by the filter.`];
  }
  switch (status.phase) {
    case "idle":
    case "connecting":
      return [
        "Opening the log…",
        `The last ${LINES_KEPT.toLocaleString("en")} lines come first, then new ones as they are written.`,
      ];
    case "starting":
      return ["Not started yet", status.detail];
    case "live":
      return ["No lines yet", "The container has written nothing. New lines appear by themselves."];
    case "waiting":
      return ["Reconnecting", status.why];
    case "ended":
      return ["The lease has ended", endWords(status)];
    case "unavailable":
      return [status.title, status.detail];
  }
}

function LogEnd({ status }: { status: ShownStatus }) {
  if (status.phase === "ended") return <p className="log-note">{endWords(status)}</p>;
  if (status.phase === "unavailable") {
    return (
      <p className="log-note">
        {status.title}: {status.detail}
      </p>
    );
  }
  return null;
}

function endWords({ reason, receipt }: Extract<LogStatus, { phase: "ended" }>): string {
  const removal = receipt === null ? null : removalPhrase(receipt);
  const why =
    reason === null ? "The lease has ended" : `Lease ${reasonLabel(reason).toLowerCase()}`;
  return removal === null ? `${why}. Its log went with it.` : `${why}, ${removal}.`;
}
