import { useCallback, useEffect, useRef, useState } from "react";
import { LogBuffer, type LogSnapshot, skippedWords } from "../log/logBuffer";
import { type Closing, type LogEvent, parseFrame } from "../log/logEvents";
import { CLOSE_CODES, logSocketUrl } from "../log/logSocket";
import { announce } from "../services/announcements";
import { ApiError } from "../services/apiError";
import { containerApi } from "../services/containerApi";
import type { EndReason, Receipt } from "../types/container";
import { type AfterClose, type SocketClose, useWebSocket } from "./useWebSocket";

export type LogStatus =
  /** The log is not requested yet. */
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
   * The number of lines received since the pause and not yet shown. Beyond `HELD_LIMIT`, the server
   * is asked to hold back the rest.
   */
  held: number;
  /** The number of lines written but not yet received; 0 if there are about none. */
  behind: number;
  setPaused: (paused: boolean) => void;
  clear: () => void;
  /** Skips the lines not yet received. */
  skip: () => void;
  retryNow: () => void;
}

type Outcome = Extract<LogStatus, { phase: "ended" | "unavailable" }>;

/** The most lines held in the page while paused; the others wait in the container's log. */
export const HELD_LIMIT = 2_000;

/** More new lines than this in one render are a burst. */
const BURST_LINES = 150;
const BURST_PAUSE_MS = 120;

const NOTHING: LogSnapshot = { rows: [], dropped: 0 };

/** Follows the log of one lease, across disconnects, until the lease ends. */
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
  // What the present connection said about its end, and how many lines came before it.
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
   * The page renders at most once per animation frame, however many lines arrive. In a burst it
   * renders less often still: nobody reads that fast, and a rendering page receives no lines.
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

  /** A long pause must not fill the page with lines; the container's log keeps them. */
  const holdBack = () => {
    const at = pausedAtNow.current;
    if (at === null || isPausedAtServer.current || buffer.received - at <= HELD_LIMIT) return;
    isPausedAtServer.current = true;
    send("pause");
  };

  /** A pause belongs to one connection, so the next connection must be told of it. */
  const onOpen = () => {
    if (isPausedAtServer.current) send("pause");
  };

  /**
   * Browsers do not say why an upgrade was refused, and a gateway closes with its own codes. So the
   * server's last message counts first; without one, ask the lease itself.
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
 * Whether a connection counts as failed although it received something. New lines prove it good:
 * only a connection without any must be retried more slowly.
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
