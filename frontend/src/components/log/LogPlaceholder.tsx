import { counted } from "../../lease/time";
import { LINES_KEPT } from "../../log/logBuffer";
import { endWords, type ShownStatus } from "./logStatus";

/** Shown instead of lines: why there are none, and what would bring some. */
export function LogPlaceholder({
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

export function LogEnd({ status }: { status: ShownStatus }) {
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
