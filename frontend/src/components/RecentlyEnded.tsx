import { useEffect, useRef } from "react";
import { useContainer } from "../hooks/useContainers";
import { leaseLabel } from "../lease/rules";
import { endSentence, REASON_WORDS, reasonLabel } from "../lease/words";
import { announce } from "../services/announcements";
import { serverClock } from "../services/serverClock";
import type { Container, EndReason } from "../types/container";
import { CloseIcon } from "./icons";

interface Props {
  ids: readonly string[];
  onDismiss: (ids: readonly string[]) => void;
}

/** The leases that ended in this browser session, each with its receipt. */
export function RecentlyEnded({ ids, onDismiss }: Props) {
  if (ids.length === 0) return null;
  return (
    <section className="panel ended" aria-labelledby="ended-title">
      <div className="panel-head">
        <h2 id="ended-title">Recently ended</h2>
        <button type="button" className="button" data-kind="ghost" onClick={() => onDismiss(ids)}>
          Clear
        </button>
      </div>
      <ul className="ended-list">
        {ids.map((id) => (
          <EndedLease key={id} id={id} onDismiss={() => onDismiss([id])} />
        ))}
      </ul>
    </section>
  );
}

function EndedLease({ id, onDismiss }: { id: string; onDismiss: () => void }) {
  const { data: lease, error } = useContainer(id);
  useEndAnnouncement(lease);

  if (lease === undefined && error === null) {
    return (
      <li className="ended-lease" data-ended={id}>
        <div className="skeleton" data-size="small" />
        <span className="visually-hidden">Loading its receipt…</span>
      </li>
    );
  }
  if (lease === undefined) {
    return (
      <li className="ended-lease" data-ended={id}>
        <p className="ended-title">
          <strong>{leaseLabel({ id, name: null })}</strong>
          <DismissButton label={id} onDismiss={onDismiss} />
        </p>
        <p>
          {error?.status === 404
            ? "It has ended; its receipt is not kept any more."
            : `It has left the list. ${error?.detail ?? ""}`}
        </p>
      </li>
    );
  }
  const reason = lease.receipt?.reason ?? lease.reason;
  return (
    <li className="ended-lease" data-ended={id} data-reason={reason}>
      <p className="ended-title">
        <strong title={id}>{leaseLabel(lease)}</strong>
        <span className="lease-type">{lease.imageType}</span>
        <ReasonBadge reason={reason} />
        <DismissButton label={leaseLabel(lease)} onDismiss={onDismiss} />
      </p>
      <p>{lease.state === "ended" ? endSentence(lease) : "Its container is being removed."}</p>
      <EndFacts lease={lease} />
      <LastLines lines={lease.receipt?.lastLines ?? []} />
    </li>
  );
}

function ReasonBadge({ reason }: { reason: EndReason | null }) {
  if (reason === null) return null;
  return (
    <span
      className="badge"
      data-tone={REASON_WORDS[reason]?.tone ?? "quiet"}
      title={REASON_WORDS[reason]?.meaning}
    >
      {reasonLabel(reason)}
    </span>
  );
}

/** Facts worth showing only if they are unusual. */
function EndFacts({ lease }: { lease: Container }) {
  const { receipt } = lease;
  if (receipt === null) return null;
  const facts = [
    receipt.detail ? `${receipt.detail.replace(/^./, (first) => first.toUpperCase())}.` : null,
    receipt.attempts > 1 ? `It took ${receipt.attempts} attempts.` : null,
    receipt.exitCode !== null && lease.reason !== "expired" && lease.reason !== "deleted"
      ? `Its program ended with exit code ${receipt.exitCode}.`
      : null,
  ].filter((fact) => fact !== null);
  return facts.length === 0 ? null : <p className="hint">{facts.join(" ")}</p>;
}

/** The last output of a program that exited by itself. */
function LastLines({ lines }: { lines: string[] }) {
  if (lines.length === 0) return null;
  return (
    <details className="last-lines">
      <summary>Its last {lines.length === 1 ? "line" : `${lines.length} lines`}</summary>
      <pre>{lines.join("\n")}</pre>
    </details>
  );
}

function DismissButton({ label, onDismiss }: { label: string; onDismiss: () => void }) {
  return (
    <button
      type="button"
      className="icon-button"
      onClick={onDismiss}
      title="Take it off this list"
      aria-label={`Take ${label} off this list`}
    >
      <CloseIcon />
    </button>
  );
}

const JUST_NOW_MS = 20_000;

/** Announces an end once, right after it; not again after a reload. */
function useEndAnnouncement(lease: Container | undefined): void {
  const isSaid = useRef(false);
  useEffect(() => {
    if (isSaid.current || lease?.state !== "ended") return;
    isSaid.current = true;
    const endedAt = Date.parse(lease.receipt?.removedAt ?? lease.expiryTime);
    if (serverClock.now() - endedAt > JUST_NOW_MS) return;
    announce(`${leaseLabel(lease)}: ${endSentence(lease)}`);
  }, [lease]);
}
