import { counted } from "../lease/time";
import type { LogEnded, LogEntry, LogLevel } from "../types/api";
import type { EndReason, Receipt } from "../types/container";

/** A row of the view. `seq` numbers the rows in order of arrival and is the row's key. */
export type LogRow = LogLine | LogGap;

export interface LogLine extends LogEntry {
  kind: "line";
  seq: number;
}

/** A place where lines are missing, because they were skipped or are no longer kept. */
export interface LogGap {
  kind: "gap";
  seq: number;
  message: string;
}

/** The server's messages that the page acts on. */
export type LogEvent =
  | { kind: "line"; entry: LogEntry }
  /** The number of lines written but not yet received. */
  | { kind: "behind"; lines: number }
  /** The number of lines missing here, if known. */
  | { kind: "skipped"; lines: number | null; cursor: string | null }
  | { kind: "closing"; closing: Closing }
  | { kind: "ended"; ended: LogEnded };

/** Why the server closes a connection; `code` is one of `CLOSE_CODES` or a later version's. */
export interface Closing {
  code: number | null;
  message: string;
}

/** What the view shows: the latest rows, and the number of older lines that were dropped. */
export interface LogSnapshot {
  rows: readonly LogRow[];
  dropped: number;
}

/** The close codes that the page does not treat as an interruption. */
export const CLOSE_CODES = { noLease: 4404, serverFault: 4500, outOfReach: 4503 } as const;

export const LINES_KEPT = 5_000;

/**
 * The address of a lease's live log. With a cursor it resumes after that line; without one it
 * starts with as many of the last lines as the view keeps.
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
 * Parses one text frame: one or more JSON objects, one per line. Objects that the page does not
 * need (heartbeats, answers, events of a later version) are skipped.
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

/** Removes colours for a terminal, which a page would show as garbage. */
export function withoutEscapes(message: string): string {
  if (!message.includes(ESCAPE)) return message;
  return message.replace(TERMINAL_CODES, "");
}

/**
 * The lines of one log. Accepts each cursor once, however often a reconnect repeats the line, and
 * holds a bounded number of rows and of cursors.
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

  /** Where to resume after a disconnect. */
  get lastCursor(): string | null {
    return this.#lastCursor;
  }

  /** The number of lines ever accepted. */
  get received(): number {
    return this.#received;
  }

  /** Accepts a line, or skips one that is already there. */
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

  /** Marks missing lines. A reconnect resumes after `cursor`, past them. */
  skip(lines: number | null, cursor: string | null): void {
    if (cursor !== null) this.#lastCursor = cursor;
    if (lines !== 0) this.#add({ kind: "gap", message: skippedWords(lines), seq: this.#nextSeq });
  }

  /** Empties the view, but keeps the place in the log: cleared lines do not return. */
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
    // Cutting only now and then avoids moving the whole array for every line.
    if (this.#rows.length > this.#limit * 2) this.#cut();
  }

  #cut(): void {
    const excess = this.#rows.length - this.#limit;
    if (excess <= 0) return;
    this.#dropped += linesAmong(this.#rows.slice(0, excess));
    this.#rows = this.#rows.slice(excess);
  }

  /** Two sets take turns, so forgetting the oldest cursors costs nothing per line. */
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
 * The pause before the next attempt: doubles from half a second up to 15 s, and half of it is
 * random, so that a restarted server does not meet all its pages at once.
 */
export function reconnectDelayMs(failedAttempts: number, chance: number): number {
  const ceiling = Math.min(15_000, 500 * 2 ** Math.min(failedAttempts, 10));
  return Math.round(ceiling / 2 + (ceiling / 2) * chance);
}
