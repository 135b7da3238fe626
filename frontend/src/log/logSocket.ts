import { LINES_KEPT } from "./logBuffer";

/** The close codes that the page does not treat as an interruption. */
export const CLOSE_CODES = { noLease: 4404, serverFault: 4500, outOfReach: 4503 } as const;

/**
 * The address of a lease's live log. With a cursor it resumes after that line; without one it
 * starts with as many of the last lines as the view keeps.
 */
export function logSocketUrl(id: string, cursor: string | null, pageUrl: string): string {
  const url = new URL(`/ws/logs/${encodeURIComponent(id)}`, pageUrl);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (cursor === null) url.searchParams.set("tail", String(LINES_KEPT));
  else url.searchParams.set("cursor", cursor);
  return url.href;
}

/**
 * The pause before the next attempt: doubles from half a second up to 15 s, and half of it is
 * random, so that a restarted server does not meet all its pages at once.
 */
export function reconnectDelayMs(failedAttempts: number, chance: number): number {
  const ceiling = Math.min(15_000, 500 * 2 ** Math.min(failedAttempts, 10));
  return Math.round(ceiling / 2 + (ceiling / 2) * chance);
}
