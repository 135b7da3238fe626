import { queryOptions } from "@tanstack/react-query";
import { isMoving } from "../lease/rules";
import type {
  Catalogue,
  ContainerPage,
  DeleteAnswer,
  ProvisionRequest,
  Readiness,
  Timed,
} from "../types/api";
import type { Container } from "../types/container";
import { errorFromAnswer, errorFromFailure, unexpectedAnswer } from "./apiError";
import { serverClock } from "./serverClock";

/** The verbs of the API, one function each. All of them throw only `ApiError`. */
export const containerApi = {
  images: (signal?: AbortSignal) =>
    request<Timed<Catalogue>>("/api/images", { signal }, ["images", "durationMinutes"]),

  /**
   * `idempotencyKey` makes a repeated request find the lease of the first one, so a lost answer
   * never costs a second container.
   */
  provision: (body: ProvisionRequest, idempotencyKey: string) =>
    request<Timed<Container>>(
      "/api/provision",
      {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
        body: JSON.stringify(body),
        timeoutMs: 60_000,
      },
      ["id"],
    ),

  list: (signal?: AbortSignal) =>
    request<Timed<ContainerPage>>("/api/containers", { signal }, ["containers"]),

  get: (id: string, signal?: AbortSignal) =>
    request<Timed<Container>>(`/api/containers/${encodeURIComponent(id)}`, { signal }, ["id"]),

  renew: (id: string, durationMinutes: number) =>
    request<Timed<Container>>(
      `/api/containers/${encodeURIComponent(id)}/renew`,
      {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ durationMinutes }),
      },
      ["id"],
    ),

  delete: (id: string) =>
    request<DeleteAnswer>(
      `/api/containers/${encodeURIComponent(id)}`,
      { method: "DELETE", timeoutMs: 60_000 },
      ["success"],
    ),

  /** Being unready is an answer too: a 503 that carries a readiness is not an error. */
  readiness: (signal?: AbortSignal) =>
    request<Readiness>("/readyz", { signal, acceptStatus: 503 }, ["status"]),
};

export const keys = {
  images: ["images"] as const,
  containers: ["containers"] as const,
  container: (id: string) => ["container", id] as const,
  readiness: ["readiness"] as const,
};

/** The catalogue changes only with a new version of the server. */
export const imagesQuery = () =>
  queryOptions({
    queryKey: keys.images,
    queryFn: ({ signal }) => containerApi.images(signal),
    staleTime: 10 * 60_000,
    // Nothing can be leased without the catalogue, so retry until it is loaded.
    refetchInterval: ({ state }) => (state.data === undefined ? 10_000 : false),
  });

/** Polled every 5 s, and every second while a lease is about to change. */
export const containersQuery = () =>
  queryOptions({
    queryKey: keys.containers,
    queryFn: ({ signal }) => containerApi.list(signal),
    refetchInterval: ({ state }) => {
      const now = serverClock.now();
      return state.data?.containers.some((lease) => isMoving(lease, now)) ? 1_000 : 5_000;
    },
  });

/** One lease, polled until it has ended; after that it never changes. */
export const containerQuery = (id: string) =>
  queryOptions({
    queryKey: keys.container(id),
    queryFn: ({ signal }) => containerApi.get(id, signal),
    staleTime: ({ state }) => (state.data?.state === "ended" ? Number.POSITIVE_INFINITY : 0),
    refetchInterval: ({ state }) => {
      if (state.data?.state === "ended") return false;
      return state.error !== null && !state.error.isTransient ? false : 1_000;
    },
  });

export const readinessQuery = () =>
  queryOptions({
    queryKey: keys.readiness,
    queryFn: ({ signal }) => containerApi.readiness(signal),
    refetchInterval: 10_000,
    retry: false,
  });

interface RequestParts {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
  acceptStatus?: number;
}

/**
 * Sends one request and returns its JSON. `required` names fields that the server always sends; an
 * answer without them came from something else, such as a proxy's own page.
 */
async function request<T extends object>(
  path: string,
  { signal, timeoutMs = 15_000, acceptStatus, ...init }: RequestParts,
  required: readonly (keyof T & string)[],
): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  let answer: Response;
  let receivedAtMs: number;
  let text: string;
  try {
    answer = await fetch(path, {
      ...init,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    receivedAtMs = Date.now();
    text = await answer.text();
  } catch (failure) {
    // A request that the page itself cancelled is not a problem to show.
    if (signal?.aborted) throw failure;
    throw errorFromFailure(failure);
  }
  if (!answer.ok && answer.status !== acceptStatus) {
    throw errorFromAnswer(answer.status, text, answer.headers.get("retry-after"), Date.now());
  }
  const value = parseObject(text);
  if (value === null || required.some((field) => !(field in value))) {
    throw answer.ok ? unexpectedAnswer() : errorFromAnswer(answer.status, text, null, Date.now());
  }
  if (typeof value.serverTime === "string") {
    serverClock.observe(value.serverTime, receivedAtMs);
  }
  return value as T;
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
