import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { FakeWebSocket } from "../test/FakeWebSocket";
import { aLease, anEndedLease, aReceipt, at } from "../test/leases";
import { renderWithQueries } from "../test/render";
import { json, problem, stubServer } from "../test/stubServer";
import type { Container } from "../types/container";
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
    // The shortest of the random waits keeps these tests fast.
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
    socket.send(line(1), line(2, { level: "error", stream: "stderr" }));
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
    expect(first.url.searchParams.get("cursor")).toBeNull();
    first.send(line(1), line(2));
    first.drop();
    expect(await screen.findByText("Reconnecting")).toBeDefined();
    const second = await openSocket(2);
    expect(second.url.searchParams.get("cursor")).toBe("c2");
    second.send(line(2), line(3));
    await waitFor(() => expect(shownLines()).toEqual(["line 1", "line 2", "line 3"]));
    expect(screen.getByText("Live")).toBeDefined();
  });

  it("ends with the lease and does not connect again", async () => {
    renderLog();
    const socket = await openSocket();
    socket.send(line(1));
    socket.send({ event: "ended", reason: "expired", receipt: aReceipt(), message: "ended" });
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
    socket.send(line(1));
    await screen.findByText("line 1");
    await userEvent.click(screen.getByRole("button", { name: "Pause" }));
    socket.send(line(2), line(3));
    expect(await screen.findByText(/2 waiting/)).toBeDefined();
    expect(shownLines()).toEqual(["line 1"]);
    await userEvent.click(screen.getByRole("button", { name: "Resume" }));
    expect(shownLines()).toEqual(["line 1", "line 2", "line 3"]);
  });

  it("filters, and says how much it hides", async () => {
    renderLog();
    const socket = await openSocket();
    socket.send(line(1), line(2, { message: "A slow Query" }));
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
    socket.send(line(1));
    await screen.findByText("line 1");
    await userEvent.click(screen.getByRole("button", { name: "Clear" }));
    expect(shownLines()).toEqual([]);
    socket.send(line(1), line(2));
    await waitFor(() => expect(shownLines()).toEqual(["line 2"]));
  });

  it("draws a bounded part of a burst and says what it dropped", async () => {
    renderLog();
    const socket = await openSocket();
    socket.send(...Array.from({ length: 5_200 }, (_, index) => line(index)));
    expect(await screen.findByText("5,000 lines")).toBeDefined();
    expect(screen.getByText("200 older lines dropped from view")).toBeDefined();
    expect(shownLines().at(-1)).toBe("line 5199");
    expect(shownLines().length).toBeLessThan(500);
  });
});
