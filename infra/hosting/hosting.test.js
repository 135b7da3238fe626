// usage: node --test infra/hosting/hosting.test.js
//
// Tests hosting and alarms without AWS: CloudFront's two functions, and that template.yaml agrees
// with the sources that it repeats.
"use strict";

const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { test } = require("node:test");
const vm = require("node:vm");

const root = join(__dirname, "..", "..");
const read = (...path) => readFileSync(join(root, ...path), "utf8");
const template = read("template.yaml");

const ID = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";

// Runs a function in an empty context, because CloudFront has none of Node's globals.
function handlerOf(file) {
  const context = vm.createContext({});
  vm.runInContext(`"use strict";${read("infra", "hosting", file)}`, context);
  return (uri, query = {}) => {
    const querystring = {};
    for (const [name, value] of Object.entries(query)) querystring[name] = { value };
    const event = {
      version: "1.0",
      context: { eventType: "viewer-request", requestId: "the-request" },
      viewer: { ip: "198.51.100.7" },
      request: { method: "GET", uri, querystring, headers: {}, cookies: {} },
    };
    // Convert by JSON, as CloudFront does, which also removes the other context's prototypes.
    return JSON.parse(JSON.stringify(context.handler(event)));
  };
}

// The text of a block in template.yaml: the lines after `head` with a deeper indent.
function block(text, head) {
  const start = text.indexOf(`${head}\n`);
  assert.notEqual(start, -1, `template.yaml has no ${head.trim()}`);
  const indent = " ".repeat(/^ */.exec(head)[0].length + 2);
  const lines = [];
  for (const line of text.slice(start + head.length + 1).split("\n")) {
    if (line !== "" && !line.startsWith(indent)) break;
    lines.push(line.slice(indent.length));
  }
  return `${lines.join("\n").trimEnd()}\n`;
}

const resource = (name) => block(template, `  ${name}:`);

function problemOf(response) {
  assert.equal(response.headers["content-type"].value, "application/problem+json");
  assert.equal(response.headers["cache-control"].value, "no-store");
  const body = JSON.parse(response.body.data);
  assert.equal(body.status, response.statusCode);
  assert.equal(body.requestId, "the-request");
  return body;
}

const pagePath = handlerOf("page-path.js");
const logsPath = handlerOf("logs-path.js");

test("a page of the dashboard is its one file", () => {
  for (const path of ["/", "/leases", "/leases/", "/leases/1/log", "/v1.0/leases"]) {
    assert.equal(pagePath(path).uri, "/index.html", path);
  }
});

test("a file keeps its path, so that a missing one is missed", () => {
  for (const path of ["/index.html", "/favicon.svg", "/assets/index-Bx1.js", "/.well-known/x.txt"]) {
    assert.equal(pagePath(path).uri, path);
  }
});

test("a log's path becomes the stage with the lease's id", () => {
  const request = logsPath(`/ws/logs/${ID}`);
  assert.equal(request.uri, "/live");
  assert.deepEqual(request.querystring, { containerId: { value: ID } });
});

test("the query goes on with it", () => {
  const request = logsPath(`/ws/logs/${ID}`, { cursor: "1%2E2", other: "" });
  assert.deepEqual(request.querystring, {
    containerId: { value: ID },
    cursor: { value: "1%2E2" },
    other: { value: "" },
  });
});

test("the query cannot name another lease, however it is spelled", () => {
  for (const name of ["containerId", "container%49d", "%63ontainerId", "containerI%64"]) {
    const request = logsPath(`/ws/logs/${ID}`, { [name]: "somebody-elses", cursor: "c" });
    assert.deepEqual(request.querystring, { containerId: { value: ID }, cursor: { value: "c" } }, name);
  }
});

test("an id that is percent-encoded is the same id", () => {
  assert.equal(logsPath(`/ws/logs/%30${ID.slice(1)}`).querystring.containerId.value, ID);
});

test("what cannot be a lease's id is refused with the API's own problem", () => {
  const ids = [
    "x", "%zz", "..", "%2e%2e%2fprod", ID.toUpperCase(), `{${ID}}`, `${ID}%0a`, `${ID}%00`, `${ID}&a=b`,
    `${ID}%26containerId=x`, ID.replaceAll("-", ""), ID.replace("-7", "-4"), ` ${ID}`,
  ];
  for (const id of ids) {
    const response = logsPath(`/ws/logs/${id}`);
    assert.equal(response.statusCode, 400, id);
    assert.equal(problemOf(response).type, "urn:containerlease:problem:invalid-lease-id");
  }
});

test("other paths of WebSockets are not found", () => {
  for (const path of ["/ws/", "/ws/logs", "/ws/logs/", `/ws/logs/${ID}/`, `/ws/logs/${ID}/x`, `/ws/log/${ID}`, `//ws/logs/${ID}`]) {
    const response = logsPath(path);
    assert.equal(response.statusCode, 404, path);
    assert.equal(problemOf(response).type, "urn:containerlease:problem:route-not-found");
  }
});

test("problems have the words of functions/src/http/problem.rs", () => {
  const source = read("functions", "src", "http", "problem.rs").replace(/\\\n\s+/g, "");
  for (const path of ["/ws/logs/x", "/ws/"]) {
    const { type, title, detail, status } = problemOf(logsPath(path));
    const kind = type.split(":").pop().replace(/(?:^|-)(\w)/g, (_, letter) => letter.toUpperCase());
    assert.ok(source.includes(`Kind::${kind},\n            "${title}"`), title);
    if (status === 400) assert.ok(source.includes(`"${detail}"`), detail);
  }
});

test("CloudFront can run the functions", () => {
  for (const file of ["page-path.js", "logs-path.js"]) {
    const source = read("infra", "hosting", file);
    assert.ok(Buffer.byteLength(source) <= 10_240, `${file} is too large for CloudFront`);
    // Syntax and globals that Node has and cloudfront-js-2.0 does not.
    const code = source.replace(/\/\/.*$/gm, "");
    const unknown = /\?\.|\?\?|\.\.\.|\b(class|export|import|require|eval|setTimeout|for \((const|let) \w+ of)\b/.exec(code);
    assert.equal(unknown?.[0], undefined, `${file} uses what CloudFront may not know`);
  }
});

test("the functions in template.yaml are these files", () => {
  for (const [name, file] of [["PagePath", "page-path.js"], ["LogsPath", "logs-path.js"]]) {
    const inlined = block(resource(name), "  FunctionCode: |");
    assert.equal(inlined, read("infra", "hosting", file), `${name} in template.yaml is not infra/hosting/${file}`);
  }
});

test("the functions stand on their own paths alone", () => {
  const distribution = resource("Distribution");
  const behaviour = block(distribution, "    DefaultCacheBehavior:");
  assert.match(behaviour, /FunctionARN: !GetAtt PagePath\.FunctionARN/);
  const others = block(distribution, "    CacheBehaviors:").split("- PathPattern: ").slice(1);
  const paths = others.map((text) => [text.split("\n")[0], /LogsPath/.test(text), /PagePath/.test(text)]);
  assert.deepEqual(paths, [
    ["/api/*", false, false],
    ["/healthz", false, false],
    ["/readyz", false, false],
    ["/ws/*", true, false],
  ]);
  assert.doesNotMatch(distribution, /ResponsePagePath/);
  assert.match(resource("WebSocketApi"), /StageName: live\n/);
});

test("pages have the content security policy of the one-machine server", () => {
  const source = read("infra", "local", "src", "dashboard.rs");
  const served = /CONTENT_SECURITY_POLICY: &str = "([^"]+)"/.exec(source)[1].replace(/\\\n\s+/g, "");
  const deployed = /ContentSecurityPolicy: "([^"]+)"/.exec(resource("SecurityHeaders"))[1];
  assert.equal(deployed, served);
});

const metrics = new Set([...read("functions", "src", "metrics.rs").matchAll(/^\/\/! \| `(\w+)` \|/gm)].map((found) => found[1]));
const alarms = [...template.matchAll(/^ {2}(\w+):\n {4}Type: AWS::CloudWatch::Alarm\n/gm)].map((found) => found[1]);
const board = JSON.parse(block(resource("Dashboard"), "  DashboardBody: !Sub |"));

test("every alarm says what it means and what to do, and is on CloudWatch's dashboard", () => {
  assert.ok(alarms.length > 0);
  for (const name of alarms) {
    const text = resource(name);
    const description = /^ {2}AlarmDescription: (.+)$/m.exec(text)?.[1] ?? "";
    assert.ok(description.split(/[.;] /).length >= 2 && description.length <= 1024, `${name} does not say enough`);
    for (const property of ["TreatMissingData", "AlarmActions", "OKActions"]) assert.match(text, new RegExp(`^ {2}${property}: `, "m"), name);
  }
  const shown = board.widgets.find((widget) => widget.type === "alarm").properties.alarms;
  assert.deepEqual(shown, alarms.map((name) => `\${${name}.Arn}`));
});

test("alarms and CloudWatch's dashboard watch metrics that there are", () => {
  const watched = alarms.map((name) => /Namespace: ContainerLease\n {2}MetricName: (\w+)/.exec(resource(name))?.[1]).filter(Boolean);
  const drawn = board.widgets.flatMap(({ properties }) => properties.metrics ?? []).filter(([namespace]) => namespace === "ContainerLease").map(([, name]) => name);
  for (const name of [...watched, ...drawn]) assert.ok(metrics.has(name), `functions/src/metrics.rs has no ${name}`);
  assert.deepEqual([...metrics].filter((name) => !drawn.includes(name)), [], "these are on no graph");
});

test("no two graphs lie on each other", () => {
  const taken = new Set();
  for (const { x, y, width, height } of board.widgets) {
    assert.ok(x + width <= 24);
    for (let i = x; i < x + width; i += 1) {
      for (let j = y; j < y + height; j += 1) {
        assert.ok(!taken.has(`${i},${j}`), `something is at ${i},${j} already`);
        taken.add(`${i},${j}`);
      }
    }
  }
});

test("what costs without use, or changes the account for others, is off", () => {
  for (const api of ["HttpApi", "WebSocketApi"]) {
    assert.match(resource(api), /^ +DetailedMetricsEnabled: false$/m, api);
  }
  assert.match(resource("ApiGatewayAccount"), /^Condition: SetsAccountRole$/m);
  assert.match(block(template, "  ApiGatewayAccountRole:"), /^Default: 'false'$/m);
  const host = read("infra", "docker-host", "host.yaml");
  assert.match(host, /^ +CreditSpecification: .*CPUCredits: standard/m);
  assert.match(host, /^ +Monitoring: false$/m);
});

test("the relay alone may invoke itself for hours", () => {
  assert.equal(template.match(/RecursiveLoop/g).length, 1);
  assert.match(resource("RelayFunction"), /^ +RecursiveLoop: Allow$/m);
});

test("docs/aws.md tells of each parameter what the template tells", () => {
  const guide = read("docs", "aws.md");
  const [, parameters] = /^Parameters:\n([\s\S]+?)^\S/m.exec(template);
  const names = [...parameters.matchAll(/^ {2}(\w+):$/gm)].map(([, name]) => name);
  assert.ok(names.length > 20);
  for (const name of names) {
    const [, text] = new RegExp(`^ {2}${name}:\\n((?: {4}.+\\n)+)`, "m").exec(parameters);
    const description = /^ {4}Description: '?(.+?)'?$/m.exec(text)[1];
    const value = /^ {4}Default: '?(.*?)'?$/m.exec(text)?.[1];
    const told = value === undefined ? "must be given" : value === "" ? "none" : `\`${value}\``;
    assert.ok(guide.includes(`| \`${name}\` | ${told} | ${description} |`), name);
  }
});
