import { describe, expect, it } from "vitest";
import { aLease } from "../test/leases";
import { json, problem, stubServer } from "../test/stubServer";
import { containerApi } from "./containerApi";
import { serverClock } from "./serverClock";

describe("containerApi", () => {
  it("sends a lease with its idempotency key and nothing that was not asked", async () => {
    const { seen } = stubServer({
      "POST /api/provision": () => json({ ...aLease(), serverTime: new Date().toISOString() }, 201),
    });
    await containerApi.provision({ imageType: "redis", durationMinutes: 1 }, "key-1");
    expect(seen[0]?.headers.get("idempotency-key")).toBe("key-1");
    expect(seen[0]?.body).toEqual({ imageType: "redis", durationMinutes: 1 });
  });

  it("learns the server's time from an answer", async () => {
    const ahead = new Date(Date.now() + 3_600_000).toISOString();
    stubServer({ "GET /api/containers": () => json({ containers: [], serverTime: ahead }) });
    await containerApi.list();
    expect(Math.abs(serverClock.now() - Date.parse(ahead))).toBeLessThan(1_000);
  });

  it("keeps an id from becoming another path", async () => {
    const { seen } = stubServer({
      "DELETE /api/containers/..%2Fimages": () => json({ success: true, state: "ending" }),
    });
    await containerApi.delete("../images");
    expect(seen[0]?.path).toBe("/api/containers/..%2Fimages");
  });

  it("takes an unready server for an answer, not an error", async () => {
    const unready = {
      status: "unready",
      table: { state: "ok" },
      engine: { state: "error", detail: "It does not answer." },
    };
    stubServer({ "GET /readyz": () => json(unready, 503) });
    await expect(containerApi.readiness()).resolves.toEqual(unready);
  });

  it("takes a 503 without a readiness for an error", async () => {
    stubServer({ "GET /readyz": () => new Response("down", { status: 503 }) });
    await expect(containerApi.readiness()).rejects.toMatchObject({ status: 503 });
  });

  it.each([
    [
      "a problem",
      () => problem(404, { title: "No such lease", detail: "Look at the list." }),
      "No such lease",
    ],
    [
      "a page of something else",
      () => new Response("<html>"),
      "An answer this page does not understand",
    ],
    ["JSON of something else", () => json({ hello: 1 }), "An answer this page does not understand"],
    ["silence", () => new TypeError("fetch failed"), "The server cannot be reached"],
  ])("turns %s into words", async (_, reply, title) => {
    stubServer({ "GET /api/containers/x": reply });
    await expect(containerApi.get("x")).rejects.toMatchObject({ name: "ApiError", title });
  });
});
