import { useEffect, useRef } from "react";

interface Props {
  label: string;
  busy: boolean;
  onDelete: () => void;
  onKeep: () => void;
}

/**
 * The second step of deleting. Focus is on the button that keeps the lease, so a double Enter
 * deletes nothing.
 */
export function DeleteConfirm({ label, busy, onDelete, onKeep }: Props) {
  const keep = useRef<HTMLButtonElement>(null);
  useEffect(() => keep.current?.focus(), []);

  return (
    <fieldset
      className="inline-form"
      data-tone="bad"
      onKeyDown={(event) => event.key === "Escape" && onKeep()}
    >
      <legend className="visually-hidden">Delete {label}</legend>
      <p>
        Delete <strong>{label}</strong> now? Its container and data are gone for good.
      </p>
      <button
        type="button"
        className="button"
        data-kind="danger"
        onClick={onDelete}
        disabled={busy}
      >
        {busy ? "Deleting…" : "Delete now"}
      </button>
      <button ref={keep} type="button" className="button" onClick={onKeep}>
        Keep
      </button>
    </fieldset>
  );
}
