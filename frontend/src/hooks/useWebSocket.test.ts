import { act, renderHook } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { FakeWebSocket } from "../test/FakeWebSocket";
import { SILENCE_MS, type SocketHandlers, useWebSocket } from "./useWebSocket";

function handlers(changes: Partial<SocketHandlers> = {}): SocketHandlers {
  return {
    url: () => "ws://localhost/ws/logs/a",
    onOpen: () => {},
    onText: () => {},
    afterClose: async () => "retry",
    ...changes,
  };
}

/** Advances the clock without running timers, as when the machine sleeps. */
function sleep(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

async function comeBack(target: EventTarget, event: string): Promise<void> {
  await act(async () => {
    target.dispatchEvent(new Event(event));
  });
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
    FakeWebSocket.latest().deliver({ event: "heartbeat" });
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
    await pass(15_000);
    expect(FakeWebSocket.opened).toHaveLength(3);
  });

  it("replaces a connection at once that has fallen silent, and then waits", async () => {
    const afterClose = vi.fn(async () => "retry" as const);
    renderHook(() => useWebSocket(true, handlers({ afterClose })));
    await pass(0);
    const first = FakeWebSocket.latest();
    first.accept();
    first.deliver({ event: "heartbeat" });
    await pass(SILENCE_MS - 1);
    expect(first.readyState).toBe(FakeWebSocket.OPEN);
    await pass(1);
    expect(first.readyState).toBe(FakeWebSocket.CLOSED);
    expect(afterClose).toHaveBeenLastCalledWith({ opened: true, silent: true, code: null });
    expect(FakeWebSocket.opened).toHaveLength(2);

    FakeWebSocket.latest().accept();
    await pass(SILENCE_MS);
    expect(FakeWebSocket.opened).toHaveLength(2);
    await pass(1_000);
    expect(FakeWebSocket.opened).toHaveLength(3);
  });

  it("takes every frame for a sign of life", async () => {
    renderHook(() => useWebSocket(true, handlers()));
    await pass(0);
    FakeWebSocket.latest().accept();
    for (let beat = 0; beat < 12; beat += 1) {
      await pass(10_000);
      FakeWebSocket.latest().deliver({ event: "heartbeat" });
    }
    expect(FakeWebSocket.opened).toHaveLength(1);
  });

  it("keeps the connection to a server that says something only every 30 s", async () => {
    renderHook(() => useWebSocket(true, handlers()));
    await pass(0);
    FakeWebSocket.latest().accept();
    for (let beat = 0; beat < 4; beat += 1) {
      await pass(30_500);
      FakeWebSocket.latest().deliver({ event: "heartbeat" });
    }
    expect(FakeWebSocket.opened).toHaveLength(1);
  });

  it("gives up an attempt that nobody answers", async () => {
    const afterClose = vi.fn(async () => "retry" as const);
    renderHook(() => useWebSocket(true, handlers({ afterClose })));
    await pass(SILENCE_MS);
    expect(afterClose).toHaveBeenLastCalledWith({ opened: false, silent: true, code: null });
    expect(FakeWebSocket.opened).toHaveLength(2);
  });

  it.each([
    ["the page is seen again", () => document, "visibilitychange"],
    ["the network is back", () => window, "online"],
  ] as const)("looks for a silence that no timer saw when %s", async (_, target, event) => {
    renderHook(() => useWebSocket(true, handlers()));
    await pass(0);
    FakeWebSocket.latest().accept();
    FakeWebSocket.latest().deliver({ event: "heartbeat" });
    sleep(SILENCE_MS - 1);
    await comeBack(target(), event);
    expect(FakeWebSocket.opened).toHaveLength(1);
    sleep(1);
    await comeBack(target(), event);
    expect(FakeWebSocket.opened).toHaveLength(2);
  });

  it("looks for nothing when the page goes out of sight", async () => {
    vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
    renderHook(() => useWebSocket(true, handlers()));
    await pass(0);
    FakeWebSocket.latest().accept();
    sleep(SILENCE_MS);
    await comeBack(document, "visibilitychange");
    expect(FakeWebSocket.opened).toHaveLength(1);
  });

  it("waits longer each time where what was received proves nothing", async () => {
    const afterClose = async () => "retry-slower" as const;
    renderHook(() => useWebSocket(true, handlers({ afterClose })));
    await pass(0);
    for (const [attempt, delay] of [500, 1_000, 2_000].entries()) {
      FakeWebSocket.latest().accept();
      FakeWebSocket.latest().deliver({ event: "heartbeat" });
      FakeWebSocket.latest().drop(4503);
      await pass(delay - 1);
      expect(FakeWebSocket.opened).toHaveLength(attempt + 1);
      await pass(1);
      expect(FakeWebSocket.opened).toHaveLength(attempt + 2);
    }
  });

  it("greets each connection, sends on the open one and hands on how it closed", async () => {
    const afterClose = vi.fn(async () => "retry" as const);
    const onOpen = vi.fn();
    const { result } = renderHook(() => useWebSocket(true, handlers({ afterClose, onOpen })));
    act(() => result.current.send("too early"));
    await pass(0);
    const first = FakeWebSocket.latest();
    act(() => result.current.send("too early"));
    first.accept();
    act(() => result.current.send("ping"));
    first.drop(1012);
    act(() => result.current.send("too late"));
    expect(first.sent).toEqual(["ping"]);
    expect(afterClose).toHaveBeenLastCalledWith({ opened: true, silent: false, code: 1012 });
    await pass(500);
    FakeWebSocket.latest().accept();
    expect(onOpen).toHaveBeenCalledTimes(2);
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
