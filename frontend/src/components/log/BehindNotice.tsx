import { counted } from "../../lease/time";

/**
 * Lies over the first lines in view, so nothing moves when it appears or disappears. Screen readers
 * hear once that the view is behind, not each number.
 */
export function BehindNotice({ lines, onSkip }: { lines: number; onSkip: () => void }) {
  const isBehind = lines > 0;
  return (
    <div className="log-behind" data-shown={isBehind}>
      <p role="status">
        {isBehind && (
          <>
            <span className="visually-hidden">The view is behind the container.</span>
            <span aria-hidden="true">{counted(lines, "line")} behind</span>
          </>
        )}
      </p>
      {isBehind && (
        <button
          type="button"
          className="button"
          title="Skip the lines not yet received and continue with new ones"
          onClick={onSkip}
        >
          Skip to now
        </button>
      )}
    </div>
  );
}
