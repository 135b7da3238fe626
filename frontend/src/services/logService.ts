import type { LogEnded, LogEntry, LogLevel } from "../types/api";
import type { EndReason, Receipt } from "../types/container";

/** A line in the view. `seq` counts the lines as they came in and is the line's key. */
export interface LogLine extends LogEntry {
  seq: number;
}

export type LogEvent = { kind: "line"; entry: LogEntry } | { kind: "ended"; ended: LogEnded };

/** What the view shows: the latest lines, and how many older ones had to go for them. */
export interface LogSnapshot {
  lines: readonly LogLine[];
  dropped: number;
}

export const LINES_KEPT = 5_000;

/** The address of a lease's live log; with a cursor it goes on after that line. */
export function logSocketUrl(id: string, cursor: string | null, pageUrl: string): string {
  const url = new URL(`/ws/logs/${encodeURIComponent(id)}`, pageUrl);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (cursor !== null) url.searchParams.set("cursor", cursor);
  return url.href;
}

/**
 * Reads one text frame: one or more JSON objects, one a line. Whatever is neither a log
 * line nor the end of the log (heartbeats, events of a later version) is passed over.
 */
export function parseFrame(frame: string): LogEvent[] {
  return frame.split("\n").flatMap((text) => {
    const event = parseEvent(text);
    return event === null ? [] : [event];
  });
}

function parseEvent(text: string): LogEvent | null {
  if (text.trim() === "") return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const fields = value as Record<string, unknown>;
  if (fields.event === "ended") {
    return {
      kind: "ended",
      ended: {
        timestamp: textOr(fields.timestamp, ""),
        message: textOr(fields.message, ""),
        reason: (fields.reason ?? null) as EndReason | null,
        receipt: (fields.receipt ?? null) as Receipt | null,
      },
    };
  }
  if ("event" in fields) return null;
  const { timestamp, message, cursor } = fields;
  if (typeof timestamp !== "string" || typeof message !== "string") return null;
  return {
    kind: "line",
    entry: {
      timestamp,
      message: withoutEscapes(message),
      level: isLevel(fields.level) ? fields.level : "info",
      stream: fields.stream === "stderr" ? "stderr" : "stdout",
      cursor: typeof cursor === "string" ? cursor : null,
    },
  };
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

const LEVELS: ReadonlySet<unknown> = new Set<LogLevel>(["trace", "debug", "info", "warn", "error"]);

function isLevel(value: unknown): value is LogLevel {
  return LEVELS.has(value);
}

const ESCAPE = String.fromCharCode(27);
const TERMINAL_CODES = new RegExp(
  `${ESCAPE}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${ESCAPE}\\u0007]*(?:\\u0007|${ESCAPE}\\\\)|[@-Z\\\\-_])`,
  "g",
);

/** Programs write colours for a terminal; a page would show them as garbage. */
export function withoutEscapes(message: string): string {
  if (!message.includes(ESCAPE)) return message;
  return message.replace(TERMINAL_CODES, "");
}

/**
 * The lines of one log. It takes each cursor once, however often a reconnect brings the
 * line again, and holds a bounded number of lines and of cursors.
 */
export class LogBuffer {
  readonly #limit: number;
  #cursors = new Set<string>();
  #olderCursors = new Set<string>();
  #lines: LogLine[] = [];
  #nextSeq = 0;
  #dropped = 0;
  #lastCursor: string | null = null;

  constructor(limit: number = LINES_KEPT) {
    this.#limit = limit;
  }

  /** Where to go on after a disconnect. */
  get lastCursor(): string | null {
    return this.#lastCursor;
  }

  /** How many lines have ever been taken in. */
  get received(): number {
    return this.#nextSeq;
  }

  /** Takes a line in, or passes over one that is already there. */
  push(entry: LogEntry): boolean {
    if (entry.cursor !== null) {
      if (this.#cursors.has(entry.cursor) || this.#olderCursors.has(entry.cursor)) return false;
      this.#remember(entry.cursor);
      this.#lastCursor = entry.cursor;
    }
    this.#lines.push({ ...entry, seq: this.#nextSeq });
    this.#nextSeq += 1;
    // Cutting only now and then keeps a burst from moving the whole array for every line.
    if (this.#lines.length > this.#limit * 2) this.#cut();
    return true;
  }

  /** Empties the view. The place in the log is kept: cleared lines do not come back. */
  clear(): void {
    this.#lines = [];
    this.#dropped = 0;
  }

  snapshot(): LogSnapshot {
    this.#cut();
    return { lines: this.#lines.slice(), dropped: this.#dropped };
  }

  #cut(): void {
    const excess = this.#lines.length - this.#limit;
    if (excess <= 0) return;
    this.#lines = this.#lines.slice(excess);
    this.#dropped += excess;
  }

  /** Two sets take turns, so that forgetting the oldest cursors costs nothing per line. */
  #remember(cursor: string): void {
    if (this.#cursors.size >= this.#limit * 2) {
      this.#olderCursors = this.#cursors;
      this.#cursors = new Set();
    }
    this.#cursors.add(cursor);
  }
}

/**
 * How long to wait before the next attempt: doubling from half a second up to 15 s, half
 * of it by chance, so that a restarted server is not met by all its pages at once.
 */
export function reconnectDelayMs(failedAttempts: number, chance: number): number {
  const ceiling = Math.min(15_000, 500 * 2 ** Math.min(failedAttempts, 10));
  return Math.round(ceiling / 2 + (ceiling / 2) * chance);
}
