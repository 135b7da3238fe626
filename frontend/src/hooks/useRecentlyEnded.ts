import { useCallback, useEffect, useState } from "react";
import { loadHistory, noteList, saveHistory, withoutEnded } from "../lease/endedHistory";
import type { Container } from "../types/container";

/** The ids of the leases that left the list in this browser session, latest first. */
export function useRecentlyEnded(containers: readonly Container[] | undefined): {
  ended: readonly string[];
  dismiss: (ids: readonly string[]) => void;
} {
  const [history, setHistory] = useState(() => loadHistory(window.sessionStorage));

  useEffect(() => {
    if (containers === undefined) return;
    setHistory((before) =>
      noteList(
        before,
        containers.map(({ id }) => id),
      ),
    );
  }, [containers]);

  useEffect(() => saveHistory(window.sessionStorage, history), [history]);

  const dismiss = useCallback(
    (ids: readonly string[]) => setHistory((before) => withoutEnded(before, ids)),
    [],
  );
  return { ended: history.ended, dismiss };
}
