import { act, renderHook } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { NOW } from "../test/leases";
import { useTimer } from "./useTimer";

describe("useTimer", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: NOW });
  });

  it("counts down at whole seconds of what is left", () => {
    const { result } = renderHook(() => useTimer(NOW + 2_400, Date.now));
    expect(result.current).toBe(2_400);
    act(() => vi.advanceTimersByTime(399));
    expect(result.current).toBe(2_400);
    act(() => vi.advanceTimersByTime(1));
    expect(result.current).toBe(2_000);
    act(() => vi.advanceTimersByTime(1_000));
    expect(result.current).toBe(1_000);
  });

  it("follows a target that moves", () => {
    const { result, rerender } = renderHook(({ target }) => useTimer(target, Date.now), {
      initialProps: { target: NOW + 1_000 },
    });
    rerender({ target: NOW + 60_000 });
    expect(result.current).toBe(60_000);
  });

  it("leaves no timer behind", () => {
    const { unmount } = renderHook(() => useTimer(NOW + 5_000, Date.now));
    unmount();
    expect(vi.getTimerCount()).toBe(0);
  });
});
