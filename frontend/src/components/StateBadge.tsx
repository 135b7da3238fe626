import { STATE_WORDS } from "../lease/words";
import type { ContainerState } from "../types/container";

/** The state of a lease in a word, with its meaning at hand. */
export function StateBadge({ state }: { state: ContainerState }) {
  const { label, tone, meaning } = STATE_WORDS[state];
  return (
    <span className="badge" data-tone={tone} title={meaning}>
      {label}
    </span>
  );
}
