import { useState } from "react";
import { useContainer } from "../../hooks/useContainers";
import { useLogs } from "../../hooks/useLogs";
import { canFollowLog, leaseLabel } from "../../lease/rules";
import type { Container } from "../../types/container";
import { CloseIcon } from "../icons";
import { LogLines } from "./LogLines";
import { LogStatusPill } from "./LogStatusPill";
import { statusToShow } from "./logStatus";

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
