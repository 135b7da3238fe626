// The checks of smoke.sh on a deployed stack.
//
// usage: node --experimental-websocket smoke.js lease STACK.json
//        node smoke.js alarms NAMES.json ALARMS.json
//
// STACK.json, NAMES.json and ALARMS.json are output of the AWS CLI. Each check prints a line; a failed
// one says where to look. The exit code is 1 if a check failed.
"use strict";

const { readFileSync } = require("node:fs");
const http = require("node:http");
const https = require("node:https");

const ANSWER_MS = 35_000;
const FRAME_MS = 20_000;
// The promised lateness of an end, and how long to wait for an end before the check fails.
const PROMISED_MS = 2_000;
const END_MS = 150_000;
const COUNTING = ["sh", "-c", "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.5; done"];

// Advice to the operator for each problem of the API.
const ADVICE = {
  "store-unavailable": "The functions do not reach DynamoDB: in a VPC they need a way out (docs/aws.md, In a VPC).",
  "engine-unavailable": "The functions do not reach the Docker engine: look at DockerHost, its security group on port 2376, and that the client's and the server's certificates are of one authority (infra/docker-host/certificates.sh expiry).",
  "image-missing": "The Docker host has no image for alpine and reaches no registry: `docker pull` on the host says why.",
  "quota-reached": "The owner holds all that one may: end leases, or raise LeasesPerOwner.",
  "host-full": "The Docker host is full: end leases, or raise HostCpuMilli and HostMemoryMB.",
  internal: "The function's log has the cause, under the request id.",
};

class Failed extends Error {}

const expect = (condition, what) => {
  if (!condition) throw new Failed(what);
};
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

let failures = 0;

// Runs a check and prints its result; returns whether it passed.
async function check(what, run) {
  try {
    const figures = await run();
    console.log(`ok      ${what}${figures ? ` (${figures})` : ""}`);
    return true;
  } catch (error) {
    failures += 1;
    console.log(`FAILED  ${what}: ${error.message}`);
    return false;
  }
}

// --- the stack ----------------------------------------------------------------------------------

// The stack's addresses: its URL, the URL of a lease's log, and headers for each request.
function addresses(stack) {
  const outputs = Object.fromEntries((stack.Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
  const emulator = process.env.AWS_ENDPOINT_URL?.replace(/\/$/, "");
  if (!emulator) {
    const url = outputs.DashboardUrl ?? outputs.ApiUrl;
    const viaCloudFront = (id) => `${url.replace(/^http/, "ws")}/ws/logs/${id}`;
    return { url, logs: outputs.DashboardUrl ? viaCloudFront : (id) => `${outputs.LogsUrl}?containerId=${id}`, headers: {}, hosted: !!outputs.DashboardUrl };
  }
  // An emulator serves all names at one address. It recognises a distribution by the Host header.
  const here = (url) => url.replace(/^(https|wss):\/\/([a-z0-9]+)\.execute-api\.[a-z0-9.-]+/, (_, scheme, api) =>
    `${scheme === "wss" ? emulator.replace(/^http/, "ws") : emulator}/_aws/execute-api/${api}`);
  const headers = outputs.DistributionDomain ? { host: outputs.DistributionDomain, "x-forwarded-proto": "https" } : {};
  return { url: outputs.DistributionDomain ? emulator : here(outputs.ApiUrl), logs: (id) => `${here(outputs.LogsUrl)}?containerId=${id}`, headers, hosted: !!outputs.DistributionDomain };
}

class Api {
  constructor({ url, headers }) {
    Object.assign(this, { url, headers });
  }

  // The answer to a request: its status, headers and text, and its body if that is JSON.
  async ask(method, path, body) {
    const url = new URL(this.url + path);
    const answer = await new Promise((resolve, reject) => {
      const headers = { ...this.headers, ...(body && { "content-type": "application/json" }) };
      const request = (url.protocol === "https:" ? https : http).request(url, { method, headers, timeout: ANSWER_MS }, (response) => {
        const parts = [];
        response.on("data", (part) => parts.push(part)).on("error", reject);
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() }));
      });
      request.on("timeout", () => request.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
      request.on("error", reject);
      request.end(body && JSON.stringify(body));
    }).catch((error) => {
      const why = { ENOTFOUND: "its name has no address yet; a new distribution takes some minutes, and DomainName a DNS record", ECONNREFUSED: "nothing listens there" }[error.code];
      throw new Failed(`${this.url} cannot be reached: ${why ?? error.message}`);
    });
    try {
      answer.body = JSON.parse(answer.text);
    } catch {
      answer.body = undefined;
    }
    return answer;
  }

  // The body of an answer, which must have `status`.
  async get(status, method, path, body) {
    const answer = await this.ask(method, path, body);
    expect(answer.status === status, said(`${method} ${path}`, answer));
    expect(answer.body, `${method} ${path} answered with what is no JSON: ${answer.text.slice(0, 200)}`);
    return answer.body;
  }
}

// Describes an unexpected answer.
function said(what, { status, headers, body, text }) {
  const kind = body?.type?.split(":").pop();
  if (kind) {
    const advice = ADVICE[kind] ?? "docs/problems.md says what to do.";
    return `${what} answered ${status}, ${body.title}: ${body.detail} ${advice} Request ${body.requestId}.`;
  }
  if (status === 403) return `${what} answered 403: a web ACL refuses you, or the path is no route (${headers["x-cache"] ?? "not CloudFront"}).`;
  if (status === 429) return `${what} answered 429: ThrottleRate is reached, or the account's concurrency (in a new account 10).`;
  if (status >= 500) return `${what} answered ${status} in the gateway's words: the function failed before it could answer; its log has the cause. ${text.slice(0, 200)}`;
  return `${what} answered ${status}: ${text.slice(0, 200)}`;
}

// --- a lease's log ------------------------------------------------------------------------------

// Reads a log until it ends: its lines, our events, and why the connection closed.
function watch(url) {
  const heard = { lines: [], events: [], closed: undefined };
  const socket = new WebSocket(url);
  heard.close = () => socket.close();
  socket.addEventListener("message", ({ data }) => {
    for (const line of String(data).split("\n").filter(Boolean)) {
      const object = JSON.parse(line);
      (object.event ? heard.events : heard.lines).push(object);
    }
  });
  socket.addEventListener("open", () => {
    heard.open = true;
  });
  socket.addEventListener("close", ({ code }) => {
    heard.closed ??= heard.open ? `it closed with ${code}` : "it was refused; the WebSocket API's access log says with which status";
  });
  socket.addEventListener("error", ({ message }) => {
    heard.closed ??= heard.open ? `it broke off: ${message}` : `it was refused (${message || "no reason is given"}); the WebSocket API's access log says with which status`;
  });
  return heard;
}

async function until(ms, what, look) {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found) return found;
    expect(Date.now() < deadline, `${what} within ${ms / 1000} s`);
    await sleep(250);
  }
}

// --- the checks ---------------------------------------------------------------------------------

async function lease(file) {
  const [stack] = JSON.parse(readFileSync(file, "utf8")).Stacks;
  const { url, logs, headers, hosted } = addresses(stack);
  const api = new Api({ url, headers });
  console.log(`${stack.StackName} at ${url}`);

  if (hosted) {
    await check("the dashboard is there", async () => {
      const page = await api.ask("GET", "/");
      expect(page.status === 200 && page.text.includes("<title>ContainerLease"), `/ answered ${page.status}: upload it with CONTAINERLEASE_STACK=${stack.StackName} make dashboard-upload.`);
    });
  }
  const ready = await check("the table and the engine answer", async () => {
    const { engine } = await api.get(200, "GET", "/readyz");
    return engine?.version && `Docker ${engine.version}`;
  });
  let made;
  const leased = ready && (await check("a lease of one minute has a container", async () => {
    const began = Date.now();
    made = await api.get(201, "POST", "/api/provision", { imageType: "alpine", durationMinutes: 1, name: "smoke test", command: COUNTING });
    expect(made.state === "running", `it is ${made.state}`);
    return `${Date.now() - began} ms`;
  }));
  if (!leased) return;
  const path = `/api/containers/${made.id}`;
  const heard = watch(logs(made.id));
  // Leave no lease behind after an interrupt.
  process.once("SIGINT", () => api.ask("DELETE", path).finally(() => process.exit(130)));
  let ended;
  try {
    await check("its log comes by WebSocket", async () => {
      await until(FRAME_MS, "no two lines came", () => heard.lines.length > 1 || heard.closed);
      expect(heard.lines.length > 1, `${heard.closed}; or the function logs cannot post to viewers, which in a VPC needs NAT.`);
      return `${heard.lines.length} lines`;
    });
    await check("a command runs in it", async () => {
      const done = await api.get(200, "POST", `${path}/exec`, { command: ["sh", "-c", "echo hello; exit 3"] });
      expect(done.stdout === "hello\n" && done.exitCode === 3, `its answer is ${JSON.stringify(done)}`);
    });
    await check("it ends on time", async () => {
      const end = Date.parse(made.expiryTime) + END_MS - Date.parse(made.createdAt);
      ended = await until(end, "the lease has not ended; look at the alarms, the log of cleanup and the queue of failures:", async () => {
        const now = await api.get(200, "GET", path);
        return now.state === "ended" && now;
      });
      const { reason, overshootMs } = ended.receipt;
      expect(reason === "expired", `it ended as ${reason}${ended.receipt.exitCode === null ? "" : `, exit code ${ended.receipt.exitCode}`}`);
      expect(overshootMs >= 0 && overshootMs <= PROMISED_MS, `its container was gone ${overshootMs} ms after its end, but ${PROMISED_MS} ms are promised; the engine is slow or a tick was late, see the alarms.`);
      return `gone ${overshootMs} ms after its end`;
    });
    await check("its receipt is complete", async () => {
      expect(ended, "the lease has not ended");
      const { receipt, expiryTime } = ended;
      expect(receipt.stoppedAt && receipt.stoppedAt >= expiryTime && receipt.removedAt >= receipt.stoppedAt, `its times are wrong: ${JSON.stringify(receipt)}`);
      expect(receipt.attempts === 1, `${receipt.attempts} attempts were needed`);
    });
    await check("its log came whole, and the end was announced", async () => {
      await until(FRAME_MS, "the end did not come", () => heard.events.some(({ event }) => event === "ended") || heard.closed);
      const last = heard.events.find(({ event }) => event === "ended");
      expect(last, `${heard.closed}, after ${heard.lines.length} lines and without the end`);
      expect(last.reason === "expired", `it was announced as ${last.reason}`);
      const wrong = heard.lines.findIndex(({ message }, at) => message !== `line ${at + 1}`);
      expect(wrong === -1, `where line ${wrong + 1} should be is "${heard.lines[wrong]?.message}"`);
      return `${heard.lines.length} lines`;
    });
  } finally {
    heard.close();
    if (!ended) await api.ask("DELETE", path).catch(() => {});
  }
}

// Checks the state of each alarm of the stack.
async function alarms(namesFile, alarmsFile) {
  const names = JSON.parse(readFileSync(namesFile, "utf8"));
  const known = new Map(JSON.parse(readFileSync(alarmsFile, "utf8")).MetricAlarms.map((alarm) => [alarm.AlarmName, alarm]));
  if (names.length === 0) {
    console.log("note    the stack has no alarms (Alarms=false)");
    return;
  }
  let quiet = 0;
  const undecided = [];
  for (const name of names) {
    const alarm = known.get(name);
    if (alarm?.StateValue === "OK") quiet += 1;
    else if (alarm?.StateValue === "INSUFFICIENT_DATA") undecided.push(name);
    else {
      await check(`the alarm ${name}`, () => {
        expect(alarm, "CloudWatch does not know it; somebody has deleted it.");
        throw new Failed(`it has gone off. ${alarm.AlarmDescription} ${alarm.StateReason ?? ""}`.trim());
      });
    }
  }
  const off = names.length - quiet - undecided.length;
  if (off === 0) console.log(`ok      no alarm of ${names.length} has gone off`);
  if (undecided.length > 0) console.log(`note    ${undecided.length} of them have too little data yet, as in a new stack`);
}

const [command, ...files] = process.argv.slice(2);
({ lease, alarms })[command](...files).then(() => {
  process.exitCode = failures > 0 ? 1 : 0;
});
