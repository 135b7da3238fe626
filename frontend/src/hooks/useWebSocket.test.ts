import { act, renderHook } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { FakeWebSocket } from "../test/FakeWebSocket";
import { type SocketHandlers, useWebSocket } from "./useWebSocket";

function handlers(changes: Partial<SocketHandlers> = {}): SocketHandlers {
  return {
    url: () => "ws://localhost/ws/logs/a",
    onText: () => {},
    afterClose: async () => "retry",
    ...changes,
  };
}

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

describe("useWebSocket", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(1);
    FakeWebSocket.install();
  });

  it("opens nothing until it is enabled", async () => {
    const { result } = renderHook(() => useWebSocket(false, handlers()));
    await pass(1_000);
    expect(FakeWebSocket.opened).toHaveLength(0);
    expect(result.current.status).toEqual({ phase: "idle" });
  });

  it("opens nothing for an effect that is undone at once", async () => {
    const { unmount } = renderHook(() => useWebSocket(true, handlers()));
    unmount();
    await pass(1_000);
    expect(FakeWebSocket.opened).toHaveLength(0);
  });

  it("waits longer after each attempt, and asks for the address each time", async () => {
    const url = vi.fn(() => "ws://localhost/ws/logs/a");
    const { result } = renderHook(() => useWebSocket(true, handlers({ url })));
    await pass(0);
    for (const [attempt, delay] of [500, 1_000, 2_000].entries()) {
      expect(FakeWebSocket.opened).toHaveLength(attempt + 1);
      FakeWebSocket.latest().drop();
      await pass(0);
      expect(result.current.status).toMatchObject({ phase: "waiting" });
      await pass(delay - 1);
      expect(FakeWebSocket.opened).toHaveLength(attempt + 1);
      await pass(1);
    }
    expect(url).toHaveBeenCalledTimes(4);
  });

  it("begins with short waits again once something was received", async () => {
    renderHook(() => useWebSocket(true, handlers()));
    await pass(0);
    FakeWebSocket.latest().drop();
    await pass(500);
    FakeWebSocket.latest().accept();
    FakeWebSocket.latest().send({ event: "heartbeat" });
    FakeWebSocket.latest().drop();
    await pass(500);
    expect(FakeWebSocket.opened).toHaveLength(3);
  });

  it("stops when it is told to", async () => {
    const { result } = renderHook(() =>
      useWebSocket(true, handlers({ afterClose: async () => "stop" })),
    );
    await pass(0);
    FakeWebSocket.latest().drop();
    await pass(60_000);
    expect(FakeWebSocket.opened).toHaveLength(1);
    expect(result.current.status).toEqual({ phase: "stopped" });
  });

  it("tries at once when asked, and when the network is back", async () => {
    const { result } = renderHook(() => useWebSocket(true, handlers()));
    await pass(0);
    FakeWebSocket.latest().drop();
    await pass(0);
    act(() => result.current.retryNow());
    expect(FakeWebSocket.opened).toHaveLength(2);
    FakeWebSocket.latest().drop();
    await pass(0);
    act(() => {
      window.dispatchEvent(new Event("online"));
    });
    expect(FakeWebSocket.opened).toHaveLength(3);
    await pass(60_000);
    expect(FakeWebSocket.opened).toHaveLength(3);
  });

  it("closes a socket that is still opening only once it is open", async () => {
    const { unmount } = renderHook(() => useWebSocket(true, handlers()));
    await pass(0);
    const socket = FakeWebSocket.latest();
    unmount();
    expect(socket.readyState).toBe(FakeWebSocket.CONNECTING);
    socket.accept();
    expect(socket.readyState).toBe(FakeWebSocket.CLOSED);
  });
});
