import { act, renderHook } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { FakeWebSocket } from "../test/FakeWebSocket";
import { aLease, anEndedLease, at } from "../test/leases";
import { json, problem, stubServer } from "../test/stubServer";
import { HELD_LIMIT, useLogs } from "./useLogs";
import { SILENCE_MS } from "./useWebSocket";

const ID = aLease().id;
const GET_LEASE = `GET /api/containers/${ID}`;

function line(number: number) {
  return { timestamp: at(number), level: "info", message: `line ${number}`, cursor: `c${number}` };
}

function lines(from: number, count: number) {
  return Array.from({ length: count }, (_, index) => line(from + index));
}

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));

async function openLog() {
  const { result } = renderHook(() => useLogs(ID, true));
  await pass(0);
  return { result, socket: accepted() };
}

function accepted(): FakeWebSocket {
  const socket = FakeWebSocket.latest();
  socket.accept();
  return socket;
}

describe("useLogs", () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(1);
    FakeWebSocket.install();
    stubServer({ [GET_LEASE]: () => json({ ...aLease(), serverTime: at(0) }) });
  });

  describe("begins and goes on", () => {
    it("with the last lines, and after that with the last cursor alone", async () => {
      const { socket } = await openLog();
      expect([...socket.url.searchParams]).toEqual([["tail", "5000"]]);
      socket.deliver(line(1));
      socket.drop();
      await pass(500);
      expect([...FakeWebSocket.latest().url.searchParams]).toEqual([["cursor", "c1"]]);
    });

    it("with the last lines again while there is no cursor", async () => {
      const { socket } = await openLog();
      socket.deliver({ event: "heartbeat" });
      socket.drop();
      await pass(500);
      expect([...FakeWebSocket.latest().url.searchParams]).toEqual([["tail", "5000"]]);
    });

    it("behind what was skipped", async () => {
      const { socket } = await openLog();
      socket.deliver(line(1), { event: "skipped", lines: 1_234, cursor: "c1235" });
      socket.drop();
      await pass(500);
      expect([...FakeWebSocket.latest().url.searchParams]).toEqual([["cursor", "c1235"]]);
    });

    it("at once after a silence, without asking the lease", async () => {
      const { seen } = stubServer({});
      const { result, socket } = await openLog();
      socket.deliver(line(1));
      await pass(SILENCE_MS);
      expect([...FakeWebSocket.latest().url.searchParams]).toEqual([["cursor", "c1"]]);
      expect(seen).toEqual([]);
      accepted().deliver(line(1), line(2));
      await pass(20);
      expect(result.current.status).toEqual({ phase: "live" });
      expect(result.current.snapshot.rows.map(({ message }) => message)).toEqual([
        "line 1",
        "line 2",
      ]);
    });

    it("and says that nothing is heard once it waits", async () => {
      const { result } = await openLog();
      await pass(SILENCE_MS);
      accepted();
      await pass(SILENCE_MS);
      expect(result.current.status).toMatchObject({
        phase: "waiting",
        why: "The server has fallen silent.",
      });
    });
  });

  describe("behind", () => {
    it("is what the server says, until it says 0", async () => {
      const { result, socket } = await openLog();
      socket.deliver({ event: "behind", lines: 40_000 });
      expect(result.current.behind).toBe(40_000);
      socket.deliver({ event: "behind", lines: 0 });
      expect(result.current.behind).toBe(0);
    });

    it("is over with its connection", async () => {
      const { result, socket } = await openLog();
      socket.deliver({ event: "behind", lines: 40_000 });
      socket.drop();
      expect(result.current.behind).toBe(0);
    });

    it("is left by skipping", async () => {
      const { result, socket } = await openLog();
      socket.deliver({ event: "behind", lines: 40_000 });
      act(() => result.current.skip());
      expect(socket.sent).toEqual(["skip"]);
      expect(result.current.behind).toBe(0);
    });
  });

  describe("a pause", () => {
    it("is the page's own while it holds few lines", async () => {
      const { result, socket } = await openLog();
      act(() => result.current.setPaused(true));
      socket.deliver(...lines(1, HELD_LIMIT));
      await pass(20);
      expect(result.current.held).toBe(HELD_LIMIT);
      act(() => result.current.setPaused(false));
      expect(socket.sent).toEqual([]);
    });

    it("is handed to the server once there are many, and taken back", async () => {
      const { result, socket } = await openLog();
      act(() => result.current.setPaused(true));
      socket.deliver(...lines(1, HELD_LIMIT + 1));
      expect(socket.sent).toEqual(["pause"]);
      socket.deliver({ event: "paused" }, ...lines(HELD_LIMIT + 2, 5));
      expect(socket.sent).toEqual(["pause"]);
      act(() => result.current.setPaused(false));
      expect(socket.sent).toEqual(["pause", "resume"]);
      expect(result.current.snapshot.rows).toHaveLength(HELD_LIMIT + 6);
      socket.deliver({ event: "resumed" }, line(9_999));
      await pass(200);
      expect(result.current.snapshot.rows).toHaveLength(HELD_LIMIT + 7);
    });

    it("counts only what came in since it began or the view was cleared", async () => {
      const { result, socket } = await openLog();
      socket.deliver(...lines(1, HELD_LIMIT));
      await pass(200);
      act(() => result.current.setPaused(true));
      socket.deliver(...lines(3_000, HELD_LIMIT));
      act(() => result.current.clear());
      socket.deliver(...lines(6_000, HELD_LIMIT));
      expect(socket.sent).toEqual([]);
    });

    it("at the server is told to the next connection at once", async () => {
      const { result, socket } = await openLog();
      act(() => result.current.setPaused(true));
      socket.deliver(...lines(1, HELD_LIMIT + 1));
      socket.drop();
      await pass(500);
      const second = accepted();
      expect(second.sent).toEqual(["pause"]);
      act(() => result.current.setPaused(false));
      expect(second.sent).toEqual(["pause", "resume"]);
    });

    it("that ends while there is no connection is forgotten with it", async () => {
      const { result, socket } = await openLog();
      act(() => result.current.setPaused(true));
      socket.deliver(...lines(1, HELD_LIMIT + 1));
      socket.drop();
      act(() => result.current.setPaused(false));
      await pass(500);
      expect(accepted().sent).toEqual([]);
    });
  });

  describe("a connection that closes", () => {
    it("with a sentence shows it while waiting", async () => {
      const { result, socket } = await openLog();
      socket.deliver({ event: "closing", code: 1001, message: "The server stops." });
      socket.drop(1001);
      await pass(0);
      expect(result.current.status).toMatchObject({ phase: "waiting", why: "The server stops." });
    });

    it("with a sentence shows it although the server cannot be reached any more", async () => {
      stubServer({ [GET_LEASE]: () => new TypeError("fetch failed") });
      const { result, socket } = await openLog();
      socket.deliver({ event: "closing", code: 1001, message: "The server stops." });
      socket.drop();
      await pass(0);
      expect(result.current.status).toMatchObject({ phase: "waiting", why: "The server stops." });
      await pass(500);
      FakeWebSocket.latest().drop();
      await pass(0);
      expect(result.current.status).toMatchObject({ why: "The server cannot be reached." });
    });

    it("without one is an interruption", async () => {
      const { result, socket } = await openLog();
      socket.drop(1012);
      await pass(0);
      expect(result.current.status).toMatchObject({
        phase: "waiting",
        why: "The connection was interrupted.",
      });
    });

    it.each([
      ["the object's code", { event: "closing", code: 4404, message: "It is gone." }, 1005],
      ["the close's own code", { event: "heartbeat" }, 4404],
    ])("by %s 4404 is the last one", async (_, said, code) => {
      const { seen } = stubServer({});
      const { result, socket } = await openLog();
      socket.deliver(said);
      socket.drop(code);
      await pass(60_000);
      expect(result.current.status).toMatchObject({
        phase: "unavailable",
        detail: "message" in said ? said.message : "There is no such lease any more.",
      });
      expect(FakeWebSocket.opened).toHaveLength(1);
      expect(seen).toEqual([]);
    });

    it("by a code of its own ends with the lease where the lease has ended", async () => {
      stubServer({ [GET_LEASE]: () => json({ ...anEndedLease(), serverTime: at(0) }) });
      const { result, socket } = await openLog();
      socket.deliver({ event: "closing", code: 1012, message: "The relay was lost." });
      socket.drop(1012);
      await pass(0);
      expect(result.current.status).toMatchObject({ phase: "ended", reason: "expired" });
    });

    it("after `ended` is over, whatever it says", async () => {
      const { result, socket } = await openLog();
      socket.deliver(
        { event: "ended", reason: "expired", receipt: null },
        { event: "closing", code: 1000, message: "The lease has ended." },
      );
      socket.drop(1000);
      await pass(60_000);
      expect(result.current.status).toMatchObject({ phase: "ended", reason: "expired" });
      expect(FakeWebSocket.opened).toHaveLength(1);
    });

    it("is refused for good where the lease is not there", async () => {
      stubServer({ [GET_LEASE]: () => problem(404, { title: "No such lease", detail: "Gone." }) });
      const { result } = await openLog();
      FakeWebSocket.latest().drop();
      await pass(0);
      expect(result.current.status).toMatchObject({ phase: "unavailable", detail: "Gone." });
    });

    it.each([4500, 4503])("with %i is followed by longer waits each time", async (code) => {
      const { socket } = await openLog();
      socket.deliver(line(1));
      let latest = socket;
      for (const [attempt, delay] of [500, 1_000, 2_000, 4_000].entries()) {
        latest.deliver({ event: "heartbeat" }, line(1));
        latest.deliver({ event: "closing", code, message: "Not now." });
        latest.drop();
        await pass(delay - 1);
        expect(FakeWebSocket.opened).toHaveLength(attempt + 1);
        await pass(1);
        expect(FakeWebSocket.opened).toHaveLength(attempt + 2);
        latest = accepted();
      }
    });

    it("with a fault after new lines waits only shortly", async () => {
      const { socket } = await openLog();
      let latest = socket;
      for (let attempt = 0; attempt < 3; attempt += 1) {
        latest.deliver(line(attempt));
        latest.drop(4503);
        await pass(500);
        expect(FakeWebSocket.opened).toHaveLength(attempt + 2);
        latest = accepted();
      }
    });
  });
});
