// A whole lease through a TypeScript client from @hey-api/openapi-ts: see clients.sh.
//
// usage: lease.js URL

import {
  deleteContainer,
  execInContainer,
  getContainer,
  getDescription,
  getHealth,
  getLog,
  getReadiness,
  getStats,
  listContainers,
  listImages,
  provision,
  renewContainer,
} from "./client";
import { client } from "./client/client.gen";
import type { Container, Problem, ProblemType, Provision } from "./client";

declare const process: { argv: string[]; exit(code: number): never };

const NO_LEASE = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";
const SCRIPT = "for n in 1 2 3 4 5; do echo line $n; done; echo ERROR $GREETING; exec sleep 300";

const PLAIN: Provision = {
  imageType: "alpine",
  durationMinutes: 2,
  labels: { client: "typescript" },
};

/** Ends the run where something is not as it must be. */
function expect(holds: boolean, what: string, seen?: unknown): void {
  if (!holds) {
    console.error(`lease.ts: ${what}: ${JSON.stringify(seen)}`);
    process.exit(1);
  }
  console.log(`    typescript: ${what}`);
}

/** What a call of the client answers: `T`, or a problem as its own type. */
interface Answer<T> {
  data?: T;
  error?: Problem;
  response?: Response;
}

/** The answer, where there is one. Where there is none, readiness has no problem but itself. */
async function answered<T>(request: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await request;
  if (data === undefined) {
    console.error(`lease.ts: no answer: ${JSON.stringify(error)}`);
    process.exit(1);
  }
  return data;
}

/** The problem that was answered, and the headers. */
async function refused<T>(
  request: Promise<Answer<T>>,
  status: number,
  name: string,
  what: string,
): Promise<[Problem, Headers]> {
  const { error, response } = await request;
  const type = `urn:containerlease:problem:${name}` as ProblemType;
  if (error?.type !== type || error.status !== status || response?.status !== status) {
    console.error(`lease.ts: ${what}: ${response?.status} ${JSON.stringify(error)}`);
    process.exit(1);
  }
  expect(error.detail !== "", what);
  return [error, response.headers];
}

async function lease(): Promise<void> {
  const images = await answered(listImages());
  const types = images.images.map((image) => image.imageType);
  expect(types.includes("alpine") && images.durationMinutes.maximum > 2, "the catalogue", images);

  const key = crypto.randomUUID();
  const body: Provision = {
    ...PLAIN,
    name: "läuft im Test",
    preset: "small",
    env: { GREETING: "grüezi" },
    command: ["sh", "-c", SCRIPT],
    ports: [8080, { containerPort: 9000, scheme: "http" }],
  };
  const headers = { "Idempotency-Key": key };
  const leased = await answered(provision({ body, headers }));
  expect(leased.state === "running" && leased.ports.length === 2, "a provision", leased);
  const lasts = Date.parse(leased.expiryTime) - Date.parse(leased.createdAt);
  expect(lasts === 120_000 && leased.serverTime >= leased.createdAt, "its times", leased);
  const again = await answered(provision({ body, headers }));
  expect(again.id === leased.id, "the same under the same key", again);
  const path = { id: leased.id };

  const plain = await answered(listContainers());
  expect(plain.containers.some((it) => it.id === leased.id), "a plain list", plain);
  const label = ["client:typescript", "client"];
  const some = await answered(
    listContainers({ query: { state: "running", imageType: "alpine", label } }),
  );
  expect(ids(some.containers) === leased.id, "a list with filters", some);
  const one = await answered(getContainer({ path }));
  expect(one.labels.client === "typescript" && one.name === body.name, "one lease", one);
  const renewed = await answered(renewContainer({ path, body: { durationMinutes: 5 } }));
  expect(renewed.expiryTime > leased.expiryTime, "a renewal", renewed);
  expect(renewed.granted.addedSeconds >= 179, "what it has granted", renewed);

  const command = ["sh", "-c", "cat; exit 3"];
  const done = await answered(execInContainer({ path, body: { command, stdin: "grüezi\n" } }));
  expect(done.exitCode === 3 && done.stdout === "grüezi\n", "a command", done);
  const stats = await answered(getStats({ path }));
  expect(stats.memory.usedBytes > 0 && stats.processes.count > 0, "what it uses", stats);

  const lines = await logLines(leased.id);
  expect(lines === "line 1,line 2,line 3,line 4,line 5,ERROR grüezi", "its log", lines);
  const query = { level: "error", since: leased.createdAt };
  const bad = await answered(getLog({ path, query }));
  expect(bad.entries.map((it) => it.message).join() === "ERROR grüezi", "its errors", bad);

  await refusals(leased, key);

  const ended = await answered(deleteContainer({ path }));
  expect(ended.success && ended.state === "ended", "a delete", ended);
  const after = await answered(getContainer({ path }));
  expect(after.receipt?.reason === "deleted", "its receipt", after);
  expect((await logLines(leased.id)) === lines, "its log after its end", lines);
  const late = renewContainer({ path, body: { durationMinutes: 5 } });
  await refused(late, 409, "lease-over", "409 for what is over");
  await history(leased.id);

  expect((await answered(getHealth())).status === "ok", "health");
  expect((await answered(getReadiness())).status === "ready", "readiness");
  expect("openapi" in (await answered(getDescription())), "the description");
}

function ids(containers: Container[]): string {
  return containers.map((it) => it.id).join();
}

/** The lines of a log, two at a time. */
async function logLines(id: string): Promise<string> {
  const lines: string[] = [];
  let cursor: string | undefined;
  for (;;) {
    const page = await answered(getLog({ path: { id }, query: { limit: 2, cursor } }));
    lines.push(...page.entries.map((it) => it.message));
    if (!page.more) return lines.join();
    cursor = page.cursor;
  }
}

/** Two leases have ended; each is a page. */
async function history(id: string): Promise<void> {
  const seen: string[] = [];
  const query = { state: "ended", label: ["client:typescript"], limit: 1 } as const;
  let cursor: string | undefined;
  for (;;) {
    const page = await answered(
      listContainers({ query: { ...query, label: [...query.label], cursor } }),
    );
    seen.push(...page.containers.map((it) => it.id));
    if (page.cursor === null) break;
    cursor = page.cursor;
  }
  expect(seen.length === 2 && seen[1] === id, "the history, page by page", seen);
}

/** Every error is of the client's own type, with all that it says. */
async function refusals(leased: Container, key: string): Promise<void> {
  const wrong = provision({ body: { ...PLAIN, cpuMilli: 1, memoryMB: 1 } });
  const [fields] = await refused(wrong, 400, "invalid-request", "400 for wrong fields");
  const named = fields.errors?.map((fault) => fault.field).sort();
  expect(named?.join() === "cpuMilli,memoryMB", "which fields are wrong", fields);
  const list = listContainers({ query: { limit: 5 } });
  const [query] = await refused(list, 400, "invalid-query", "400 for a wrong query");
  expect(query.errors?.[0]?.field === "limit", "which parameter", query);
  const none = getContainer({ path: { id: NO_LEASE } });
  const [missing, headers] = await refused(none, 404, "lease-not-found", "404 for no lease");
  expect(missing.requestId === headers.get("X-Request-Id"), "the request's id", missing);
  const other = provision({ body: PLAIN, headers: { "Idempotency-Key": key } });
  await refused(other, 409, "idempotency-conflict", "409 for a key used twice");
  const cannot = execInContainer({
    path: { id: leased.id },
    body: { command: ["there-is-no-such-program"] },
  });
  await refused(cannot, 422, "cannot-run", "422 for no such program");

  const second = await answered(provision({ body: PLAIN }));
  const third = provision({ body: PLAIN });
  const [full, how] = await refused(third, 429, "quota-reached", "429 for the third lease");
  expect(full.full?.join() === "leases", "of what there is no more", full);
  expect(full.freesUpAt === second.expiryTime, "until when", full);
  expect(Number(how.get("Retry-After")) > 60, "when to try again", how.get("Retry-After"));
  const gone = await answered(deleteContainer({ path: { id: second.id } }));
  expect(gone.success, "the second lease is deleted", gone);
}

client.setConfig({ baseUrl: process.argv[2] });
lease()
  .then(() => console.log("1 passed, 0 failed"))
  .catch((error: unknown) => {
    console.error(`lease.ts: ${error}`);
    process.exit(1);
  });
