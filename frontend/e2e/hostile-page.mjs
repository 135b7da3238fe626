/**
 * A page of another site, open in the browser of the server's own user, looks for the API and the
 * table: it tries every way in which a page can send something, on every port of the server's
 * process. Nothing may answer it, and it may change nothing.
 *
 * | variable     | default               | meaning                                          |
 * |--------------|-----------------------|--------------------------------------------------|
 * | `BASE_URL`   | http://127.0.0.1:8080 | where the dashboard is served                    |
 * | `CHROMIUM`   | /usr/bin/chromium     | the browser to drive                             |
 * | `SERVER_PID` | none                  | the server's process, whose ports are looked up; |
 * |              |                       | it has a port for its table as well              |
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:http";
import { baseUrl, expect, finish, launch, step } from "./harness.mjs";

/** @typedef {{way: string, target: string, got: string}} Answer */

// The other site serves one empty page; the steps below say what it does.
const site = createServer((_request, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end("<!doctype html><title>another site</title>");
});
await new Promise((listening) => site.listen(0, "127.0.0.1", () => listening(null)));
const sitePort = /** @type {import("node:net").AddressInfo} */ (site.address()).port;

const browser = await launch();
/** @type {string | undefined} */
let leaseId;

await finish(hunt, async () => {
  if (leaseId !== undefined) await call("DELETE", `/api/containers/${leaseId}`);
  await browser.close();
  site.close();
});

async function hunt() {
  const ports = process.env.SERVER_PID ? portsOf(process.env.SERVER_PID) : [new URL(baseUrl).port];
  if (process.env.SERVER_PID) {
    await step(`the server listens on ${ports.join(" and ")}: API and table`, async () =>
      expect(ports.length === 2, "the table has no port that the page could find"),
    );
  }

  await step("there is a lease to hunt for", async () => {
    const lease = await call("POST", "/api/provision", {
      imageType: "alpine",
      durationMinutes: 5,
      name: "prey",
    });
    leaseId = lease.id;
  });

  // The user's browser has the dashboard open beside the other site.
  const context = await browser.newContext();
  const dashboard = await context.newPage();
  await dashboard.goto(baseUrl);

  for (const host of ["127.0.0.1", "localhost"]) {
    await step(`a page of http://${host}:${sitePort} reads nothing and sends nothing`, async () => {
      const page = await context.newPage();
      await page.goto(`http://${host}:${sitePort}/`);
      const targets = ports.flatMap((port) =>
        ["127.0.0.1", "localhost", "[::1]"].map((name) => `${name}:${port}`),
      );
      const answers = await page.evaluate(attack, { targets, leaseId: leaseId ?? "" });
      const told = answers.map(({ way, target, got }) => `${way} ${target}: ${got}`);
      expect(told.length === 0, `answered:\n     ${told.join("\n     ")}`);
      await page.close();
    });
  }

  await step("the page's window, opened by another site, is not its to look at", async () => {
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${sitePort}/`);
    const [opened] = await Promise.all([
      context.waitForEvent("page"),
      page.evaluate((url) => {
        Object.assign(window, { prey: window.open(url) });
      }, baseUrl),
    ]);
    await opened.waitForLoadState();
    const seen = await page.evaluate(() => {
      const { prey } = /** @type {{prey: Window | null}} */ (/** @type {unknown} */ (window));
      return prey === null || prey.closed ? "closed to it" : "open to it";
    });
    expect(seen === "closed to it", `the window is ${seen}`);
    await page.close();
  });

  await step("the lease runs on, it is the only one, and nothing was told to it", async () => {
    const { containers } = await call("GET", "/api/containers");
    const names = containers.map((/** @type {{name: string}} */ lease) => lease.name);
    expect(names.join() === "prey", `the leases are now ${names.join(", ") || "none"}`);
    expect(containers[0].state === "running", `it is ${containers[0].state}`);
    const page = await call("GET", `/api/containers/${leaseId}/logs`);
    expect(!JSON.stringify(page).includes("from another site"), "it was written to");
  });
}

/**
 * Runs in the hostile page.
 *
 * @param {{targets: string[], leaseId: string}} prey
 * @returns {Promise<Answer[]>} what it could read
 */
async function attack({ targets, leaseId }) {
  /** @type {Answer[]} */
  const answers = [];
  const patience = () => AbortSignal.timeout(4_000);
  const body = JSON.stringify({ imageType: "alpine", durationMinutes: 5, name: "from-a-page" });
  const scan = JSON.stringify({ TableName: "containerlease" });

  /** A request whose answer the page tries to read. */
  async function read(
    /** @type {string} */ way,
    /** @type {string} */ target,
    /** @type {string} */ path,
    /** @type {RequestInit} */ init,
  ) {
    try {
      const response = await fetch(`http://${target}${path}`, { ...init, signal: patience() });
      if (response.type === "opaque") return;
      answers.push({
        way,
        target,
        got: `${response.status} ${(await response.text()).slice(0, 99)}`,
      });
    } catch {
      // The browser refused, or nothing answered: nothing was read.
    }
  }

  /** A page may load these from anywhere, and could learn from them that a server exists. */
  function load(/** @type {"img" | "script" | "iframe"} */ tag, /** @type {string} */ url) {
    return new Promise((done) => {
      const element = document.createElement(tag);
      element.onload = () => done(true);
      element.onerror = () => done(false);
      element.src = url;
      document.body.append(element);
      setTimeout(() => done(false), 4_000);
    });
  }

  function form(/** @type {string} */ action, /** @type {string} */ text) {
    const frame = document.createElement("iframe");
    frame.name = `frame-${Math.random()}`;
    const element = document.createElement("form");
    Object.assign(element, { method: "post", enctype: "text/plain", target: frame.name, action });
    const field = document.createElement("input");
    // A form puts an equals sign between name and value; here it lands in a meaningless text.
    field.name = `${text.slice(0, -1)},"labels":{"x":"`;
    field.value = '"}}';
    element.append(field);
    document.body.append(frame, element);
    element.submit();
  }

  function socket(/** @type {string} */ target) {
    return new Promise((done) => {
      const opened = new WebSocket(`ws://${target}/ws/logs/${leaseId}`);
      opened.onopen = () => {
        answers.push({ way: "WebSocket", target, got: "open" });
        done(null);
      };
      opened.onerror = () => done(null);
      setTimeout(() => done(null), 4_000);
    });
  }

  await Promise.all(
    targets.map(async (target) => {
      const plain = { "Content-Type": "text/plain" };
      const json = { "Content-Type": "application/json" };
      const dynamo = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.Scan",
        Authorization: "AWS4-HMAC-SHA256 Credential=a/20260101/local/dynamodb/aws4_request",
      };
      await read("GET", target, "/api/containers", {});
      await read("GET with cookies", target, "/api/containers", { credentials: "include" });
      await read("GET /metrics", target, "/metrics", {});
      await read("GET /healthz", target, "/healthz", {});
      await read("POST json", target, "/api/provision", { method: "POST", headers: json, body });
      await read("POST plain", target, "/api/provision", { method: "POST", headers: plain, body });
      await read("POST blind", target, "/api/provision", {
        method: "POST",
        headers: plain,
        mode: "no-cors",
        credentials: "include",
        body,
      });
      await read("exec blind", target, `/api/containers/${leaseId}/exec`, {
        method: "POST",
        mode: "no-cors",
        body: JSON.stringify({ command: ["sh", "-c", "echo from another site >/proc/1/fd/1"] }),
      });
      await read("DELETE", target, `/api/containers/${leaseId}`, { method: "DELETE" });
      await read("DynamoDB", target, "/", { method: "POST", headers: dynamo, body: scan });
      await read("DynamoDB plain", target, "/", { method: "POST", headers: plain, body: scan });
      form(`http://${target}/api/provision`, body);
      await socket(target);
      for (const path of ["/api/containers", "/api/images", "/"]) {
        for (const tag of /** @type {const} */ (["img", "script"])) {
          const url = `http://${target}${path}`;
          if (await load(tag, url)) answers.push({ way: tag, target, got: `loads ${path}` });
        }
      }
    }),
  );
  return answers;
}

/** The TCP ports on which this process listens, from the kernel's tables. */
function portsOf(/** @type {string} */ pid) {
  const sockets = new Set();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      sockets.add(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      // The file was closed meanwhile.
    }
  }
  const lines = ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8").trim().split("\n").slice(1),
  );
  return lines.flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    const listens = state === "0A" && sockets.has(`socket:[${inode}]`);
    return listens ? [String(Number.parseInt(local?.split(":").pop() ?? "", 16))] : [];
  });
}

/** A request from the user's own program instead of a page. */
async function call(
  /** @type {string} */ method,
  /** @type {string} */ path,
  /** @type {unknown} */ body = undefined,
) {
  const response = await fetch(`${baseUrl}${path}`, {
    method,
    headers: { "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(response.ok, `${method} ${path} answered ${response.status}`);
  return response.json();
}
