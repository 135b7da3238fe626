import { describe, expect, it } from "vitest";
import { anEndedLease, aReceipt } from "../test/leases";
import { egressPhrase, endSentence, formatCpu, formatMemory } from "./words";

describe("endSentence", () => {
  it("tells how long after its end an expired lease was gone", () => {
    expect(endSentence(anEndedLease())).toBe("Expired at 10:00:00, removed 0.3 s after its end.");
  });

  it("tells how fast a deleted one was gone", () => {
    const lease = anEndedLease({
      reason: "deleted",
      receipt: aReceipt({ reason: "deleted", overshootMs: null }),
    });
    expect(endSentence(lease)).toBe("Deleted at 10:00:00, gone 0.3 s later.");
  });

  it("says no more than it knows", () => {
    expect(endSentence(anEndedLease({ reason: "lost", receipt: null }))).toBe("Lost.");
  });
});

describe("egress", () => {
  it("is said in words", () => {
    expect(["open", "none", "web"].map(egressPhrase)).toEqual([
      "to everywhere",
      "to nowhere",
      "to the list “web” alone",
    ]);
  });
});

describe("sizes", () => {
  it("writes them as people do", () => {
    expect([250, 1000, 1500].map(formatCpu)).toEqual(["0.25 cores", "1 core", "1.5 cores"]);
    expect([128, 1024, 1536].map(formatMemory)).toEqual(["128 MB", "1 GB", "1.5 GB"]);
  });
});
