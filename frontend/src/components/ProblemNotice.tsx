import type { ReactNode } from "react";
import { counted } from "../lease/time";
import type { ApiError } from "../services/apiError";

interface Props {
  problem: ApiError;
  /** Something to press, such as a retry. */
  children?: ReactNode;
  tone?: "bad" | "warn";
}

/** A problem in the server's own words: what it is, what to do, and the id to ask about. */
export function ProblemNotice({ problem, children, tone = "bad" }: Props) {
  const { retryAfterSeconds, requestId } = problem;
  const small = [
    retryAfterSeconds ? `worth a retry in ${counted(retryAfterSeconds, "second")}` : null,
    requestId ? `request ${requestId}` : null,
  ].filter((part) => part !== null);
  return (
    <div className="notice" data-tone={tone} role="alert">
      <p className="notice-title">{problem.title}</p>
      <p>{problem.detail}</p>
      {small.length > 0 && <p className="notice-small">{small.join(" · ")}</p>}
      {children !== undefined && <div className="notice-actions">{children}</div>}
    </div>
  );
}
