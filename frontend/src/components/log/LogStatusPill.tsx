import { useTimer } from "../../hooks/useTimer";
import { heldWords, type ShownStatus, statusWord } from "./logStatus";

export function LogStatusPill({
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

/** Screen readers hear only that the log reconnects, not the countdown. */
function Reconnecting({ at }: { at: number }) {
  const seconds = Math.max(0, Math.ceil(useTimer(at, Date.now) / 1000));
  return (
    <span>
      Reconnecting<span aria-hidden="true">{seconds > 0 ? ` in ${seconds} s` : "…"}</span>
    </span>
  );
}
