import { describe, expect, it } from "vitest";
import {
  clockTimeWithMs,
  counted,
  dayAndTime,
  formatCountdown,
  formatSpan,
  shareLeft,
  spokenCountdown,
  untilNextSecond,
  urgencyOf,
} from "./time";

describe("dayAndTime", () => {
  const now = new Date(2026, 10, 29, 14, 3, 22).getTime();
  it.each([
    [now, "14:03:22"],
    [new Date(2026, 10, 29, 23, 59, 59).getTime(), "23:59:59"],
    [new Date(2026, 10, 30, 0, 0, 0).getTime(), "tomorrow, 00:00:00"],
    [new Date(2026, 11, 3, 9, 5, 0).getTime(), "3 Dec, 09:05:00"],
  ])("shows %i as %s", (ms, text) => {
    expect(dayAndTime(ms, now)).toBe(text);
  });
});

describe("formatCountdown", () => {
  it.each([
    [60_000, "1:00"],
    [59_999, "1:00"],
    [59_000, "0:59"],
    [1, "0:01"],
    [0, "0:00"],
    [-5_000, "0:00"],
    [14 * 60_000 + 32_000, "14:32"],
    [3_600_000, "1:00:00"],
    [3_849_000, "1:04:09"],
  ])("shows %i ms as %s", (remaining, text) => {
    expect(formatCountdown(remaining)).toBe(text);
  });
});

describe("spokenCountdown", () => {
  it.each([
    [1_000, "1 second"],
    [42_000, "42 seconds"],
    [60_000, "1 minute"],
    [872_000, "14 minutes"],
    [3_849_000, "1 hour 4 minutes"],
  ])("says %i ms as %s", (remaining, text) => {
    expect(spokenCountdown(remaining)).toBe(text);
  });
});

describe("untilNextSecond", () => {
  it.each([
    [59_999, 999],
    [59_000, 1_000],
    [250, 250],
    [0, 1_000],
    [-300, 700],
  ])("waits from %i ms for %i ms", (remaining, wait) => {
    expect(untilNextSecond(remaining)).toBe(wait);
  });

  it("changes what is shown", () => {
    for (const remaining of [59_999, 59_000, 250, 61_001]) {
      const later = remaining - untilNextSecond(remaining);
      expect(formatCountdown(later)).not.toBe(formatCountdown(remaining));
    }
  });
});

describe("urgencyOf", () => {
  it.each([
    [300_001, "calm"],
    [300_000, "soon"],
    [60_001, "soon"],
    [60_000, "last"],
    [1, "last"],
    [0, "over"],
  ])("finds %i ms %s", (remaining, urgency) => {
    expect(urgencyOf(remaining)).toBe(urgency);
  });
});

describe("shareLeft", () => {
  it("goes from one to nothing and no further", () => {
    const [created, end] = ["2025-01-02T10:00:00.000Z", "2025-01-02T10:10:00.000Z"];
    expect(shareLeft(created, end, 600_000)).toBe(1);
    expect(shareLeft(created, end, 150_000)).toBe(0.25);
    expect(shareLeft(created, end, -1)).toBe(0);
    expect(shareLeft(created, created, 5)).toBe(0);
  });
});

describe("formatSpan", () => {
  it.each([
    [-3, "0 ms"],
    [87, "87 ms"],
    [312, "0.3 s"],
    [9_940, "9.9 s"],
    [12_400, "12 s"],
    [125_000, "2 min 5 s"],
    [180_000, "3 min"],
    [3_840_000, "1 h 4 min"],
  ])("writes %i ms as %s", (span, text) => {
    expect(formatSpan(span)).toBe(text);
  });
});

describe("clockTimeWithMs", () => {
  it("shows milliseconds", () => {
    expect(clockTimeWithMs("2025-01-02T10:00:00.017Z")).toBe("10:00:00.017");
  });

  it("shows what it cannot read as it is", () => {
    expect(clockTimeWithMs("yesterday")).toBe("yesterday");
  });
});

describe("counted", () => {
  it("minds the number", () => {
    expect(counted(1, "line")).toBe("1 line");
    expect(counted(5_000, "line")).toBe("5,000 lines");
  });
});
