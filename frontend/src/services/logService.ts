import { counted } from "../lease/time";
import type { LogEnded, LogEntry, LogLevel } from "../types/api";
import type { EndReason, Receipt } from "../types/container";

/** A row of the view. `seq` counts the rows as they came in and is the row's key. */
export type LogRow = LogLine | LogGap;

export interface LogLine extends LogEntry {
  kind: "line";
  seq: number;
}

/** Where lines were left out, because the reader wanted to go on with what is new. */
export interface LogGap {
  kind: "gap";
  seq: number;
  message: string;
}

/** What the page acts on, of all that the server says. */
export type LogEvent =
  | { kind: "line"; entry: LogEntry }
  /** How many lines the container has written that have not come yet. */
  | { kind: "behind"; lines: number }
  /** How many lines are missing here, as far as anybody knows. */
  | { kind: "skipped"; lines: number | null; cursor: string | null }
  | { kind: "closing"; closing: Closing }
  | { kind: "ended"; ended: LogEnded };

/** Why the server closes a connection; `code` is one of `CLOSE_CODES` or of later versions. */
export interface Closing {
  code: number | null;
  message: string;
}

/** What the view shows: the latest rows, and how many older lines had to go for them. */
export interface LogSnapshot {
  rows: readonly LogRow[];
  dropped: number;
}

/** The close codes that the page treats differently from an interruption. */
export const CLOSE_CODES = { noLease: 4404, serverFault: 4500, outOfReach: 4503 } as const;

export const LINES_KEPT = 5_000;

/**
 * The address of a lease's live log. With a cursor it goes on after that line; without one
 * it begins with as many of the last lines as the view keeps.
 */
export function logSocketUrl(id: string, cursor: string | null, pageUrl: string): string {
  const url = new URL(`/ws/logs/${encodeURIComponent(id)}`, pageUrl);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (cursor === null) url.searchParams.set("tail", String(LINES_KEPT));
  else url.searchParams.set("cursor", cursor);
  return url.href;
}

/** `1,234 lines were skipped`. */
export function skippedWords(lines: number | null): string {
  if (lines === null) return "Lines may be missing here";
  return `${counted(lines, "line")} ${lines === 1 ? "was" : "were"} skipped`;
}

/**
 * Reads one text frame: one or more JSON objects, one a line. Whatever asks nothing of the
 * page (heartbeats, answers, events of a later version) is passed over.
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
  return "event" in fields ? parseOwnEvent(fields) : parseLine(fields);
}

function parseOwnEvent(fields: Record<string, unknown>): LogEvent | null {
  switch (fields.event) {
    case "behind":
      return { kind: "behind", lines: countOrZero(fields.lines) };
    case "skipped":
      return {
        kind: "skipped",
        lines: fields.lines === undefined ? null : countOrZero(fields.lines),
        cursor: cursorOrNull(fields.cursor),
      };
    case "closing":
      return {
        kind: "closing",
        closing: {
          code: typeof fields.code === "number" ? fields.code : null,
          message: textOr(fields.message, ""),
        },
      };
    case "ended":
      return {
        kind: "ended",
        ended: {
          timestamp: textOr(fields.timestamp, ""),
          message: textOr(fields.message, ""),
          reason: (fields.reason ?? null) as EndReason | null,
          receipt: (fields.receipt ?? null) as Receipt | null,
        },
      };
    default:
      return null;
  }
}

function parseLine(fields: Record<string, unknown>): LogEvent | null {
  const { timestamp, message } = fields;
  if (typeof timestamp !== "string" || typeof message !== "string") return null;
  return {
    kind: "line",
    entry: {
      timestamp,
      message: withoutEscapes(message),
      level: isLevel(fields.level) ? fields.level : "info",
      stream: fields.stream === "stderr" ? "stderr" : "stdout",
      cursor: cursorOrNull(fields.cursor),
      truncated: fields.truncated === true,
      replaced: fields.replaced === true,
    },
  };
}

function cursorOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function countOrZero(value: unknown): number {
  return typeof value === "number" && value > 0 ? Math.round(value) : 0;
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
 * line again, and holds a bounded number of rows and of cursors.
 */
export class LogBuffer {
  readonly #limit: number;
  #cursors = new Set<string>();
  #olderCursors = new Set<string>();
  #rows: LogRow[] = [];
  #nextSeq = 0;
  #received = 0;
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
    return this.#received;
  }

  /** Takes a line in, or passes over one that is already there. */
  push(entry: LogEntry): boolean {
    if (entry.cursor !== null) {
      if (this.#cursors.has(entry.cursor) || this.#olderCursors.has(entry.cursor)) return false;
      this.#remember(entry.cursor);
      this.#lastCursor = entry.cursor;
    }
    this.#received += 1;
    this.#add({ kind: "line", ...entry, seq: this.#nextSeq });
    return true;
  }

  /** Marks where lines were left out. A reconnect goes on after `cursor`, behind them. */
  skip(lines: number | null, cursor: string | null): void {
    if (cursor !== null) this.#lastCursor = cursor;
    if (lines !== 0) this.#add({ kind: "gap", message: skippedWords(lines), seq: this.#nextSeq });
  }

  /** Empties the view. The place in the log is kept: cleared lines do not come back. */
  clear(): void {
    this.#rows = [];
    this.#dropped = 0;
  }

  snapshot(): LogSnapshot {
    this.#cut();
    return { rows: this.#rows.slice(), dropped: this.#dropped };
  }

  #add(row: LogRow): void {
    this.#rows.push(row);
    this.#nextSeq += 1;
    // Cutting only now and then keeps a burst from moving the whole array for every line.
    if (this.#rows.length > this.#limit * 2) this.#cut();
  }

  #cut(): void {
    const excess = this.#rows.length - this.#limit;
    if (excess <= 0) return;
    this.#dropped += linesAmong(this.#rows.slice(0, excess));
    this.#rows = this.#rows.slice(excess);
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

/** How many of the rows are lines of the container. */
export function linesAmong(rows: readonly LogRow[]): number {
  let lines = 0;
  for (const { kind } of rows) if (kind === "line") lines += 1;
  return lines;
}

/**
 * How long to wait before the next attempt: doubling from half a second up to 15 s, half
 * of it by chance, so that a restarted server is not met by all its pages at once.
 */
export function reconnectDelayMs(failedAttempts: number, chance: number): number {
  const ceiling = Math.min(15_000, 500 * 2 ** Math.min(failedAttempts, 10));
  return Math.round(ceiling / 2 + (ceiling / 2) * chance);
}
