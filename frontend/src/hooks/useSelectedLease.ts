import { useCallback, useSyncExternalStore } from "react";

const PREFIX = "#log=";

/**
 * The lease whose log is open. It is part of the address, so a reload or a shared link shows the
 * same log.
 */
export function useSelectedLease(): [string | null, (id: string | null) => void] {
  const selected = useSyncExternalStore(subscribe, selectedInAddress);
  const select = useCallback((id: string | null) => {
    const { pathname, search } = window.location;
    const hash = id === null ? "" : `${PREFIX}${encodeURIComponent(id)}`;
    window.history.replaceState(null, "", `${pathname}${search}${hash}`);
    // Replacing the address fires no event by itself.
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  }, []);
  return [selected, select];
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}

function selectedInAddress(): string | null {
  const { hash } = window.location;
  if (!hash.startsWith(PREFIX) || hash.length === PREFIX.length) return null;
  try {
    return decodeURIComponent(hash.slice(PREFIX.length));
  } catch {
    return null;
  }
}
