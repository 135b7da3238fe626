import { useQuery } from "@tanstack/react-query";
import { readinessQuery } from "../services/containerApi";
import type { Readiness } from "../types/api";

interface Health {
  tone: "good" | "bad" | "quiet";
  label: string;
  detail: string;
}

/** Whether the server can work, as a dot and a word. */
export function HealthBadge() {
  const { data, isError } = useQuery(readinessQuery());
  const { tone, label, detail } = healthOf(data, isError);
  return (
    <p className="health" data-tone={tone} title={detail} role="status">
      <span className="health-dot" aria-hidden="true" />
      {label}
      <span className="visually-hidden">: {detail}</span>
    </p>
  );
}

export function healthOf(
  readiness: Omit<Readiness, "warnings"> | undefined,
  isError: boolean,
): Health {
  if (isError) {
    return {
      tone: "bad",
      label: "Unreachable",
      detail: "The server does not answer. What is shown may be out of date.",
    };
  }
  if (readiness === undefined) {
    return { tone: "quiet", label: "Checking", detail: "Asking the server." };
  }
  if (readiness.status === "ready") {
    return { tone: "good", label: "Ready", detail: "The lease table and the engine answer." };
  }
  const engineDown = readiness.engine?.state !== "ok";
  const tableDown = readiness.table?.state !== "ok";
  const details = [
    tableDown ? (readiness.table?.detail ?? "The lease table does not answer.") : null,
    engineDown ? (readiness.engine?.detail ?? "The container engine does not answer.") : null,
  ].filter((detail) => detail !== null);
  return {
    tone: "bad",
    label: tableDown ? (engineDown ? "Table and engine down" : "Lease table down") : "Engine down",
    detail: details.join(" "),
  };
}
