import type { Container, ContainerState, EndReason, Receipt } from "../types/container";
import { clockTime, formatSpan } from "./time";

/** Each state's label, tone and meaning for the lease's owner. */
export const STATE_WORDS: Record<
  ContainerState,
  { label: string; tone: "busy" | "good" | "warn" | "bad" | "quiet"; meaning: string }
> = {
  provisioning: {
    label: "Starting",
    tone: "busy",
    meaning: "The container is being created and started.",
  },
  running: { label: "Running", tone: "good", meaning: "The container runs until the lease ends." },
  ending: { label: "Ending", tone: "warn", meaning: "The container is being stopped and removed." },
  quarantined: {
    label: "Stuck",
    tone: "bad",
    meaning: "The container could not be removed yet; the server keeps trying.",
  },
  ended: { label: "Ended", tone: "quiet", meaning: "The container is gone." },
};

/** Why a lease ended: a label for its badge and its meaning. */
export const REASON_WORDS: Record<
  EndReason,
  { label: string; tone: "quiet" | "warn" | "bad"; meaning: string }
> = {
  expired: { label: "Expired", tone: "quiet", meaning: "Its time was over." },
  deleted: { label: "Deleted", tone: "quiet", meaning: "It was deleted on request." },
  completed: {
    label: "Completed",
    tone: "quiet",
    meaning: "Its program ended by itself and reported success.",
  },
  failed: {
    label: "Failed",
    tone: "bad",
    meaning: "Its program ended by itself with an error, or did not start.",
  },
  lost: { label: "Lost", tone: "bad", meaning: "Its container disappeared before its end." },
  evicted: { label: "Evicted", tone: "bad", meaning: "It used more disk than its limit." },
};

/** An end without a known reason is still an end. */
export function reasonLabel(reason: EndReason | null): string {
  return reason === null ? "Ended" : (REASON_WORDS[reason]?.label ?? "Ended");
}

/** `Expired at 14:03:22, removed 0.3 s after its end.` */
export function endSentence(lease: Container): string {
  const { receipt } = lease;
  const reason = receipt?.reason ?? lease.reason;
  const endedAt = reason === "expired" ? lease.expiryTime : receipt?.requestedAt;
  const opening =
    endedAt === undefined
      ? reasonLabel(reason)
      : `${reasonLabel(reason)} at ${clockTime(Date.parse(endedAt))}`;
  const removal = receipt === null ? null : removalPhrase(receipt);
  return removal === null ? `${opening}.` : `${opening}, ${removal}.`;
}

/** `removed 0.3 s after its end`, or null if the times say nothing. */
export function removalPhrase(receipt: Receipt): string | null {
  if (receipt.overshootMs !== null) {
    return `removed ${formatSpan(receipt.overshootMs)} after its end`;
  }
  const took = Date.parse(receipt.removedAt) - Date.parse(receipt.requestedAt);
  return Number.isNaN(took) ? null : `gone ${formatSpan(took)} later`;
}

/** `1.5 cores`, `0.25 cores`. */
export function formatCpu(milli: number): string {
  return milli === 1000 ? "1 core" : `${Number((milli / 1000).toFixed(2))} cores`;
}

/** `256 MB`, `1.5 GB`. */
export function formatMemory(megabytes: number): string {
  return megabytes < 1024 ? `${megabytes} MB` : `${Number((megabytes / 1024).toFixed(2))} GB`;
}

/** A choice of `egress`, in words. */
export function egressPhrase(egress: string): string {
  if (egress === "open") return "to everywhere";
  if (egress === "none") return "to nowhere";
  return `to the list “${egress}” alone`;
}
