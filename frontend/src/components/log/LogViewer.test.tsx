import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { FakeWebSocket } from "../../test/FakeWebSocket";
import { aLease, anEndedLease, aReceipt, at } from "../../test/leases";
import { renderWithQueries } from "../../test/render";
import { json, problem, stubServer } from "../../test/stubServer";
import type { Container } from "../../types/container";
import { LogViewer } from "./LogViewer";

const ID = aLease().id;
const GET_LEASE = `GET /api/containers/${ID}`;

function line(number: number, changes: object = {}) {
  return {
    timestamp: at(number),
    level: "info",
    message: `line ${number}`,
    stream: "stdout",
    cursor: `c${number}`,
    ...changes,
  };
}

const answer = (lease: Container) => () => json({ ...lease, serverTime: at(0) });

function renderLog(listed: Container | undefined = aLease()) {
  return renderWithQueries(<LogViewer id={ID} listed={listed} onClose={() => {}} />);
}

async function openSocket(count = 1): Promise<FakeWebSocket> {
  await waitFor(() => expect(FakeWebSocket.opened).toHaveLength(count));
  const socket = FakeWebSocket.latest();
  socket.accept();
  return socket;
}

const shownLines = () =>
  [...document.querySelectorAll(".log-message")].map((message) => message.textContent);

describe("LogViewer", () => {
  beforeEach(() => {
    FakeWebSocket.install();
    // The shortest random pauses keep these tests fast.
    vi.spyOn(Math, "random").mockReturnValue(0);
  });

  it("says that there are no lines yet", async () => {
    renderLog();
    expect(screen.getByText("Connecting…")).toBeDefined();
    await openSocket();
    expect(screen.getByText("Live")).toBeDefined();
    expect(screen.getByText("No lines yet")).toBeDefined();
  });

  it("shows lines with their time, level and stream", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver(line(1), line(2, { level: "error", stream: "stderr" }));
    await waitFor(() => expect(shownLines()).toEqual(["line 1", "line 2"]));
    const row = screen.getByText("line 2").closest(".log-line");
    expect(row?.getAttribute("data-level")).toBe("error");
    expect(row?.querySelector(".log-stream")?.textContent).toBe("err");
    expect(row?.querySelector("time")?.title).toBe("2025-01-02T10:00:00.002Z");
  });

  it("goes on after the last cursor and shows no line twice", async () => {
    stubServer({ [GET_LEASE]: answer(aLease()) });
    renderLog();
    const first = await openSocket();
    expect([...first.url.searchParams]).toEqual([["tail", "5000"]]);
    first.deliver(line(1), line(2));
    first.drop();
    expect(await screen.findByText("Reconnecting")).toBeDefined();
    const second = await openSocket(2);
    expect([...second.url.searchParams]).toEqual([["cursor", "c2"]]);
    second.deliver(line(2), line(3));
    await waitFor(() => expect(shownLines()).toEqual(["line 1", "line 2", "line 3"]));
    expect(screen.getByText("Live")).toBeDefined();
  });

  it("ends with the lease and does not connect again", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver(line(1));
    socket.deliver({ event: "ended", reason: "expired", receipt: aReceipt(), message: "ended" });
    socket.drop();
    expect(await screen.findByText("Ended: expired")).toBeDefined();
    expect(screen.getByText("Lease expired, removed 0.3 s after its end.")).toBeDefined();
    expect(FakeWebSocket.opened).toHaveLength(1);
  });

  it("asks the lease why its log was refused", async () => {
    stubServer({ [GET_LEASE]: answer(anEndedLease({ reason: "deleted" })) });
    renderLog();
    await waitFor(() => expect(FakeWebSocket.opened).toHaveLength(1));
    FakeWebSocket.latest().drop();
    expect(await screen.findByText("Ended: deleted")).toBeDefined();
  });

  it("keeps trying while the server is away, and says so", async () => {
    stubServer({ [GET_LEASE]: () => new TypeError("fetch failed") });
    renderLog();
    const socket = await openSocket();
    socket.drop();
    const reasons = await screen.findAllByText("The server cannot be reached.");
    expect(reasons.length).toBeGreaterThan(0);
    await openSocket(2);
  });

  it("explains an unknown lease without opening a socket", async () => {
    stubServer({
      [GET_LEASE]: () => problem(404, { title: "No such lease", detail: "Look at the list." }),
    });
    renderWithQueries(<LogViewer id={ID} listed={undefined} onClose={() => {}} />);
    expect((await screen.findAllByText("No such lease")).length).toBeGreaterThan(0);
    expect(FakeWebSocket.opened).toHaveLength(0);
  });

  it("waits for a lease that is still starting", async () => {
    renderLog(aLease({ state: "provisioning" }));
    expect(screen.getByText("Starting…")).toBeDefined();
    expect(screen.getByText(/opens as soon as it runs/)).toBeDefined();
    expect(FakeWebSocket.opened).toHaveLength(0);
  });

  it("holds still while paused and catches up after", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver(line(1));
    await screen.findByText("line 1");
    await userEvent.click(screen.getByRole("button", { name: "Pause" }));
    socket.deliver(line(2), line(3));
    expect(await screen.findByText(/2 waiting/)).toBeDefined();
    expect(shownLines()).toEqual(["line 1"]);
    await userEvent.click(screen.getByRole("button", { name: "Resume" }));
    expect(shownLines()).toEqual(["line 1", "line 2", "line 3"]);
  });

  it("filters, and says how much it hides", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver(line(1), line(2, { message: "A slow Query" }));
    await screen.findByText("line 1");
    await userEvent.type(screen.getByRole("searchbox"), "query");
    await waitFor(() => expect(shownLines()).toEqual(["A slow Query"]));
    expect(screen.getByText("1 of 2 lines")).toBeDefined();
    expect(document.querySelector("mark")?.textContent).toBe("Query");
    await userEvent.type(screen.getByRole("searchbox"), "xyz");
    expect(await screen.findByText("No line contains “queryxyz”")).toBeDefined();
  });

  it("clears the view but keeps its place in the log", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver(line(1));
    await screen.findByText("line 1");
    await userEvent.click(screen.getByRole("button", { name: "Clear" }));
    expect(shownLines()).toEqual([]);
    socket.deliver(line(1), line(2));
    await waitFor(() => expect(shownLines()).toEqual(["line 2"]));
  });

  it("says how far it is behind, and skips to now on request", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver(line(1), { event: "behind", lines: 40_000 });
    expect(await screen.findByText("40,000 lines behind")).toBeDefined();
    await userEvent.click(screen.getByRole("button", { name: "Skip to now" }));
    expect(socket.sent).toEqual(["skip"]);
    expect(screen.queryByText(/lines behind/)).toBeNull();
    expect(document.activeElement).toBe(screen.getByRole("log"));

    socket.deliver({ event: "skipped", lines: 39_990, cursor: "c39991" }, line(39_992));
    await waitFor(() => expect(shownLines()).toEqual(["line 1", "line 39992"]));
    const gap = screen.getByText("39,990 lines were skipped");
    expect(gap.previousElementSibling?.textContent).toContain("line 1");
    expect(screen.getByText("2 lines")).toBeDefined();
  });

  it("is quiet about being behind once it is not, and while it is paused", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver({ event: "behind", lines: 1 });
    expect(screen.getByText("1 line behind")).toBeDefined();
    await userEvent.click(screen.getByRole("button", { name: "Pause" }));
    expect(screen.queryByText("1 line behind")).toBeNull();
    await userEvent.click(screen.getByRole("button", { name: "Resume" }));
    expect(screen.getByText("1 line behind")).toBeDefined();
    socket.deliver({ event: "behind", lines: 0 });
    expect(screen.queryByRole("button", { name: "Skip to now" })).toBeNull();
  });

  it("keeps the mark of a skip among lines that match a filter", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver(line(1), { event: "skipped", lines: 7, cursor: "c8" }, line(9));
    await screen.findByText("line 9");
    await userEvent.type(screen.getByRole("searchbox"), "line 9");
    await waitFor(() => expect(shownLines()).toEqual(["line 9"]));
    expect(screen.getByText("7 lines were skipped")).toBeDefined();
    expect(screen.getByText("1 of 2 lines")).toBeDefined();
    await userEvent.type(screen.getByRole("searchbox"), "9");
    expect(await screen.findByText("2 lines hidden by the filter.")).toBeDefined();
    expect(screen.queryByText("7 lines were skipped")).toBeNull();
  });

  it("marks lines that are not quite what the container wrote", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver(
      line(1),
      line(2, { truncated: true }),
      line(3, { replaced: true, message: "\u{fffd}" }),
    );
    await waitFor(() => expect(shownLines()).toHaveLength(3));
    const marks = [...document.querySelectorAll<HTMLElement>(".log-mark")];
    expect(marks.map(({ title }) => title)).toEqual([
      expect.stringContaining("longer than 64 KiB"),
      expect.stringContaining("not UTF-8"),
    ]);
    for (const mark of marks) {
      expect(mark.querySelector(".visually-hidden")?.textContent).toBe(mark.title);
    }
  });

  it("hands a long pause to the server", async () => {
    renderLog();
    const socket = await openSocket();
    await userEvent.click(screen.getByRole("button", { name: "Pause" }));
    socket.deliver(...Array.from({ length: 2_001 }, (_, index) => line(index)));
    expect(await screen.findByText(/over 2,000 waiting/)).toBeDefined();
    expect(socket.sent).toEqual(["pause"]);
    await userEvent.click(screen.getByRole("button", { name: "Resume" }));
    expect(socket.sent).toEqual(["pause", "resume"]);
    expect(await screen.findByText("2,001 lines")).toBeDefined();
  });

  it("shows what the server said of its end while it waits", async () => {
    stubServer({ [GET_LEASE]: answer(aLease()) });
    renderLog();
    const socket = await openSocket();
    socket.deliver(line(1), { event: "closing", code: 1001, message: "The server stops." });
    socket.drop(1001);
    expect(await screen.findByText("The server stops.")).toBeDefined();
    const second = await openSocket(2);
    expect(second.url.searchParams.get("cursor")).toBe("c1");
  });

  it("is not available any more where the lease is gone", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver({ event: "closing", code: 4404, message: "There is no such lease any more." });
    socket.drop();
    expect(await screen.findByText("Not available")).toBeDefined();
    expect(screen.getByText("There is no such lease any more.")).toBeDefined();
    expect(FakeWebSocket.opened).toHaveLength(1);
  });

  it("draws a bounded part of a burst and says what it dropped", async () => {
    renderLog();
    const socket = await openSocket();
    socket.deliver(...Array.from({ length: 5_200 }, (_, index) => line(index)));
    expect(await screen.findByText("5,000 lines")).toBeDefined();
    expect(screen.getByText("200 older lines dropped from view")).toBeDefined();
    expect(shownLines().at(-1)).toBe("line 5199");
    expect(shownLines().length).toBeLessThan(500);
  });
});
