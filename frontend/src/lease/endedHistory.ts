/** The leases that this browser session has seen: live and ended. */
export interface LeaseHistory {
  live: readonly string[];
  ended: readonly string[];
}

export const ENDED_KEPT = 12;

const STORAGE_KEY = "containerlease.history";

/** Compares a fresh list with the one before: missing leases have ended, latest first. */
export function noteList(history: LeaseHistory, liveIds: readonly string[]): LeaseHistory {
  const live = new Set(liveIds);
  const gone = history.live.filter((id) => !live.has(id));
  const unchanged = gone.length === 0 && sameIds(history.live, liveIds);
  const endedBefore = history.ended.filter((id) => !live.has(id) && !gone.includes(id));
  if (unchanged && endedBefore.length === history.ended.length) return history;
  return { live: liveIds, ended: [...gone, ...endedBefore].slice(0, ENDED_KEPT) };
}

export function withoutEnded(history: LeaseHistory, ids: readonly string[]): LeaseHistory {
  return { ...history, ended: history.ended.filter((id) => !ids.includes(id)) };
}

export function loadHistory(storage: Pick<Storage, "getItem">): LeaseHistory {
  try {
    const stored: unknown = JSON.parse(storage.getItem(STORAGE_KEY) ?? "null");
    const { live, ended } = (stored ?? {}) as Partial<LeaseHistory>;
    return { live: idsIn(live), ended: idsIn(ended).slice(0, ENDED_KEPT) };
  } catch {
    return { live: [], ended: [] };
  }
}

export function saveHistory(storage: Pick<Storage, "setItem">, history: LeaseHistory): void {
  try {
    storage.setItem(STORAGE_KEY, JSON.stringify(history));
  } catch {
    // If the browser stores nothing, the list is lost at the next reload.
  }
}

function idsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((id) => typeof id === "string") : [];
}

function sameIds(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((id, index) => id === right[index]);
}
