import { vi } from "vitest";

export interface SeenRequest {
  method: string;
  path: string;
  headers: Headers;
  body: unknown;
}

type Reply = Response | Error;
type Route = (request: SeenRequest) => Reply | Promise<Reply>;

/** Stands in for `fetch`. Routes are named as `GET /api/containers`. */
export function stubServer(routes: Record<string, Route>): { seen: SeenRequest[] } {
  const seen: SeenRequest[] = [];
  vi.stubGlobal("fetch", async (path: string, init: RequestInit = {}) => {
    const request: SeenRequest = {
      method: init.method ?? "GET",
      path,
      headers: new Headers(init.headers),
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
    };
    seen.push(request);
    const route = routes[`${request.method} ${path}`];
    if (route === undefined) throw new TypeError(`no route for ${request.method} ${path}`);
    const reply = await route(request);
    if (reply instanceof Error) throw reply;
    return reply;
  });
  return { seen };
}

export function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/json" },
  });
}

export function problem(
  status: number,
  parts: {
    title: string;
    detail: string;
    errors?: { field: string; detail: string }[];
    retryAfter?: string;
  },
): Response {
  const { retryAfter, ...words } = parts;
  return new Response(
    JSON.stringify({ type: "urn:containerlease:problem:test", status, requestId: "r-1", ...words }),
    {
      status,
      headers: {
        "content-type": "application/problem+json",
        ...(retryAfter === undefined ? {} : { "retry-after": retryAfter }),
      },
    },
  );
}
