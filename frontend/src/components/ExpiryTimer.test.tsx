import { act, render, screen } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { serverClock } from "../services/serverClock";
import { aLease, at, NOW } from "../test/leases";
import { Announcer } from "./Announcer";
import { ExpiryTimer } from "./ExpiryTimer";

describe("ExpiryTimer", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: NOW });
    serverClock.observe(at(0), NOW);
  });

  it("counts down to the end", () => {
    render(<ExpiryTimer lease={aLease({ expiryTime: at(61_000) })} />);
    const timer = screen.getByRole("timer", { name: "1 minute left" });
    expect(timer.textContent).toBe("1:01");
    act(() => vi.advanceTimersByTime(61_000));
    expect(timer.textContent).toBe("0:00");
    expect(screen.getByText("ending")).toBeDefined();
  });

  it("follows the server's clock, not the browser's", () => {
    serverClock.observe(at(600_000), NOW);
    render(<ExpiryTimer lease={aLease({ expiryTime: at(605_000) })} />);
    expect(screen.getByRole("timer").textContent).toBe("0:05");
  });

  it("says once that the last minute has begun", () => {
    render(
      <>
        <Announcer />
        <ExpiryTimer lease={aLease({ expiryTime: at(62_000) })} />
      </>,
    );
    expect(screen.getByRole("status").textContent).toBe("");
    act(() => vi.advanceTimersByTime(3_000));
    expect(screen.getByRole("status").textContent).toBe("session-cache ends in one minute.");
  });

  it("stops counting for a lease that is being removed", () => {
    render(<ExpiryTimer lease={aLease({ state: "ending", expiryTime: at(-2_000) })} />);
    expect(screen.queryByRole("timer")).toBeNull();
    expect(screen.getByText("removing")).toBeDefined();
    expect(screen.getByText("ended 09:59:58")).toBeDefined();
  });
});
