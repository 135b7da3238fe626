import type { ReactNode } from "react";
import { counted } from "../lease/time";
import type { ApiError } from "../services/apiError";

interface Props {
  problem: ApiError;
  /** Buttons, such as a retry. */
  children?: ReactNode;
  tone?: "bad" | "warn";
}

/** A problem in the server's words: what it is, what to do, and the id for questions. */
export function ProblemNotice({ problem, children, tone = "bad" }: Props) {
  const { retryAfterSeconds, requestId } = problem;
  const small = [
    retryAfterSeconds ? `try again in ${counted(retryAfterSeconds, "second")}` : null,
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
