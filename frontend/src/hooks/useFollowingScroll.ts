import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { LogRow } from "../log/logBuffer";

/** Number of rows rendered while following, and added each time the reader scrolls up. */
const WINDOW = 250;
const NEAR_EDGE_PX = 24;
const NEAR_TOP_PX = 600;

export interface FollowingScroll {
  /** The rendered part of the rows. */
  shown: readonly LogRow[];
  following: boolean;
  /** The number of new lines since the reader scrolled up. */
  unseen: number;
  jumpToLatest: () => void;
  onScroll: () => void;
}

/**
 * Keeps the end of a growing list in view until the reader scrolls up; then keeps the reader's
 * place. Rows carry their `seq` as `data-seq`, and the box is the positioned parent that they are
 * measured against.
 */
export function useFollowingScroll(
  box: RefObject<HTMLElement | null>,
  rows: readonly LogRow[],
  wrap: boolean,
): FollowingScroll {
  const [following, setFollowing] = useState(true);
  // While scrolled up, rendering starts at this row and no longer moves with the end.
  const [fromSeq, setFromSeq] = useState(0);
  const [leftAtSeq, setLeftAtSeq] = useState(0);
  const lastTop = useRef(0);
  const anchor = useRef<{ seq: string; offset: number } | null>(null);

  const lastSeq = rows.at(-1)?.seq ?? -1;
  const start = following ? Math.max(0, rows.length - WINDOW) : indexOfSeq(rows, fromSeq);
  const shown = start === 0 ? rows : rows.slice(start);

  const onScroll = useCallback(() => {
    const element = box.current;
    if (element === null) return;
    const { scrollTop, scrollHeight, clientHeight } = element;
    const isUpward = scrollTop < lastTop.current;
    lastTop.current = scrollTop;
    if (scrollHeight - scrollTop - clientHeight <= NEAR_EDGE_PX) {
      setFollowing(true);
      return;
    }
    anchor.current = firstVisibleRow(element);
    if (following && isUpward) {
      setFollowing(false);
      setFromSeq(rows[start]?.seq ?? 0);
      setLeftAtSeq(lastSeq);
    }
    if (!following && scrollTop < NEAR_TOP_PX && start > 0) {
      setFromSeq(rows[Math.max(0, start - WINDOW)]?.seq ?? 0);
    }
  }, [box, following, lastSeq, rows, start]);

  // Every render may have moved the end.
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || !following) return;
    element.scrollTop = element.scrollHeight;
    lastTop.current = element.scrollTop;
  });

  // Lines that appear, disappear or rewrap above the reader must not move the text in view.
  const firstSeq = shown[0]?.seq;
  // biome-ignore lint/correctness/useExhaustiveDependencies: these are what moves the rows
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || following || anchor.current === null) return;
    const { seq, offset } = anchor.current;
    const row = element.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
    if (row !== null) element.scrollTop = row.offsetTop - offset;
    lastTop.current = element.scrollTop;
  }, [box, following, firstSeq, wrap]);

  // A resized box or rewrapped rows move the end without any new line.
  useEffect(() => {
    const element = box.current;
    if (element === null || !following || typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(() => {
      element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [box, following]);

  const jumpToLatest = useCallback(() => setFollowing(true), []);
  const unseen = following ? 0 : Math.max(0, lastSeq - leftAtSeq);
  return { shown, following, unseen, jumpToLatest, onScroll };
}

/** The first row with this `seq` or a later one: filters and dropped lines leave gaps. */
function indexOfSeq(rows: readonly LogRow[], seq: number): number {
  const index = rows.findIndex((row) => row.seq >= seq);
  return index === -1 ? 0 : index;
}

function firstVisibleRow(box: HTMLElement): { seq: string; offset: number } | null {
  const rows = box.querySelectorAll<HTMLElement>("[data-seq]");
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows[middle];
    if (row === undefined) break;
    if (row.offsetTop + row.offsetHeight > box.scrollTop) high = middle;
    else low = middle + 1;
  }
  const row = rows[low];
  const seq = row?.dataset.seq;
  if (row === undefined || seq === undefined) return null;
  return { seq, offset: row.offsetTop - box.scrollTop };
}
