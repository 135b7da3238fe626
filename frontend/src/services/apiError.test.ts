import { describe, expect, it } from "vitest";
import { errorFromAnswer, errorFromFailure, parseRetryAfter } from "./apiError";

const NOW = Date.parse("2025-01-02T10:00:00.000Z");

describe("errorFromAnswer", () => {
  it("takes the words of a problem document", () => {
    const body = JSON.stringify({
      type: "urn:containerlease:problem:quota",
      title: "No lease is free",
      status: 429,
      detail: "Delete one of your leases first.",
      requestId: "r-7",
      errors: [{ field: "name", detail: "Too long." }, { nonsense: true }],
    });
    const error = errorFromAnswer(429, body, "12", NOW);
    expect(error).toMatchObject({
      title: "No lease is free",
      detail: "Delete one of your leases first.",
      status: 429,
      type: "urn:containerlease:problem:quota",
      requestId: "r-7",
      fields: [{ field: "name", detail: "Too long." }],
      retryAfterSeconds: 12,
      isTransient: true,
    });
  });

  it.each([
    [502, "<h1>Bad gateway</h1>", "The server has a problem"],
    [500, "", "The server has a problem"],
    [404, "{}", "Not found"],
    [403, "null", "Not allowed"],
    [413, "too big", "Too large"],
    [418, "I am a teapot", "The request was refused"],
  ])("finds words for a %i that has none", (status, body, title) => {
    const error = errorFromAnswer(status, body, null, NOW);
    expect(error.title).toBe(title);
    expect(error.detail).toMatch(/\.$/);
  });
});

describe("errorFromFailure", () => {
  it("says what to do when nothing answers", () => {
    const error = errorFromFailure(new TypeError("fetch failed"));
    expect(error).toMatchObject({ title: "The server cannot be reached", isTransient: true });
  });

  it("tells a slow server from a missing one", () => {
    const error = errorFromFailure(new DOMException("late", "TimeoutError"));
    expect(error.title).toBe("No answer in time");
  });
});

describe("parseRetryAfter", () => {
  it.each([
    ["30", 30],
    ["Thu, 02 Jan 2025 10:00:05 GMT", 5],
    ["Thu, 02 Jan 2025 09:00:00 GMT", 0],
    ["soon", null],
    [null, null],
  ])("reads %s as %s", (header, seconds) => {
    expect(parseRetryAfter(header, NOW)).toBe(seconds);
  });
});
