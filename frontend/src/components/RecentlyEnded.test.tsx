import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { anEndedLease, aReceipt, at } from "../test/leases";
import { renderWithQueries } from "../test/render";
import { json, problem, stubServer } from "../test/stubServer";
import type { Container } from "../types/container";
import { RecentlyEnded } from "./RecentlyEnded";

const ID = anEndedLease().id;
const answer = (lease: Container) => () => json({ ...lease, serverTime: at(0) });

describe("RecentlyEnded", () => {
  it("is not there while nothing has ended", () => {
    const { container } = renderWithQueries(<RecentlyEnded ids={[]} onDismiss={() => {}} />);
    expect(container.textContent).toBe("");
  });

  it("shows the receipt of an expired lease", async () => {
    stubServer({ [`GET /api/containers/${ID}`]: answer(anEndedLease()) });
    renderWithQueries(<RecentlyEnded ids={[ID]} onDismiss={() => {}} />);
    expect(screen.getByText("Loading its receipt…")).toBeDefined();
    expect(
      await screen.findByText("Expired at 10:00:00, removed 0.3 s after its end."),
    ).toBeDefined();
    expect(screen.getByText("session-cache")).toBeDefined();
    expect(screen.getByText("Expired")).toBeDefined();
  });

  it("tells what was out of the ordinary", async () => {
    const lease = anEndedLease({
      reason: "failed",
      receipt: aReceipt({ reason: "failed", attempts: 3, exitCode: 127, overshootMs: null }),
    });
    stubServer({ [`GET /api/containers/${ID}`]: answer(lease) });
    renderWithQueries(<RecentlyEnded ids={[ID]} onDismiss={() => {}} />);
    expect(
      await screen.findByText("It took 3 attempts. Its program ended with exit code 127."),
    ).toBeDefined();
  });

  it("shows the last lines of a program that ended by itself", async () => {
    const lastLines = ["it was like this", "it is over"];
    const lease = anEndedLease({
      reason: "failed",
      receipt: aReceipt({ reason: "failed", exitCode: 3, overshootMs: null, lastLines }),
    });
    stubServer({ [`GET /api/containers/${ID}`]: answer(lease) });
    renderWithQueries(<RecentlyEnded ids={[ID]} onDismiss={() => {}} />);
    const summary = await screen.findByText("Its last 2 lines");
    expect(summary.parentElement?.querySelector("pre")?.textContent).toBe(
      "it was like this\nit is over",
    );
  });

  it("waits for a lease that has left the list but has not ended", async () => {
    stubServer({
      [`GET /api/containers/${ID}`]: answer(
        anEndedLease({ state: "ending", reason: null, receipt: null }),
      ),
    });
    renderWithQueries(<RecentlyEnded ids={[ID]} onDismiss={() => {}} />);
    expect(await screen.findByText("Its container is being removed.")).toBeDefined();
  });

  it("explains a receipt that is not kept any more, and lets go of it", async () => {
    stubServer({
      [`GET /api/containers/${ID}`]: () => problem(404, { title: "No such lease", detail: "…" }),
    });
    const onDismiss = vi.fn();
    renderWithQueries(<RecentlyEnded ids={[ID]} onDismiss={onDismiss} />);
    expect(await screen.findByText(/receipt is not kept any more/)).toBeDefined();
    await userEvent.click(screen.getByRole("button", { name: /off this list/ }));
    expect(onDismiss).toHaveBeenCalledWith([ID]);
  });
});
