import { describe, expect, it } from "vitest";
import {
  ENDED_KEPT,
  type LeaseHistory,
  loadHistory,
  noteList,
  saveHistory,
  withoutEnded,
} from "./endedHistory";

const START: LeaseHistory = { live: ["a", "b"], ended: ["z"] };

describe("noteList", () => {
  it("takes what is missing for ended, latest first", () => {
    expect(noteList(START, ["b", "c"])).toEqual({ live: ["b", "c"], ended: ["a", "z"] });
  });

  it("takes back what a stale list had lost", () => {
    expect(noteList(noteList(START, ["a"]), ["a", "b"])).toEqual(START);
  });

  it("gives the very same history when nothing has changed", () => {
    expect(noteList(START, ["a", "b"])).toBe(START);
  });

  it("keeps a bounded number", () => {
    const live = Array.from({ length: 40 }, (_, index) => `lease-${index}`);
    expect(noteList({ live, ended: ["z"] }, []).ended).toHaveLength(ENDED_KEPT);
  });
});

describe("withoutEnded", () => {
  it("takes entries off the list", () => {
    expect(withoutEnded(START, ["z"])).toEqual({ live: ["a", "b"], ended: [] });
  });
});

describe("storage", () => {
  it("survives a reload", () => {
    saveHistory(window.sessionStorage, START);
    expect(loadHistory(window.sessionStorage)).toEqual(START);
  });

  it.each([null, "{", "null", "[]", '{"live":5,"ended":[1,"z"]}'])("makes do with %s", (stored) => {
    const history = loadHistory({ getItem: () => stored });
    expect(history.live).toEqual([]);
    expect(history.ended.every((id) => typeof id === "string")).toBe(true);
  });

  it("does without a storage that is full or closed", () => {
    const closed = {
      setItem: () => {
        throw new DOMException("full", "QuotaExceededError");
      },
    };
    expect(() => saveHistory(closed, START)).not.toThrow();
  });
});
