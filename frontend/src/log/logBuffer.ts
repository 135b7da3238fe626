import { counted } from "../lease/time";
import type { LogEntry } from "../types/api";

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

/** What the view shows: the latest rows, and the number of older lines that were dropped. */
export interface LogSnapshot {
  rows: readonly LogRow[];
  dropped: number;
}

export const LINES_KEPT = 5_000;

/** `1,234 lines were skipped`. */
export function skippedWords(lines: number | null): string {
  if (lines === null) return "Lines may be missing here";
  return `${counted(lines, "line")} ${lines === 1 ? "was" : "were"} skipped`;
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
