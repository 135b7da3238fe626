import { describe, expect, it } from "vitest";
import { aLease, at, NOW } from "../test/leases";
import {
  canDelete,
  canFollowLog,
  canRenew,
  endAfterRenewal,
  isMoving,
  leaseLabel,
  minutesForExtension,
  shortId,
} from "./rules";

const MINUTE = 60_000;

describe("canRenew", () => {
  it("allows a running lease", () => {
    expect(canRenew(aLease(), NOW)).toEqual({ allowed: true });
  });

  it.each([
    ["one that starts", aLease({ state: "provisioning" }), /starting/],
    ["one that ends", aLease({ state: "ending" }), /over/],
    ["one at the very moment of its end", aLease({ expiryTime: at(0) }), /over/],
    ["one at its longest", aLease({ maximumExpiryTime: at(10 * MINUTE) }), /longest/],
  ])("refuses %s and says why", (_, lease, reason) => {
    expect(canRenew(lease, NOW)).toMatchObject({
      allowed: false,
      reason: expect.stringMatching(reason),
    });
  });
});

describe("canDelete", () => {
  it.each(["provisioning", "running", "quarantined"] as const)("allows it while %s", (state) => {
    expect(canDelete(aLease({ state })).allowed).toBe(true);
  });

  it.each(["ending", "ended"] as const)("has nothing to do while %s", (state) => {
    expect(canDelete(aLease({ state })).allowed).toBe(false);
  });
});

describe("canFollowLog", () => {
  it("waits for the container to run", () => {
    expect(canFollowLog(aLease({ state: "provisioning" })).allowed).toBe(false);
    expect(canFollowLog(aLease({ state: "ending" })).allowed).toBe(true);
  });
});

describe("minutesForExtension", () => {
  it("puts the minutes on top of what is left", () => {
    expect(minutesForExtension(aLease(), 15, 240, NOW)).toBe(25);
    expect(minutesForExtension(aLease({ expiryTime: at(MINUTE / 2) }), 15, 240, NOW)).toBe(16);
  });

  it("never asks for more than may be asked", () => {
    expect(minutesForExtension(aLease(), 30, 20, NOW)).toBe(20);
  });
});

describe("endAfterRenewal", () => {
  it("is counted from now, capped, and never earlier than before", () => {
    expect(endAfterRenewal(aLease(), 30, NOW)).toBe(NOW + 30 * MINUTE);
    expect(endAfterRenewal(aLease(), 1_000, NOW)).toBe(NOW + 235 * MINUTE);
    expect(endAfterRenewal(aLease(), 1, NOW)).toBe(NOW + 10 * MINUTE);
  });
});

describe("isMoving", () => {
  it.each([
    [aLease({ state: "provisioning" }), true],
    [aLease({ state: "ending" }), true],
    [aLease({ expiryTime: at(10_000) }), true],
    [aLease({ expiryTime: at(-1) }), true],
    [aLease({ expiryTime: at(10_001) }), false],
    [aLease({ state: "quarantined", expiryTime: at(-1) }), false],
  ])("%#", (lease, moving) => {
    expect(isMoving(lease, NOW)).toBe(moving);
  });
});

describe("names", () => {
  it("falls back on the end of the id", () => {
    expect(leaseLabel(aLease())).toBe("session-cache");
    expect(leaseLabel({ id: "01K0000000000000009ABCDEFG", name: null })).toBe("…9ABCDEFG");
    expect(shortId("short")).toBe("short");
  });
});
