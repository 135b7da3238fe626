import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { aCatalogue, aLease, at } from "../test/leases";
import { renderWithQueries } from "../test/render";
import { json, problem, stubServer } from "../test/stubServer";
import { ProvisionForm } from "./ProvisionForm";

const catalogue = { "GET /api/images": () => json(aCatalogue()) };

function renderForm() {
  const onLeased = vi.fn();
  renderWithQueries(<ProvisionForm onLeased={onLeased} />);
  return { onLeased };
}

const minutesField = () => screen.findByRole<HTMLInputElement>("textbox", { name: "Minutes" });
const submitButton = () => screen.getByRole("button", { name: /^Lease/ });

describe("ProvisionForm", () => {
  it("offers the catalogue with its ports and the default minutes", async () => {
    stubServer(catalogue);
    renderForm();
    expect((await minutesField()).value).toBe("15");
    expect(screen.getByRole("radio", { name: /redis.*6379\/tcp/ })).toBeDefined();
    expect(screen.getByRole("radio", { name: /ubuntu.*no ports/ })).toBeDefined();
    expect(screen.getByText(/In-memory data store/)).toBeDefined();
    expect(submitButton().textContent).toBe("Lease redis for 15 minutes");
  });

  it("explains a catalogue that does not come, and tries again", async () => {
    const replies = [problem(503, { title: "No catalogue", detail: "Wait." }), json(aCatalogue())];
    stubServer({ "GET /api/images": () => replies.shift() ?? json(aCatalogue()) });
    renderForm();
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toMatch(/No catalogue/);
    await userEvent.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await minutesField()).toBeDefined();
  });

  it("explains an empty catalogue", async () => {
    stubServer({ "GET /api/images": () => json({ ...aCatalogue(), images: [] }) });
    renderForm();
    expect(await screen.findByText("Nothing to lease")).toBeDefined();
  });

  it.each([
    ["0", /at least 1 minute/],
    ["1.5", /Whole minutes only/],
    ["241", /at most 240 minutes/],
    ["soon", /not a number/],
  ])("answers “%s” minutes beside the field and sends nothing", async (typed, message) => {
    const { seen } = stubServer(catalogue);
    renderForm();
    const minutes = await minutesField();
    await userEvent.clear(minutes);
    await userEvent.type(minutes, typed);
    expect(screen.getByText(message)).toBeDefined();
    expect(minutes.getAttribute("aria-invalid")).toBe("true");
    await userEvent.click(submitButton());
    await waitFor(() => expect(document.activeElement).toBe(minutes));
    expect(seen.every(({ method }) => method === "GET")).toBe(true);
  });

  it("takes minutes from a preset", async () => {
    stubServer(catalogue);
    renderForm();
    await minutesField();
    await userEvent.click(screen.getByRole("button", { name: "60 minutes" }));
    expect((await minutesField()).value).toBe("60");
  });

  it("says why a preset cannot be used", async () => {
    const durationMinutes = { default: 5, minimum: 1, maximum: 30 };
    stubServer({ "GET /api/images": () => json({ ...aCatalogue(), durationMinutes }) });
    renderForm();
    const preset = await screen.findByRole("button", { name: "60 minutes" });
    expect(preset.getAttribute("aria-disabled")).toBe("true");
    expect(preset.title).toMatch(/at most 30 minutes/);
    await userEvent.click(preset);
    expect((await minutesField()).value).toBe("5");
  });

  it("leases what was asked and starts over", async () => {
    const { seen } = stubServer({
      ...catalogue,
      "POST /api/provision": () => json({ ...aLease(), serverTime: at(0) }, 201),
    });
    const { onLeased } = renderForm();
    await minutesField();
    await userEvent.click(screen.getByRole("radio", { name: /ubuntu/ }));
    await userEvent.click(screen.getByText("Advanced"));
    await userEvent.type(screen.getByRole("textbox", { name: "Environment" }), "A=1");
    const name = screen.getByRole<HTMLInputElement>("textbox", { name: /^Name/ });
    await userEvent.type(name, "builder{Enter}");
    await waitFor(() => expect(onLeased).toHaveBeenCalled());
    expect(seen.find(({ method }) => method === "POST")?.body).toEqual({
      imageType: "ubuntu",
      durationMinutes: 15,
      name: "builder",
      env: { A: "1" },
    });
    expect(name.value).toBe("");
    expect(screen.getByRole<HTMLInputElement>("radio", { name: /ubuntu/ }).checked).toBe(true);
  });

  it("offers where an image type's programs may connect to, and keeps to what it takes", async () => {
    const [redis, ubuntu] = aCatalogue().images;
    const images = [
      { ...redis, egress: ["none"] },
      { ...ubuntu, egress: ["web", "open", "none"] },
    ];
    const { seen } = stubServer({
      "GET /api/images": () => json({ ...aCatalogue(), images }),
      "POST /api/provision": () => json({ ...aLease(), serverTime: at(0) }, 201),
    });
    const { onLeased } = renderForm();
    await minutesField();
    await userEvent.click(screen.getByText("Advanced"));
    await userEvent.click(screen.getByRole("radio", { name: /ubuntu/ }));
    const connections = screen.getByRole<HTMLSelectElement>("combobox", { name: "Connections" });
    expect(connections.value).toBe("web");
    await userEvent.selectOptions(connections, "to everywhere");
    await userEvent.click(submitButton());
    await waitFor(() => expect(onLeased).toHaveBeenCalledTimes(1));

    await userEvent.selectOptions(connections, "to everywhere");
    await userEvent.click(screen.getByRole("radio", { name: /redis/ }));
    expect(connections.value).toBe("none");
    await userEvent.click(submitButton());
    await waitFor(() => expect(onLeased).toHaveBeenCalledTimes(2));
    const bodies = seen.filter(({ method }) => method === "POST").map(({ body }) => body);
    expect(bodies).toEqual([
      { imageType: "ubuntu", durationMinutes: 15, egress: "open" },
      { imageType: "redis", durationMinutes: 15 },
    ]);
  });

  it("shows the server's problems beside their fields and in a notice", async () => {
    stubServer({
      ...catalogue,
      "POST /api/provision": () =>
        problem(422, {
          title: "The request is not valid",
          detail: "Correct the fields and send it again.",
          errors: [
            { field: "name", detail: "Use letters only." },
            { field: "labels", detail: "Too many." },
          ],
        }),
    });
    renderForm();
    await minutesField();
    const name = screen.getByRole("textbox", { name: /^Name/ });
    await userEvent.type(name, "n4me{Enter}");
    expect(await screen.findByText("Use letters only.")).toBeDefined();
    expect((await screen.findByRole("alert")).textContent).toMatch(/labels: Too many\./);
    await waitFor(() => expect(document.activeElement).toBe(name));
    await userEvent.type(name, "x");
    expect(screen.queryByText("Use letters only.")).toBeNull();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("uses one idempotency key for one request, and another for another", async () => {
    const { seen } = stubServer({
      ...catalogue,
      "POST /api/provision": () => new TypeError("fetch failed"),
    });
    renderForm();
    await minutesField();
    const keys = () =>
      seen
        .filter(({ method }) => method === "POST")
        .map(({ headers }) => headers.get("idempotency-key"));
    await userEvent.click(submitButton());
    await screen.findByRole("alert");
    await userEvent.click(submitButton());
    await waitFor(() => expect(keys()).toHaveLength(2));
    await screen.findByRole("alert");
    await userEvent.click(screen.getByRole("button", { name: "5 minutes" }));
    await userEvent.click(submitButton());
    await waitFor(() => expect(keys()).toHaveLength(3));
    const [first, second, third] = keys();
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });
});
