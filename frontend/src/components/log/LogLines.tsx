import { useDeferredValue, useMemo, useRef } from "react";
import { useFollowingScroll } from "../../hooks/useFollowingScroll";
import type { Logs } from "../../hooks/useLogs";
import { counted } from "../../lease/time";
import { type LogRow, linesAmong } from "../../log/logBuffer";
import { DownIcon } from "../icons";
import { BehindNotice } from "./BehindNotice";
import { LogEnd, LogPlaceholder } from "./LogPlaceholder";
import { GapRow, LineRow } from "./LogRows";
import type { ShownStatus } from "./logStatus";

interface LogLinesProps {
  logs: Logs;
  status: ShownStatus;
  filter: string;
  wrap: boolean;
  label: string;
}

export function LogLines({ logs, status, filter, wrap, label }: LogLinesProps) {
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
