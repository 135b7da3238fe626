import { HELD_LIMIT, type LogStatus } from "../../hooks/useLogs";
import { canFollowLog } from "../../lease/rules";
import { reasonLabel, removalPhrase } from "../../lease/words";
import type { Container } from "../../types/container";

export type ShownStatus = LogStatus | { phase: "starting"; detail: string };

/** Before the socket opens, the lease itself tells the state of its log. */
export function statusToShow(
  status: LogStatus,
  lease: Container | undefined,
  error: { title: string; detail: string } | null,
): ShownStatus {
  if (status.phase !== "idle") return status;
  if (lease === undefined) {
    return error === null
      ? { phase: "connecting" }
      : { phase: "unavailable", title: error.title, detail: error.detail };
  }
  if (lease.state === "ended") {
    return { phase: "ended", reason: lease.reason, receipt: lease.receipt };
  }
  const verdict = canFollowLog(lease);
  return verdict.allowed ? status : { phase: "starting", detail: verdict.reason };
}

/** Beyond the limit the server holds lines back, and the page does not know how many. */
export function heldWords(held: number): string {
  return held > HELD_LIMIT
    ? `over ${HELD_LIMIT.toLocaleString("en")} waiting`
    : `${held.toLocaleString("en")} waiting`;
}

export function statusWord(status: Exclude<ShownStatus, { phase: "waiting" }>): string {
  switch (status.phase) {
    case "idle":
    case "connecting":
      return "Connecting…";
    case "starting":
      return "Starting…";
    case "live":
      return "Live";
    case "ended":
      return status.reason === null
        ? "Ended"
        : `Ended: ${reasonLabel(status.reason).toLowerCase()}`;
    case "unavailable":
      return "Not available";
  }
}

export function endWords({ reason, receipt }: Extract<LogStatus, { phase: "ended" }>): string {
  const removal = receipt === null ? null : removalPhrase(receipt);
  const why =
    reason === null ? "The lease has ended" : `Lease ${reasonLabel(reason).toLowerCase()}`;
  return removal === null ? `${why}. Its log went with it.` : `${why}, ${removal}.`;
}
