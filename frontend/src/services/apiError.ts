import type { FieldProblem, ProblemDocument } from "../types/api";

/**
 * Why a request failed, in words for the user: `title` names the problem, and `detail` says what to
 * do, whatever the answer looked like.
 */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly title: string;
  readonly detail: string;
  /** The HTTP status, or null if no answer came at all. */
  readonly status: number | null;
  readonly type: string | null;
  readonly requestId: string | null;
  readonly fields: readonly FieldProblem[];
  readonly retryAfterSeconds: number | null;

  constructor(parts: {
    title: string;
    detail: string;
    status?: number | null;
    type?: string | null;
    requestId?: string | null;
    fields?: readonly FieldProblem[];
    retryAfterSeconds?: number | null;
  }) {
    super(`${parts.title}: ${parts.detail}`);
    this.title = parts.title;
    this.detail = parts.detail;
    this.status = parts.status ?? null;
    this.type = parts.type ?? null;
    this.requestId = parts.requestId ?? null;
    this.fields = parts.fields ?? [];
    this.retryAfterSeconds = parts.retryAfterSeconds ?? null;
  }

  /** Whether the same request may succeed a little later. */
  get isTransient(): boolean {
    return this.status === null || [408, 429].includes(this.status) || this.status >= 500;
  }
}

/** Turns an unsuccessful answer into its error; `body` is its text. */
export function errorFromAnswer(
  status: number,
  body: string,
  retryAfter: string | null,
  nowMs: number,
): ApiError {
  const retryAfterSeconds = parseRetryAfter(retryAfter, nowMs);
  const problem = parseProblem(body);
  if (problem === null) {
    return new ApiError({ ...wordsForStatus(status), status, retryAfterSeconds });
  }
  return new ApiError({
    title: problem.title,
    detail: problem.detail,
    status,
    type: problem.type,
    requestId: problem.requestId,
    fields: problem.errors ?? [],
    retryAfterSeconds,
  });
}

/** Turns whatever `fetch` threw into an error for the user. */
export function errorFromFailure(failure: unknown): ApiError {
  if (failure instanceof ApiError) return failure;
  if (failure instanceof DOMException && failure.name === "TimeoutError") {
    return new ApiError({
      title: "No answer in time",
      detail: "The server took too long. It may still have done its work: look at the list first.",
    });
  }
  return new ApiError({
    title: "The server cannot be reached",
    detail: "Check that ContainerLease is running and that you are connected, then try again.",
  });
}

export function unexpectedAnswer(): ApiError {
  return new ApiError({
    title: "An answer this page does not understand",
    detail: "Something other than ContainerLease may have answered. Reload the page to try again.",
  });
}

/** `Retry-After` is in seconds or a date; the result is whole seconds from now. */
export function parseRetryAfter(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  if (/^\d+$/.test(header.trim())) return Number(header);
  const dateMs = Date.parse(header);
  return Number.isNaN(dateMs) ? null : Math.max(0, Math.ceil((dateMs - nowMs) / 1000));
}

function parseProblem(body: string): ProblemDocument | null {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { type, title, status, detail, requestId, errors } = value as Record<
    keyof ProblemDocument,
    unknown
  >;
  if (typeof title !== "string" || typeof detail !== "string") return null;
  return {
    type: typeof type === "string" ? type : "about:blank",
    title,
    status: typeof status === "number" ? status : 0,
    detail,
    requestId: typeof requestId === "string" ? requestId : "",
    errors: Array.isArray(errors) ? errors.filter(isFieldProblem) : [],
  };
}

function isFieldProblem(value: unknown): value is FieldProblem {
  if (typeof value !== "object" || value === null) return false;
  const { field, detail } = value as Record<keyof FieldProblem, unknown>;
  return typeof field === "string" && typeof detail === "string";
}

function wordsForStatus(status: number): { title: string; detail: string } {
  if (status === 401 || status === 403) {
    return {
      title: "Not allowed",
      detail: "The server did not accept you. Sign in again or reload the page.",
    };
  }
  if (status === 404) {
    return { title: "Not found", detail: "There is nothing at this address. Reload the page." };
  }
  if (status === 413) {
    return { title: "Too large", detail: "The request is too large. Send less and try again." };
  }
  if (status === 429) {
    return { title: "Too many requests", detail: "Wait a moment, then try again." };
  }
  if (status >= 500) {
    return {
      title: "The server has a problem",
      detail: `It answered ${status} without saying why. Wait a moment, then try again.`,
    };
  }
  return {
    title: "The request was refused",
    detail: `The server answered ${status} without saying why. Check what you entered.`,
  };
}
