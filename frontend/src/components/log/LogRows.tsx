import { memo } from "react";
import { clockTimeWithMs } from "../../lease/time";
import type { LogGap, LogLine } from "../../log/logBuffer";

export const LineRow = memo(function LineRow({ line, wanted }: { line: LogLine; wanted: string }) {
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

export function GapRow({ gap }: { gap: LogGap }) {
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
