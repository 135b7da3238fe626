import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { aCatalogue, aLease, at, NOW } from "../test/leases";
import { renderWithQueries } from "../test/render";
import { json, problem, stubServer } from "../test/stubServer";
import type { Container } from "../types/container";
import { ContainerList } from "./ContainerList";

const page = (...containers: Container[]) => json({ containers, serverTime: at(0) });

function renderList(changes: { selectedId?: string; freshId?: string } = {}) {
  const onSelect = vi.fn();
  const view = renderWithQueries(
    <ContainerList
      selectedId={changes.selectedId ?? null}
      freshId={changes.freshId ?? null}
      onSelect={onSelect}
    />,
  );
  return { ...view, onSelect };
}

const catalogue = { "GET /api/images": () => json(aCatalogue()) };

describe("ContainerList", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: NOW, toFake: ["Date"] });
  });

  it("says that it is loading", () => {
    stubServer({ ...catalogue, "GET /api/containers": () => new Promise(() => {}) });
    renderList();
    expect(screen.getByRole("status").textContent).toMatch(/Loading/);
  });

  it("says what to do when there is nothing", async () => {
    stubServer({ ...catalogue, "GET /api/containers": () => page() });
    renderList();
    expect(await screen.findByText("Nothing is leased")).toBeDefined();
    expect(screen.getByText(/Choose an image and press/)).toBeDefined();
  });

  it("shows a problem in the server's words and tries again", async () => {
    const replies = [
      problem(503, { title: "The table is away", detail: "Wait a little.", retryAfter: "3" }),
      page(aLease()),
    ];
    stubServer({ ...catalogue, "GET /api/containers": () => replies.shift() ?? page() });
    renderList();
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toMatch(/The table is away/);
    expect(alert.textContent).toMatch(/Wait a little\./);
    expect(alert.textContent).toMatch(/try again in 3 seconds/);
    await userEvent.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByRole("heading", { name: "session-cache" })).toBeDefined();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("keeps showing the leases while the server is away", async () => {
    let isAway = false;
    stubServer({
      ...catalogue,
      "GET /api/containers": () => (isAway ? new TypeError("fetch failed") : page(aLease())),
    });
    const { client } = renderList();
    await screen.findByRole("heading", { name: "session-cache" });
    isAway = true;
    await client.refetchQueries({ queryKey: ["containers"] });
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toMatch(/cannot be reached/);
    expect(alert.textContent).toMatch(/out of date/);
    expect(screen.getByRole("heading", { name: "session-cache" })).toBeDefined();
  });

  it("shows what a lease is, how long it lives and how to reach it", async () => {
    stubServer({ ...catalogue, "GET /api/containers": () => page(aLease({ standIn: true })) });
    renderList();
    const card = await screen.findByRole("listitem", { name: "session-cache" });
    expect(within(card).getByText("redis")).toBeDefined();
    expect(within(card).getByText("Running")).toBeDefined();
    expect(within(card).getByRole("timer").textContent).toBe("10:00");
    expect(within(card).getByText("redis://127.0.0.1:32768")).toBeDefined();
    expect(within(card).getByText("0.25 cores")).toBeDefined();
    expect(within(card).getByText("stand-in").title).toMatch(/stand-in/);
    expect(within(card).queryByRole("link")).toBeNull();
  });

  it("links only what a browser can open", async () => {
    const [port] = aLease().ports;
    if (port === undefined) throw new Error("the sample lease has a port");
    const ports = [
      { ...port, containerPort: 80, scheme: "http", url: "http://127.0.0.1:32769" },
      { ...port, containerPort: 81, scheme: "javascript", url: "javascript:alert(1)" },
    ];
    stubServer({ ...catalogue, "GET /api/containers": () => page(aLease({ ports })) });
    renderList();
    await screen.findByRole("heading", { name: "session-cache" });
    expect(screen.getAllByRole("link").map((link) => link.getAttribute("href"))).toEqual([
      "http://127.0.0.1:32769",
    ]);
  });

  it.each([
    ["provisioning", "Starting", /starting/i],
    ["ending", "Ending", /over/],
    ["quarantined", "Stuck", /over/],
  ] as const)("says why a lease that is %s cannot be renewed", async (state, badge, reason) => {
    stubServer({ ...catalogue, "GET /api/containers": () => page(aLease({ state })) });
    renderList();
    expect(await screen.findByText(badge)).toBeDefined();
    const renew = screen.getByRole("button", { name: /^\+15 min/ });
    expect(renew.getAttribute("aria-disabled")).toBe("true");
    expect(renew.title).toMatch(reason);
  });

  it("says when a lease is at its longest", async () => {
    const lease = aLease({ maximumExpiryTime: aLease().expiryTime });
    stubServer({ ...catalogue, "GET /api/containers": () => page(lease) });
    renderList();
    expect(await screen.findByText("at its longest lifetime")).toBeDefined();
    expect(screen.getByRole("button", { name: /^\+30 min/ }).title).toMatch(/longest lifetime/);
  });

  it("renews by minutes on top of what is left, and shows the new end", async () => {
    const { seen } = stubServer({
      ...catalogue,
      "GET /api/containers": () => page(aLease()),
      [`POST /api/containers/${aLease().id}/renew`]: () =>
        json({ ...aLease({ expiryTime: at(25 * 60_000) }), serverTime: at(0) }),
    });
    renderList();
    await userEvent.click(await screen.findByRole("button", { name: /^\+15 min/ }));
    await waitFor(() =>
      expect(seen.find(({ method }) => method === "POST")?.body).toEqual({ durationMinutes: 25 }),
    );
  });

  it("refuses a chosen time that would bring nothing", async () => {
    const { seen } = stubServer({ ...catalogue, "GET /api/containers": () => page(aLease()) });
    renderList();
    await userEvent.click(await screen.findByRole("button", { name: /^Other time/ }));
    await userEvent.type(screen.getByRole("textbox", { name: "Minutes from now" }), "5{Enter}");
    expect(screen.getByText(/already ends later, at 10:10:00/)).toBeDefined();
    expect(seen.some(({ method }) => method === "POST")).toBe(false);
  });

  it("deletes only after a second step", async () => {
    const { seen } = stubServer({
      ...catalogue,
      "GET /api/containers": () => page(aLease()),
      [`DELETE /api/containers/${aLease().id}`]: () => json({ success: true, state: "ending" }),
    });
    renderList();
    await userEvent.click(await screen.findByRole("button", { name: "Delete session-cache" }));
    expect(document.activeElement?.textContent).toBe("Keep");
    await userEvent.keyboard("{Escape}");
    expect(seen.some(({ method }) => method === "DELETE")).toBe(false);
    await userEvent.click(screen.getByRole("button", { name: "Delete session-cache" }));
    await userEvent.click(screen.getByRole("button", { name: "Delete now" }));
    await waitFor(() => expect(seen.some(({ method }) => method === "DELETE")).toBe(true));
  });

  it("shows a refused renewal beside its lease", async () => {
    stubServer({
      ...catalogue,
      "GET /api/containers": () => page(aLease()),
      [`POST /api/containers/${aLease().id}/renew`]: () =>
        problem(409, { title: "The lease has ended", detail: "Lease a new container." }),
    });
    renderList();
    await userEvent.click(await screen.findByRole("button", { name: /^\+15 min/ }));
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toMatch(/Lease a new container\./);
    await userEvent.click(within(alert).getByRole("button", { name: "Dismiss" }));
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("gives a fresh lease the focus and opens logs on request", async () => {
    stubServer({ ...catalogue, "GET /api/containers": () => page(aLease()) });
    const { onSelect } = renderList({ freshId: aLease().id });
    const card = await screen.findByRole("listitem", { name: "session-cache" });
    expect(document.activeElement).toBe(card);
    await userEvent.click(screen.getByRole("button", { name: "Logs of session-cache" }));
    expect(onSelect).toHaveBeenCalledWith(aLease().id);
  });

  it("puts the newest lease first", async () => {
    const old = aLease({ id: "old", name: "old", createdAt: at(-600_000) });
    const young = aLease({ id: "young", name: "young", createdAt: at(-1_000) });
    stubServer({ ...catalogue, "GET /api/containers": () => page(old, young) });
    renderList();
    await screen.findByRole("heading", { name: "young" });
    expect(screen.getAllByRole("heading").map((title) => title.textContent)).toEqual([
      "young",
      "old",
    ]);
  });
});
