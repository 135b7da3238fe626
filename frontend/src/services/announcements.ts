/** What assistive technology should say next; `count` tells two equal texts apart. */
export interface Announcement {
  text: string;
  count: number;
}

let current: Announcement = { text: "", count: 0 };
const listeners = new Set<() => void>();

/** Says something through the page's one live region, so that messages queue, not collide. */
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
