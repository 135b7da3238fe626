import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError } from "../services/apiError";
import { containerApi } from "../services/containerApi";
import { LogBuffer, type LogSnapshot, logSocketUrl, parseFrame } from "../services/logService";
import type { EndReason, Receipt } from "../types/container";
import { useWebSocket } from "./useWebSocket";

export type LogStatus =
  /** The log is not asked for yet. */
  | { phase: "idle" }
  | { phase: "connecting" }
  | { phase: "live" }
  | { phase: "waiting"; retryAtMs: number; why: string }
  | { phase: "ended"; reason: EndReason | null; receipt: Receipt | null }
  | { phase: "unavailable"; title: string; detail: string };

export interface Logs {
  snapshot: LogSnapshot;
  status: LogStatus;
  paused: boolean;
  /** How many lines came in since the pause and wait to be shown. */
  held: number;
  setPaused: (paused: boolean) => void;
  clear: () => void;
  retryNow: () => void;
}

type Outcome = Extract<LogStatus, { phase: "ended" | "unavailable" }>;

/** More new lines than this in one draw are a burst. */
const BURST_LINES = 150;
const BURST_PAUSE_MS = 120;

const NOTHING: LogSnapshot = { lines: [], dropped: 0 };

/** Follows the log of one lease, across disconnects, until the lease has ended. */
export function useLogs(id: string, enabled: boolean): Logs {
  const [buffer] = useState(() => new LogBuffer());
  const [snapshot, setSnapshot] = useState(NOTHING);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [why, setWhy] = useState("");
  const [pausedAt, setPausedAt] = useState<number | null>(null);
  const [received, setReceived] = useState(0);
  const cancelPublish = useRef<(() => void) | null>(null);
  const drawn = useRef(0);
  const isBurst = useRef(false);
  const pausedNow = useRef(false);
  const endedNow = useRef(false);

  const publish = () => {
    cancelPublish.current = null;
    isBurst.current = buffer.received - drawn.current > BURST_LINES;
    drawn.current = buffer.received;
    setReceived(buffer.received);
    if (!pausedNow.current) setSnapshot(buffer.snapshot());
  };

  /**
   * However many lines come in, the page draws once for each frame of the screen. In a
   * burst it draws less often still: nobody reads that fast, and a page that is drawing
   * takes no lines in.
   */
  const publishSoon = () => {
    if (cancelPublish.current !== null) return;
    if (isBurst.current) {
      const timer = setTimeout(publish, BURST_PAUSE_MS);
      cancelPublish.current = () => clearTimeout(timer);
    } else {
      const frame = requestAnimationFrame(publish);
      cancelPublish.current = () => cancelAnimationFrame(frame);
    }
  };

  useEffect(
    () => () => {
      cancelPublish.current?.();
      cancelPublish.current = null;
    },
    [],
  );

  const onText = (text: string) => {
    for (const event of parseFrame(text)) {
      if (event.kind === "line") {
        buffer.push(event.entry);
      } else {
        endedNow.current = true;
        setOutcome({ phase: "ended", reason: event.ended.reason, receipt: event.ended.receipt });
      }
    }
    publishSoon();
  };

  /** A browser never says why a socket failed, so the lease itself is asked. */
  const afterClose = async ({ opened }: { opened: boolean }): Promise<"retry" | "stop"> => {
    if (endedNow.current) return "stop";
    try {
      const lease = await containerApi.get(id);
      if (lease.state === "ended") {
        setOutcome({ phase: "ended", reason: lease.reason, receipt: lease.receipt });
        return "stop";
      }
      setWhy(opened ? "The connection was interrupted." : "The log could not be opened yet.");
      return "retry";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.isTransient) {
        setOutcome({ phase: "unavailable", title: error.title, detail: error.detail });
        return "stop";
      }
      setWhy(`${error.title}.`);
      return "retry";
    }
  };

  const { status: socket, retryNow } = useWebSocket(enabled, {
    url: () => logSocketUrl(id, buffer.lastCursor, window.location.href),
    onText,
    afterClose,
  });

  const setPaused = useCallback(
    (paused: boolean) => {
      pausedNow.current = paused;
      setPausedAt(paused ? buffer.received : null);
      if (!paused) setSnapshot(buffer.snapshot());
    },
    [buffer],
  );

  const clear = useCallback(() => {
    buffer.clear();
    setPausedAt((at) => (at === null ? null : buffer.received));
    setSnapshot(buffer.snapshot());
  }, [buffer]);

  return {
    snapshot,
    status: statusOf(outcome, socket, why),
    paused: pausedAt !== null,
    held: pausedAt === null ? 0 : Math.max(0, received - pausedAt),
    setPaused,
    clear,
    retryNow,
  };
}

function statusOf(
  outcome: Outcome | null,
  socket: ReturnType<typeof useWebSocket>["status"],
  why: string,
): LogStatus {
  if (outcome !== null) return outcome;
  switch (socket.phase) {
    case "idle":
      return { phase: "idle" };
    case "open":
      return { phase: "live" };
    case "waiting":
      return { phase: "waiting", retryAtMs: socket.retryAtMs, why };
    case "connecting":
    case "stopped":
      return { phase: "connecting" };
  }
}
