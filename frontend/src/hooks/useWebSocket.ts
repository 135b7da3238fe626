import { useCallback, useEffect, useEffectEvent, useRef, useState } from "react";
import { reconnectDelayMs } from "../services/logService";

export type SocketStatus =
  | { phase: "idle" }
  | { phase: "connecting" }
  | { phase: "open" }
  /** `retryAtMs` is on the clock of `Date.now`. */
  | { phase: "waiting"; retryAtMs: number }
  | { phase: "stopped" };

export interface SocketHandlers {
  /** Asked at every attempt, so that each one goes on where the last one broke off. */
  url: () => string;
  onText: (text: string) => void;
  /** Decides after a close; `opened` is false where the upgrade was refused. */
  afterClose: (close: { opened: boolean }) => Promise<"retry" | "stop">;
}

/** Keeps one WebSocket open while `enabled`, connecting again by itself when it breaks. */
export function useWebSocket(
  enabled: boolean,
  handlers: SocketHandlers,
): { status: SocketStatus; retryNow: () => void } {
  const [status, setStatus] = useState<SocketStatus>({ phase: "idle" });
  const retry = useRef<() => void>(() => {});

  const urlNow = useEffectEvent(() => handlers.url());
  const receive = useEffectEvent((text: string) => handlers.onText(text));
  const decide = useEffectEvent((close: { opened: boolean }) => handlers.afterClose(close));

  useEffect(() => {
    if (!enabled) {
      setStatus({ phase: "idle" });
      return;
    }
    let isOver = false;
    let failedAttempts = 0;
    let socket: WebSocket | null = null;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const connect = () => {
      timer = undefined;
      let opened = false;
      setStatus({ phase: "connecting" });
      socket = new WebSocket(urlNow());
      socket.onopen = () => {
        opened = true;
        setStatus({ phase: "open" });
      };
      socket.onmessage = ({ data }) => {
        if (typeof data !== "string") return;
        // Only something received proves the connection good: a server that accepts and
        // drops at once is still met with growing patience.
        failedAttempts = 0;
        receive(data);
      };
      socket.onclose = async () => {
        const decision = await decide({ opened });
        if (isOver) return;
        if (decision === "stop") {
          setStatus({ phase: "stopped" });
          return;
        }
        const delay = reconnectDelayMs(failedAttempts, Math.random());
        failedAttempts += 1;
        setStatus({ phase: "waiting", retryAtMs: Date.now() + delay });
        timer = setTimeout(connect, delay);
      };
    };

    const retryNow = () => {
      if (timer === undefined) return;
      clearTimeout(timer);
      connect();
    };
    retry.current = retryNow;
    window.addEventListener("online", retryNow);

    // The first attempt waits for the end of this task: an effect that is undone at once,
    // as when leases are clicked through, then never opens a socket.
    timer = setTimeout(connect, 0);

    return () => {
      isOver = true;
      clearTimeout(timer);
      window.removeEventListener("online", retryNow);
      if (socket !== null) closeQuietly(socket);
    };
  }, [enabled]);

  const retryNow = useCallback(() => retry.current(), []);
  return { status, retryNow };
}

/** Browsers report an error when a socket is closed before it has opened, so that waits. */
function closeQuietly(socket: WebSocket): void {
  socket.onmessage = null;
  socket.onclose = null;
  if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
  else socket.close();
}
