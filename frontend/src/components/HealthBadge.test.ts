import { describe, expect, it } from "vitest";
import { healthOf } from "./HealthBadge";

const OK = { state: "ok" } as const;
const DOWN = { state: "error", detail: "It does not answer." } as const;

describe("healthOf", () => {
  it.each([
    [undefined, false, "quiet", "Checking"],
    [undefined, true, "bad", "Unreachable"],
    [{ status: "ready", table: OK, engine: OK } as const, false, "good", "Ready"],
    [{ status: "unready", table: OK, engine: DOWN } as const, false, "bad", "Engine down"],
    [{ status: "unready", table: DOWN, engine: OK } as const, false, "bad", "Lease table down"],
    [
      { status: "unready", table: DOWN, engine: DOWN } as const,
      false,
      "bad",
      "Table and engine down",
    ],
  ] as const)("%#", (readiness, isError, tone, label) => {
    expect(healthOf(readiness, isError)).toMatchObject({ tone, label });
  });

  it("passes on what the server says about the part", () => {
    const unready = { status: "unready", table: OK, engine: DOWN } as const;
    expect(healthOf(unready, false).detail).toBe("It does not answer.");
  });
});
