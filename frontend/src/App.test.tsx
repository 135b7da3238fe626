import { act, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { App } from "./App";
import { FakeWebSocket } from "./test/FakeWebSocket";
import { aCatalogue, aLease, anEndedLease, at, NOW } from "./test/leases";
import { renderWithQueries } from "./test/render";
import { json, stubServer } from "./test/stubServer";
import type { Container } from "./types/container";

const ready = {
  status: "ready",
  table: { state: "ok" },
  engine: { state: "ok" },
  warnings: [] as unknown[],
};

function serve(leases: Container[], routes: Parameters<typeof stubServer>[0] = {}) {
  return stubServer({
    "GET /readyz": () => json(ready),
    "GET /api/images": () => json(aCatalogue()),
    "GET /api/containers": () => json({ containers: leases, serverTime: at(0) }),
    ...routes,
  });
}

describe("App", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: NOW, toFake: ["Date"] });
    FakeWebSocket.install();
  });

  it("shows what the operator ought to put right, with the command that does", async () => {
    const warning = {
      kind: "firewall-missing",
      detail: "There is no firewall.",
      command: "set it",
    };
    serve([], { "GET /readyz": () => json({ ...ready, warnings: [warning] }) });
    renderWithQueries(<App />);
    const note = await screen.findByRole("note");
    expect(note.textContent).toContain(warning.detail);
    expect(within(note).getByText(warning.command).tagName).toBe("CODE");
  });

  it("shows a new lease at once, with its log, the focus and a word for ears", async () => {
    const leases: Container[] = [];
    serve(leases, {
      "POST /api/provision": () => {
        leases.push(aLease());
        return json({ ...aLease(), serverTime: at(0) }, 201);
      },
    });
    renderWithQueries(<App />);
    expect(await screen.findByText("Nothing is leased")).toBeDefined();
    await userEvent.click(await screen.findByRole("button", { name: /^Lease redis/ }));
    const card = await screen.findByRole("listitem", { name: "session-cache" });
    expect(document.activeElement).toBe(card);
    expect(screen.getByRole("heading", { name: "Log of session-cache" })).toBeDefined();
    expect(screen.getByText(/Leased redis as session-cache\. It ends at 10:10:00\./)).toBeDefined();
    expect(window.location.hash).toBe(`#log=${aLease().id}`);
  });

  it("moves a lease that has left the list to the ended ones, across a reload", async () => {
    const leases = [aLease()];
    serve(leases, {
      [`GET /api/containers/${aLease().id}`]: () => json({ ...anEndedLease(), serverTime: at(0) }),
    });
    const { client, unmount } = renderWithQueries(<App />);
    await screen.findByRole("heading", { name: "session-cache" });
    leases.pop();
    await act(() => client.refetchQueries({ queryKey: ["containers"] }));
    const ended = await screen.findByRole("region", { name: "Recently ended" });
    expect(
      await within(ended).findByText("Expired at 10:00:00, removed 0.3 s after its end."),
    ).toBeDefined();

    unmount();
    renderWithQueries(<App />);
    const again = await screen.findByRole("region", { name: "Recently ended" });
    await userEvent.click(within(again).getByRole("button", { name: "Clear" }));
    expect(screen.queryByRole("region", { name: "Recently ended" })).toBeNull();
  });

  it("opens the log that its address names, and closes it", async () => {
    window.history.replaceState(null, "", `/#log=${aLease().id}`);
    serve([aLease()]);
    renderWithQueries(<App />);
    await waitFor(() => expect(FakeWebSocket.opened).toHaveLength(1));
    await userEvent.click(await screen.findByRole("button", { name: "Close the log" }));
    expect(screen.queryByRole("log")).toBeNull();
    expect(window.location.hash).toBe("");
  });
});
