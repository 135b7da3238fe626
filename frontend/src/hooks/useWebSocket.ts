import { useCallback, useEffect, useEffectEvent, useRef, useState } from "react";
import { reconnectDelayMs } from "../log/logSocket";

export type SocketStatus =
  | { phase: "idle" }
  | { phase: "connecting" }
  | { phase: "open" }
  /** `retryAtMs` is on the clock of `Date.now`. */
  | { phase: "waiting"; retryAtMs: number }
  | { phase: "stopped" };

export interface SocketHandlers {
  /** Called at every attempt, so that each one resumes where the last one broke off. */
  url: () => string;
  /** Called for each new connection, to send what it must be told. */
  onOpen: () => void;
  onText: (text: string) => void;
  /** Decides what to do after each connection. */
  afterClose: (close: SocketClose) => Promise<AfterClose>;
}

export interface SocketClose {
  /** False if the upgrade was refused. */
  opened: boolean;
  /** True if the page gave up because nothing came any more. */
  silent: boolean;
  /** The code from the other end, or the browser's own for a lost connection. */
  code: number | null;
}

/** `retry-slower` counts a connection as failed, even if it received something. */
export type AfterClose = "retry" | "retry-slower" | "stop";

/**
 * A connection without a frame for this long is given up. The log sends something every 10 s and
 * calls 30 s an interruption; 2 s more allow for a frame on its way, because earlier servers send
 * only every 30 s.
 */
export const SILENCE_MS = 32_000;

/** Keeps one WebSocket open while `enabled`, and reconnects when it breaks. */
export function useWebSocket(
  enabled: boolean,
  handlers: SocketHandlers,
): {
  status: SocketStatus;
  /** Sends a text; does nothing while the socket is not open. */
  send: (text: string) => void;
  retryNow: () => void;
} {
  const [status, setStatus] = useState<SocketStatus>({ phase: "idle" });
  const current = useRef<WebSocket | null>(null);
  const retry = useRef<() => void>(() => {});

  const urlNow = useEffectEvent(() => handlers.url());
  const greet = useEffectEvent(() => handlers.onOpen());
  const receive = useEffectEvent((text: string) => handlers.onText(text));
  const decide = useEffectEvent((close: SocketClose) => handlers.afterClose(close));

  useEffect(() => {
    if (!enabled) {
      setStatus({ phase: "idle" });
      return;
    }
    let isOver = false;
    let failedAttempts = 0;
    let failedBefore = 0;
    let heardAtMs = 0;
    let retryTimer: ReturnType<typeof setTimeout> | undefined;
    let silenceTimer: ReturnType<typeof setTimeout> | undefined;

    const connect = () => {
      retryTimer = undefined;
      failedBefore = failedAttempts;
      let opened = false;
      setStatus({ phase: "connecting" });
      const socket = new WebSocket(urlNow());
      current.current = socket;
      // An attempt that nobody answers also counts as silence.
      heard();
      socket.onopen = () => {
        opened = true;
        heard();
        setStatus({ phase: "open" });
        greet();
      };
      socket.onmessage = ({ data }) => {
        heard();
        if (typeof data !== "string") return;
        // Only received data proves the connection good: the pauses still grow for a server that
        // accepts and drops at once.
        failedAttempts = 0;
        receive(data);
      };
      socket.onclose = ({ code }) => goOn({ opened, silent: false, code });
    };

    const heard = () => {
      heardAtMs = Date.now();
      clearTimeout(silenceTimer);
      silenceTimer = setTimeout(giveUp, SILENCE_MS);
    };

    const giveUp = () => {
      const socket = current.current;
      if (socket === null) return;
      const opened = socket.readyState !== WebSocket.CONNECTING;
      // The dead other end may take minutes to confirm a close.
      closeQuietly(socket);
      goOn({ opened, silent: true, code: null });
    };

    const goOn = async (close: SocketClose) => {
      current.current = null;
      clearTimeout(silenceTimer);
      setStatus({ phase: "connecting" });
      const decision = await decide(close);
      if (isOver) return;
      if (decision === "stop") {
        setStatus({ phase: "stopped" });
        return;
      }
      if (decision === "retry-slower") failedAttempts = Math.max(failedAttempts, failedBefore);
      // A silent connection broke long ago, so the first retry comes at once.
      const isAtOnce = close.silent && failedAttempts === 0;
      const delay = reconnectDelayMs(failedAttempts, Math.random());
      failedAttempts += 1;
      if (isAtOnce) {
        connect();
        return;
      }
      setStatus({ phase: "waiting", retryAtMs: Date.now() + delay });
      retryTimer = setTimeout(connect, delay);
    };

    const retryNow = () => {
      if (retryTimer === undefined) return;
      clearTimeout(retryTimer);
      connect();
    };
    retry.current = retryNow;

    // Timers stop while the machine sleeps, and run late in a hidden page.
    const wake = () => {
      retryNow();
      if (Date.now() - heardAtMs >= SILENCE_MS) giveUp();
    };
    const wakeWhenSeen = () => {
      if (document.visibilityState === "visible") wake();
    };
    window.addEventListener("online", wake);
    document.addEventListener("visibilitychange", wakeWhenSeen);

    // The first attempt waits for the end of this task: an effect that is undone at once, as when a
    // user clicks through leases, then never opens a socket.
    retryTimer = setTimeout(connect, 0);

    return () => {
      isOver = true;
      clearTimeout(retryTimer);
      clearTimeout(silenceTimer);
      window.removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wakeWhenSeen);
      if (current.current !== null) closeQuietly(current.current);
      current.current = null;
    };
  }, [enabled]);

  const send = useCallback((text: string) => {
    const socket = current.current;
    if (socket?.readyState === WebSocket.OPEN) socket.send(text);
  }, []);
  const retryNow = useCallback(() => retry.current(), []);
  return { status, send, retryNow };
}

/** Browsers report an error if a socket is closed before it is open, so wait for that. */
function closeQuietly(socket: WebSocket): void {
  socket.onmessage = null;
  socket.onclose = null;
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}
