import { useSyncExternalStore } from "react";
import { currentAnnouncement, subscribeToAnnouncements } from "../services/announcements";

/** The page's one live region, for events away from the reader's focus. */
export function Announcer() {
  const { text, count } = useSyncExternalStore(subscribeToAnnouncements, currentAnnouncement);
  return (
    <div className="visually-hidden" role="status" aria-live="polite">
      <span key={count}>{text}</span>
    </div>
  );
}
