import { STATE_WORDS } from "../lease/words";
import type { ContainerState } from "../types/container";

/** A lease's state in a word, with its meaning in the tooltip. */
export function StateBadge({ state }: { state: ContainerState }) {
  const { label, tone, meaning } = STATE_WORDS[state];
  return (
    <span className="badge" data-tone={tone} title={meaning}>
      {label}
    </span>
  );
}
