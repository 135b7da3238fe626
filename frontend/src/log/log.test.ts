import { describe, expect, it } from "vitest";
import type { LogEntry } from "../types/api";
import { LogBuffer } from "./logBuffer";
import { parseFrame } from "./logEvents";
import { logSocketUrl, reconnectDelayMs } from "./logSocket";
import { withoutEscapes } from "./terminalEscapes";

function entry(cursor: string | null, message = `line ${cursor}`): LogEntry {
  return {
    timestamp: "2025-01-02T10:00:00.000Z",
    level: "info",
    message,
    stream: "stdout",
    cursor,
    truncated: false,
    replaced: false,
  };
}

describe("logSocketUrl", () => {
  it("follows the page's own scheme and host, and begins with what the view keeps", () => {
    expect(logSocketUrl("abc", null, "http://127.0.0.1:8080/?x#log=abc")).toBe(
      "ws://127.0.0.1:8080/ws/logs/abc?tail=5000",
    );
    expect(logSocketUrl("abc", null, "https://lease.example/")).toBe(
      "wss://lease.example/ws/logs/abc?tail=5000",
    );
  });

  it("goes on after a cursor, whatever is in it", () => {
    const url = new URL(logSocketUrl("a/b", "1+2&3", "http://localhost/"));
    expect(url.pathname).toBe("/ws/logs/a%2Fb");
    expect([...url.searchParams]).toEqual([["cursor", "1+2&3"]]);
  });
});

describe("parseFrame", () => {
  it("reads several lines from one frame", () => {
    const frame = [entry("1"), { ...entry("2"), stream: "stderr", level: "error" }]
      .map((value) => JSON.stringify(value))
      .join("\n");
    expect(parseFrame(frame)).toEqual([
      { kind: "line", entry: entry("1") },
      { kind: "line", entry: { ...entry("2"), stream: "stderr", level: "error" } },
    ]);
  });

  it("reads a line that has only what the founding contract promises", () => {
    const line = { timestamp: "2025-01-02T10:00:00.000Z", level: "warn", message: "hot" };
    expect(parseFrame(JSON.stringify(line))).toEqual([
      {
        kind: "line",
        entry: { ...line, stream: "stdout", cursor: null, truncated: false, replaced: false },
      },
    ]);
  });

  it("takes an unknown level for info", () => {
    const [event] = parseFrame(JSON.stringify({ ...entry("1"), level: "shout" }));
    expect(event).toMatchObject({ kind: "line", entry: { level: "info" } });
  });

  it("reads the end of the lease", () => {
    const receipt = { reason: "expired", overshootMs: 300 };
    const [event] = parseFrame(JSON.stringify({ event: "ended", reason: "expired", receipt }));
    expect(event).toMatchObject({ kind: "ended", ended: { reason: "expired", receipt } });
  });

  it("reads what is not quite as the container wrote it", () => {
    const [event] = parseFrame(JSON.stringify({ ...entry("1"), truncated: true, replaced: true }));
    expect(event).toMatchObject({ entry: { truncated: true, replaced: true } });
  });

  it("reads how far the view is behind, and what was skipped", () => {
    const frame = '{"event":"behind","lines":40000}\n{"event":"skipped","lines":7,"cursor":"c9"}';
    expect(parseFrame(frame)).toEqual([
      { kind: "behind", lines: 40_000 },
      { kind: "skipped", lines: 7, cursor: "c9" },
    ]);
  });

  it("reads why the connection closes", () => {
    const text = '{"event":"closing","code":4503,"message":"The engine cannot be reached."}';
    expect(parseFrame(text)).toEqual([
      { kind: "closing", closing: { code: 4503, message: "The engine cannot be reached." } },
    ]);
  });

  it("takes events with fields of other kinds for what they can mean", () => {
    const frame =
      '{"event":"behind","lines":"many"}\n{"event":"skipped","cursor":5}\n{"event":"closing"}';
    expect(parseFrame(frame)).toEqual([
      { kind: "behind", lines: 0 },
      { kind: "skipped", lines: null, cursor: null },
      { kind: "closing", closing: { code: null, message: "" } },
    ]);
  });

  it.each([
    ["a heartbeat", '{"event":"heartbeat"}'],
    ["an answer to a pause", '{"event":"paused"}'],
    ["an answer to a resume", '{"event":"resumed"}'],
    ["the answer of a server that knows no pause", '{"event":"error","message":"only ping"}'],
    ["an event of a later version", '{"event":"moved","timestamp":"t","message":"m"}'],
    ["an empty line", "\n\n"],
    ["broken JSON", '{"timestamp":'],
    ["a gateway's own error", '{"message":"Internal server error","connectionId":"c"}'],
    ["something that is no object", "42"],
  ])("passes over %s", (_, frame) => {
    expect(parseFrame(frame)).toEqual([]);
  });
});

describe("withoutEscapes", () => {
  it("takes terminal colours and titles out of a line", () => {
    const esc = String.fromCharCode(27);
    const bell = String.fromCharCode(7);
    expect(withoutEscapes(`${esc}[1;31mred${esc}[0m ${esc}]0;title${bell}end`)).toBe("red end");
  });

  it("leaves brackets alone", () => {
    expect(withoutEscapes("[31m is no colour")).toBe("[31m is no colour");
  });
});

describe("LogBuffer", () => {
  it("shows a line once, however often it comes", () => {
    const buffer = new LogBuffer();
    for (const cursor of ["1", "2", "2", "1", "3"]) buffer.push(entry(cursor));
    expect(buffer.snapshot().rows.map(({ message }) => message)).toEqual([
      "line 1",
      "line 2",
      "line 3",
    ]);
    expect(buffer.lastCursor).toBe("3");
  });

  it("does not go back to the place of a repeated line", () => {
    const buffer = new LogBuffer();
    for (const cursor of ["1", "2", "1"]) buffer.push(entry(cursor));
    expect(buffer.lastCursor).toBe("2");
  });

  it("keeps equal lines that have no cursor", () => {
    const buffer = new LogBuffer();
    buffer.push(entry(null, "tick"));
    buffer.push(entry(null, "tick"));
    expect(buffer.snapshot().rows).toHaveLength(2);
  });

  it("holds only the latest lines and counts the others", () => {
    const buffer = new LogBuffer(3);
    for (let index = 0; index < 20; index += 1) buffer.push(entry(String(index)));
    const { rows, dropped } = buffer.snapshot();
    expect(rows.map(({ seq }) => seq)).toEqual([17, 18, 19]);
    expect(dropped).toBe(17);
  });

  it("remembers cursors of lines that have left the view", () => {
    const buffer = new LogBuffer(3);
    for (let index = 0; index < 10; index += 1) buffer.push(entry(String(index)));
    expect(buffer.push(entry("5"))).toBe(false);
  });

  it("marks what was skipped and goes on behind it", () => {
    const buffer = new LogBuffer();
    buffer.push(entry("1"));
    buffer.skip(1_234, "9");
    expect(buffer.lastCursor).toBe("9");
    buffer.push(entry("10"));
    const { rows } = buffer.snapshot();
    expect(rows.map(({ kind, message }) => [kind, message])).toEqual([
      ["line", "line 1"],
      ["gap", "1,234 lines were skipped"],
      ["line", "line 10"],
    ]);
    expect(new Set(rows.map(({ seq }) => seq)).size).toBe(3);
    expect(buffer.received).toBe(2);
  });

  it("marks where lines are missing and nobody knows how many", () => {
    const buffer = new LogBuffer();
    buffer.skip(null, "c5");
    expect(buffer.snapshot().rows[0]?.message).toBe("Lines may be missing here");
    expect(buffer.lastCursor).toBe("c5");
  });

  it("moves its place without a mark where nothing was skipped", () => {
    const buffer = new LogBuffer();
    buffer.skip(0, "9");
    expect(buffer.snapshot().rows).toEqual([]);
    expect(buffer.lastCursor).toBe("9");
    buffer.skip(1, null);
    expect(buffer.lastCursor).toBe("9");
    expect(buffer.snapshot().rows[0]?.message).toBe("1 line was skipped");
  });

  it("counts no mark as a line that was dropped", () => {
    const buffer = new LogBuffer(2);
    buffer.push(entry("1"));
    buffer.skip(5, "6");
    for (const cursor of ["7", "8"]) buffer.push(entry(cursor));
    expect(buffer.snapshot().dropped).toBe(1);
  });

  it("stays empty after being cleared, until new lines come", () => {
    const buffer = new LogBuffer();
    buffer.push(entry("1"));
    buffer.clear();
    buffer.push(entry("1"));
    expect(buffer.snapshot()).toEqual({ rows: [], dropped: 0 });
    buffer.push(entry("2"));
    expect(buffer.snapshot().rows).toHaveLength(1);
  });
});

describe("reconnectDelayMs", () => {
  it("grows from under half a second to 15 s", () => {
    expect([0, 1, 2, 3, 4, 5, 6].map((attempt) => reconnectDelayMs(attempt, 1))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000,
    ]);
    expect(reconnectDelayMs(1_000, 1)).toBe(15_000);
  });

  it("leaves half of it to chance", () => {
    expect(reconnectDelayMs(3, 0)).toBe(2_000);
    expect(reconnectDelayMs(3, 0.5)).toBe(3_000);
  });
});
