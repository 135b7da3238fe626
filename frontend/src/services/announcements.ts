/** The next text for assistive technology; `count` tells two equal texts apart. */
export interface Announcement {
  text: string;
  count: number;
}

let current: Announcement = { text: "", count: 0 };
const listeners = new Set<() => void>();

/** Announces through the page's one live region, so messages queue instead of colliding. */
export function announce(text: string): void {
  current = { text, count: current.count + 1 };
  for (const listener of listeners) listener();
}

export function subscribeToAnnouncements(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function currentAnnouncement(): Announcement {
  return current;
}
