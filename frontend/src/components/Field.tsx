import { type ReactNode, useId } from "react";

interface Props {
  label: string;
  hint?: string | undefined;
  error?: string | undefined;
  /** Renders the control with the attributes that tie it to its label, hint and error. */
  children: (control: {
    id: string;
    "aria-invalid": boolean;
    "aria-describedby": string;
  }) => ReactNode;
}

/** A labelled control whose error replaces its hint. */
export function Field({ label, hint, error, children }: Props) {
  const id = useId();
  const noteId = `${id}-note`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-invalid": error !== undefined, "aria-describedby": noteId })}
      <p id={noteId} className={error === undefined ? "hint" : "field-error"} aria-live="polite">
        {error ?? hint}
      </p>
    </div>
  );
}
