import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { parseMinutes } from "../lease/provisionForm";
import { endAfterRenewal } from "../lease/rules";
import { dayAndTime } from "../lease/time";
import { serverClock } from "../services/serverClock";
import type { Container } from "../types/container";

interface Props {
  lease: Container;
  limits: { minimum: number; maximum: number };
  busy: boolean;
  onRenew: (durationMinutes: number) => void;
  onCancel: () => void;
}

/** Asks for the lease's new duration, counted from now. */
export function RenewForm({ lease, limits, busy, onRenew, onCancel }: Props) {
  const [minutes, setMinutes] = useState("");
  const [error, setError] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();

  useEffect(() => input.current?.focus(), []);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const parsed = parseMinutes(minutes, limits);
    if ("error" in parsed) {
      setError(parsed.error);
      return;
    }
    const now = serverClock.now();
    const endMs = Date.parse(lease.expiryTime);
    if (endAfterRenewal(lease, parsed.value, now) <= endMs) {
      setError(`It already ends later, at ${dayAndTime(endMs, now)}. A renewal never shortens it.`);
      return;
    }
    onRenew(parsed.value);
  };

  return (
    <form className="inline-form" onSubmit={submit} noValidate>
      <label htmlFor={id}>Minutes from now</label>
      <input
        id={id}
        ref={input}
        className="minutes-input"
        inputMode="numeric"
        autoComplete="off"
        value={minutes}
        onChange={(event) => {
          setMinutes(event.target.value);
          setError(null);
        }}
        onKeyDown={(event) => event.key === "Escape" && onCancel()}
        aria-invalid={error !== null}
        aria-describedby={`${id}-hint`}
      />
      <button type="submit" className="button" data-kind="primary" disabled={busy}>
        {busy ? "Renewing…" : "Renew"}
      </button>
      <button type="button" className="button" onClick={onCancel}>
        Cancel
      </button>
      <p id={`${id}-hint`} className={error === null ? "hint" : "field-error"} aria-live="polite">
        {error ??
          `It can live until ${dayAndTime(Date.parse(lease.maximumExpiryTime), serverClock.now())} at most.`}
      </p>
    </form>
  );
}
