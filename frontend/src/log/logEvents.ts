import type { LogEnded, LogEntry, LogLevel } from "../types/api";
import type { EndReason, Receipt } from "../types/container";
import { withoutEscapes } from "./terminalEscapes";

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
