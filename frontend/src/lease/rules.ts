import type { Container } from "../types/container";

/** Whether an action is allowed; if not, a sentence that says why. */
export type Verdict = { allowed: true } | { allowed: false; reason: string };

const ALLOWED: Verdict = { allowed: true };
const MINUTE_MS = 60_000;

/** A renewal that adds less than this is not worth offering. */
const SMALLEST_GAIN_MS = 1_000;

export function canRenew(lease: Container, nowMs: number): Verdict {
  if (lease.state === "provisioning") {
    return refused("It is still starting: renew it once it runs.");
  }
  if (lease.state !== "running" || nowMs >= Date.parse(lease.expiryTime)) {
    return refused("The lease is over: an ended lease cannot be renewed.");
  }
  if (isAtLongest(lease)) {
    return refused("It already has its longest lifetime: no renewal can move its end.");
  }
  return ALLOWED;
}

export function isAtLongest(lease: Container): boolean {
  return Date.parse(lease.maximumExpiryTime) - Date.parse(lease.expiryTime) < SMALLEST_GAIN_MS;
}

export function canDelete(lease: Container): Verdict {
  if (lease.state === "ending") return refused("Its container is being removed right now.");
  if (lease.state === "ended") return refused("Its container is already gone.");
  return ALLOWED;
}

export function canFollowLog(lease: Container): Verdict {
  if (lease.state === "provisioning") {
    return refused("The container is starting; its log opens as soon as it runs.");
  }
  return ALLOWED;
}

/**
 * The server counts a renewal from now. To add minutes to the time left, the request asks for the
 * time left, rounded up, plus those minutes.
 */
export function minutesForExtension(
  lease: Container,
  extraMinutes: number,
  maximumMinutes: number,
  nowMs: number,
): number {
  const left = Math.max(0, Math.ceil((Date.parse(lease.expiryTime) - nowMs) / MINUTE_MS));
  return Math.min(left + extraMinutes, maximumMinutes);
}

/** A lease's end after a renewal, in milliseconds since 1970; it never moves earlier. */
export function endAfterRenewal(lease: Container, durationMinutes: number, nowMs: number): number {
  const asked = nowMs + durationMinutes * MINUTE_MS;
  return Math.max(
    Math.min(asked, Date.parse(lease.maximumExpiryTime)),
    Date.parse(lease.expiryTime),
  );
}

/** Whether a lease is about to change, so that the list is polled more often. */
export function isMoving(lease: Container, nowMs: number): boolean {
  if (lease.state === "provisioning" || lease.state === "ending") return true;
  return lease.state === "running" && Date.parse(lease.expiryTime) - nowMs <= 10_000;
}

/** A lease's label: its name, or else the end of its id. */
export function leaseLabel(lease: Pick<Container, "id" | "name">): string {
  return lease.name ?? shortId(lease.id);
}

/** Ids begin with the time and end with random digits, so the end tells two apart. */
export function shortId(id: string): string {
  return id.length <= 10 ? id : `…${id.slice(-8)}`;
}

function refused(reason: string): Verdict {
  return { allowed: false, reason };
}
