import { useEffect, useRef } from "react";
import { useTimer } from "../hooks/useTimer";
import { leaseLabel } from "../lease/rules";
import {
  clockTime,
  dayAndTime,
  formatCountdown,
  shareLeft,
  spokenCountdown,
  urgencyOf,
} from "../lease/time";
import { announce } from "../services/announcements";
import type { Container } from "../types/container";

/** A lease's time left, by the server's clock, as a countdown and a shrinking bar. */
export function ExpiryTimer({ lease }: { lease: Container }) {
  const endMs = Date.parse(lease.expiryTime);
  const remainingMs = useTimer(endMs);
  const urgency = urgencyOf(remainingMs);
  useLastMinuteAnnouncement(lease, urgency === "last");

  if (lease.state === "ending" || lease.state === "quarantined") {
    return (
      <div className="timer" data-urgency="over">
        <span className="timer-left">{lease.state === "ending" ? "removing" : "over"}</span>
        <span className="timer-end">
          {urgency === "over" ? `ended ${clockTime(endMs)}` : "ended early"}
        </span>
      </div>
    );
  }
  return (
    <div className="timer" data-urgency={urgency}>
      <time
        role="timer"
        className="timer-left"
        dateTime={lease.expiryTime}
        title={`Ends at ${lease.expiryTime}`}
        aria-label={urgency === "over" ? "over" : `${spokenCountdown(remainingMs)} left`}
      >
        {formatCountdown(remainingMs)}
      </time>
      <span className="timer-end">
        {urgency === "over" ? "ending" : `until ${dayAndTime(endMs, endMs - remainingMs)}`}
      </span>
      <span className="timer-bar" aria-hidden="true">
        <span style={{ scale: `${shareLeft(lease.createdAt, lease.expiryTime, remainingMs)} 1` }} />
      </span>
    </div>
  );
}

/** Warns screen readers once, when the last minute begins while the card is shown. */
function useLastMinuteAnnouncement(lease: Container, isLastMinute: boolean): void {
  const wasLastMinute = useRef(isLastMinute);
  const label = leaseLabel(lease);
  useEffect(() => {
    if (isLastMinute && !wasLastMinute.current) announce(`${label} ends in one minute.`);
    wasLastMinute.current = isLastMinute;
  }, [isLastMinute, label]);
}
