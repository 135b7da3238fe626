const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Seconds are rounded up: a one-minute lease starts at 1:00, and 0:00 is shown only once
 * nothing is left.
 */
function parts(remainingMs: number): { hours: number; minutes: number; seconds: number } {
  const total = Math.max(0, Math.ceil(remainingMs / SECOND_MS));
  return {
    hours: Math.floor(total / 3600),
    minutes: Math.floor((total % 3600) / 60),
    seconds: total % 60,
  };
}

/** `0:09`, `14:32`, `1:04:09`. */
export function formatCountdown(remainingMs: number): string {
  const { hours, minutes, seconds } = parts(remainingMs);
  if (hours > 0) return `${hours}:${twoDigits(minutes)}:${twoDigits(seconds)}`;
  return `${minutes}:${twoDigits(seconds)}`;
}

/** The same for screen readers: `1 hour 4 minutes`, `14 minutes`, `9 seconds`. */
export function spokenCountdown(remainingMs: number): string {
  const { hours, minutes, seconds } = parts(remainingMs);
  if (hours > 0) return `${counted(hours, "hour")} ${counted(minutes, "minute")}`;
  if (minutes > 0) return counted(minutes, "minute");
  return counted(seconds, "second");
}

/** The time until the countdown shows another second. */
export function untilNextSecond(remainingMs: number): number {
  const rest = remainingMs % SECOND_MS;
  return rest > 0 ? rest : SECOND_MS + rest;
}

export type Urgency = "calm" | "soon" | "last" | "over";

export function urgencyOf(remainingMs: number): Urgency {
  if (remainingMs <= 0) return "over";
  if (remainingMs <= MINUTE_MS) return "last";
  return remainingMs <= 5 * MINUTE_MS ? "soon" : "calm";
}

/** The share of its whole time that a lease has left, from 1 down to 0. */
export function shareLeft(createdAt: string, expiryTime: string, remainingMs: number): number {
  const whole = Date.parse(expiryTime) - Date.parse(createdAt);
  return whole <= 0 ? 0 : Math.min(1, Math.max(0, remainingMs / whole));
}

/** `14:03:22` in the reader's time zone. */
export function clockTime(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits).join(":");
}

/** `14:03:22` on the day of `nowMs`; otherwise `tomorrow, 14:03:22` or `3 Dec, 14:03:22`. */
export function dayAndTime(ms: number, nowMs: number): string {
  const days = Math.round((midnight(ms) - midnight(nowMs)) / DAY_MS);
  if (days === 0) return clockTime(ms);
  const day =
    days === 1
      ? "tomorrow"
      : new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return `${day}, ${clockTime(ms)}`;
}

function midnight(ms: number): number {
  return new Date(ms).setHours(0, 0, 0, 0);
}

/** `14:03:22.017`, for log lines. */
export function clockTimeWithMs(timestamp: string): string {
  const ms = Date.parse(timestamp);
  if (Number.isNaN(ms)) return timestamp;
  return `${clockTime(ms)}.${String(new Date(ms).getMilliseconds()).padStart(3, "0")}`;
}

/** `250 ms`, `0.3 s`, `12 s`, `2 min 5 s`, `1 h 4 min`. */
export function formatSpan(spanMs: number): string {
  const span = Math.max(0, spanMs);
  if (span < 100) return `${Math.round(span)} ms`;
  if (span < 10 * SECOND_MS) return `${(span / SECOND_MS).toFixed(1)} s`;
  if (span < MINUTE_MS) return `${Math.round(span / SECOND_MS)} s`;
  if (span < HOUR_MS) {
    const seconds = Math.floor((span % MINUTE_MS) / SECOND_MS);
    const minutes = `${Math.floor(span / MINUTE_MS)} min`;
    return seconds === 0 ? minutes : `${minutes} ${seconds} s`;
  }
  const minutes = Math.floor((span % HOUR_MS) / MINUTE_MS);
  const hours = `${Math.floor(span / HOUR_MS)} h`;
  return minutes === 0 ? hours : `${hours} ${minutes} min`;
}

/** `1 minute`, `5 minutes`. */
export function counted(count: number, unit: string): string {
  return `${count.toLocaleString("en")} ${unit}${count === 1 ? "" : "s"}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
