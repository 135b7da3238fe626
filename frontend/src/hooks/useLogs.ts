import { useCallback, useEffect, useRef, useState } from "react";
import { announce } from "../services/announcements";
import { ApiError } from "../services/apiError";
import { containerApi } from "../services/containerApi";
import {
  CLOSE_CODES,
  type Closing,
  LogBuffer,
  type LogEvent,
  type LogSnapshot,
  logSocketUrl,
  parseFrame,
  skippedWords,
} from "../services/logService";
import type { EndReason, Receipt } from "../types/container";
import { type AfterClose, type SocketClose, useWebSocket } from "./useWebSocket";

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
  /**
   * How many lines came in since the pause and wait to be shown. Once there are more than
   * `HELD_LIMIT` of them, the server is asked to hold back the rest.
   */
  held: number;
  /** How many lines the container has written that have not come yet; 0 if about none. */
  behind: number;
  setPaused: (paused: boolean) => void;
  clear: () => void;
  /** Leaves out what has not come yet. */
  skip: () => void;
  retryNow: () => void;
}

type Outcome = Extract<LogStatus, { phase: "ended" | "unavailable" }>;

/** So many lines are held in the page while paused; the others wait in the container's log. */
export const HELD_LIMIT = 2_000;

/** More new lines than this in one draw are a burst. */
const BURST_LINES = 150;
const BURST_PAUSE_MS = 120;

const NOTHING: LogSnapshot = { rows: [], dropped: 0 };

/** Follows the log of one lease, across disconnects, until the lease has ended. */
export function useLogs(id: string, enabled: boolean): Logs {
  const [buffer] = useState(() => new LogBuffer());
  const [snapshot, setSnapshot] = useState(NOTHING);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [why, setWhy] = useState("");
  const [pausedAt, setPausedAt] = useState<number | null>(null);
  const [received, setReceived] = useState(0);
  const [behind, setBehind] = useState(0);
  const cancelPublish = useRef<(() => void) | null>(null);
  const drawn = useRef(0);
  const isBurst = useRef(false);
  const pausedAtNow = useRef<number | null>(null);
  const isPausedAtServer = useRef(false);
  const endedNow = useRef(false);
  // What the present connection has said of its end, and how much there was before it.
  const closing = useRef<Closing | null>(null);
  const receivedBefore = useRef(0);

  const publish = () => {
    cancelPublish.current = null;
    isBurst.current = buffer.received - drawn.current > BURST_LINES;
    drawn.current = buffer.received;
    setReceived(buffer.received);
    if (pausedAtNow.current === null) setSnapshot(buffer.snapshot());
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

  const url = () => {
    closing.current = null;
    receivedBefore.current = buffer.received;
    return logSocketUrl(id, buffer.lastCursor, window.location.href);
  };

  const onText = (text: string) => {
    for (const event of parseFrame(text)) take(event);
    publishSoon();
    holdBack();
  };

  const take = (event: LogEvent) => {
    switch (event.kind) {
      case "line":
        buffer.push(event.entry);
        return;
      case "behind":
        setBehind(event.lines);
        return;
      case "skipped":
        buffer.skip(event.lines, event.cursor);
        if (event.lines !== 0) announce(`${skippedWords(event.lines)}.`);
        return;
      case "closing":
        closing.current = event.closing;
        return;
      case "ended":
        endedNow.current = true;
        setOutcome({ phase: "ended", reason: event.ended.reason, receipt: event.ended.receipt });
        return;
    }
  };

  /** A long pause must not fill the page with lines: they are better off where they are. */
  const holdBack = () => {
    const at = pausedAtNow.current;
    if (at === null || isPausedAtServer.current || buffer.received - at <= HELD_LIMIT) return;
    isPausedAtServer.current = true;
    send("pause");
  };

  /** A pause is a connection's own, so the next connection must be told of it. */
  const onOpen = () => {
    if (isPausedAtServer.current) send("pause");
  };

  /**
   * Browsers do not say why an upgrade was refused, and where a gateway stands before the
   * server, closes carry its own codes. So what the server said last comes first, and else
   * the lease itself is asked.
   */
  const afterClose = async ({ opened, silent, code }: SocketClose): Promise<AfterClose> => {
    setBehind(0);
    if (endedNow.current) return "stop";
    const said = closing.current;
    const closeCode = said?.code ?? code;
    if (closeCode === CLOSE_CODES.noLease) {
      setOutcome({
        phase: "unavailable",
        title: "The log has stopped",
        detail: said?.message || "There is no such lease any more.",
      });
      return "stop";
    }
    const retry = isFault(closeCode, buffer.received > receivedBefore.current)
      ? "retry-slower"
      : "retry";
    if (silent) {
      setWhy(said?.message || "The server has fallen silent.");
      return retry;
    }
    try {
      const lease = await containerApi.get(id);
      if (lease.state === "ended") {
        setOutcome({ phase: "ended", reason: lease.reason, receipt: lease.receipt });
        return "stop";
      }
      const otherwise = opened
        ? "The connection was interrupted."
        : "The log could not be opened yet.";
      setWhy(said?.message || otherwise);
      return retry;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.isTransient) {
        setOutcome({ phase: "unavailable", title: error.title, detail: error.detail });
        return "stop";
      }
      setWhy(said?.message || `${error.title}.`);
      return retry;
    }
  };

  const {
    status: socket,
    send,
    retryNow,
  } = useWebSocket(enabled, { url, onOpen, onText, afterClose });

  const setPaused = useCallback(
    (paused: boolean) => {
      pausedAtNow.current = paused ? buffer.received : null;
      setPausedAt(pausedAtNow.current);
      if (paused) return;
      setSnapshot(buffer.snapshot());
      if (!isPausedAtServer.current) return;
      isPausedAtServer.current = false;
      send("resume");
    },
    [buffer, send],
  );

  const clear = useCallback(() => {
    buffer.clear();
    if (pausedAtNow.current !== null) {
      pausedAtNow.current = buffer.received;
      setPausedAt(buffer.received);
    }
    setSnapshot(buffer.snapshot());
  }, [buffer]);

  const skip = useCallback(() => {
    send("skip");
    setBehind(0);
  }, [send]);

  return {
    snapshot,
    status: statusOf(outcome, socket, why),
    paused: pausedAt !== null,
    held: pausedAt === null ? 0 : Math.max(0, received - pausedAt),
    behind,
    setPaused,
    clear,
    skip,
    retryNow,
  };
}

/**
 * Whether a connection counts as failed although something was received on it. New lines
 * prove it good even so: only what never gets that far must be asked more slowly.
 */
function isFault(code: number | null, hasNewLines: boolean): boolean {
  return !hasNewLines && (code === CLOSE_CODES.serverFault || code === CLOSE_CODES.outOfReach);
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
