import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { useProvision } from "../hooks/useContainers";
import {
  ADVANCED_FIELDS,
  emptyFields,
  FIELD_ORDER,
  type FieldErrors,
  type FieldName,
  type ProvisionFields,
  parseMinutes,
  parseProvisionForm,
  placeFieldProblems,
} from "../lease/provisionForm";
import type { Verdict } from "../lease/rules";
import { counted } from "../lease/time";
import { egressPhrase } from "../lease/words";
import type { ApiError } from "../services/apiError";
import { imagesQuery } from "../services/containerApi";
import type { Catalogue, ProvisionRequest } from "../types/api";
import type { Container } from "../types/container";
import { ActionButton } from "./ActionButton";
import { Field } from "./Field";
import { ImagePicker } from "./ImagePicker";
import { ProblemNotice } from "./ProblemNotice";

const PRESET_MINUTES = [5, 15, 30, 60];

const AMOUNTS = [
  ["cpuMilli", "CPU (millicores)"],
  ["memoryMB", "Memory (MB)"],
  ["diskMB", "Disk (MB)"],
] as const;

interface Props {
  onLeased: (lease: Container) => void;
}

/** The form for a new lease: what to lease, and for how long. */
export function ProvisionForm({ onLeased }: Props) {
  const { data: catalogue, error, isFetching, refetch } = useQuery(imagesQuery());

  if (catalogue !== undefined && catalogue.images.length > 0) {
    return <CatalogueForm catalogue={catalogue} onLeased={onLeased} />;
  }
  if (catalogue !== undefined) {
    return (
      <div className="empty">
        <p className="empty-title">Nothing to lease</p>
        <p>The server offers no images. Add one to its catalogue, then reload this page.</p>
      </div>
    );
  }
  if (error !== null) {
    return (
      <ProblemNotice problem={error}>
        <p>Without the catalogue nothing can be leased.</p>
        <button type="button" className="button" onClick={() => refetch()} disabled={isFetching}>
          {isFetching ? "Trying…" : "Try again"}
        </button>
      </ProblemNotice>
    );
  }
  return (
    <div className="skeletons" role="status">
      <span className="visually-hidden">Loading the catalogue…</span>
      <div className="skeleton" />
      <div className="skeleton" data-size="small" />
      <div className="skeleton" data-size="small" />
    </div>
  );
}

function CatalogueForm({ catalogue, onLeased }: Props & { catalogue: Catalogue }) {
  const [fields, setFields] = useState(() => emptyFields(catalogue));
  // A field is checked after its first use, and all fields after a submit.
  const [checked, setChecked] = useState<ReadonlySet<FieldName>>(new Set());
  const [refusals, setRefusals] = useState<FieldErrors>({});
  const [isAdvancedOpen, setIsAdvancedOpen] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const idempotencyKeyFor = useIdempotencyKey();
  const provision = useProvision();

  const parsed = parseProvisionForm(fields, catalogue);
  const errorOf = (name: FieldName): string | undefined =>
    refusals[name] ?? (parsed.ok || !checked.has(name) ? undefined : parsed.errors[name]);

  const change = (changes: Partial<ProvisionFields>) => {
    const names = Object.keys(changes) as FieldName[];
    setFields((before) => ({ ...before, ...changes }));
    setChecked((before) => new Set([...before, ...names]));
    setRefusals((before) => withoutFields(before, names));
    provision.reset();
  };

  const showErrors = (errors: FieldErrors) => {
    const first = FIELD_ORDER.find((name) => errors[name] !== undefined);
    if (first === undefined) return;
    if (ADVANCED_FIELDS.includes(first)) setIsAdvancedOpen(true);
    // Errors are rendered first: only then can an advanced field take the focus.
    requestAnimationFrame(() =>
      form.current?.querySelector<HTMLElement>(`[name="${first}"]`)?.focus(),
    );
  };

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (provision.isPending) return;
    setChecked(new Set(FIELD_ORDER));
    if (!parsed.ok) {
      showErrors(parsed.errors);
      return;
    }
    const { request } = parsed;
    provision.mutate(
      { request, idempotencyKey: idempotencyKeyFor(request) },
      {
        onSuccess: (lease) => {
          // Keep the image and the minutes: a second lease is often like the first.
          setFields(({ imageType, durationMinutes }) => ({
            ...emptyFields(catalogue),
            imageType,
            durationMinutes,
          }));
          setChecked(new Set());
          setIsAdvancedOpen(false);
          idempotencyKeyFor(null);
          onLeased(lease);
        },
        onError: (problem) => {
          const { errors } = placeFieldProblems(problem.fields);
          setRefusals(errors);
          showErrors(errors);
        },
      },
    );
  };

  const image = catalogue.images.find(({ imageType }) => imageType === fields.imageType);
  const { minimum, maximum } = catalogue.durationMinutes;
  const changedAdvanced = ADVANCED_FIELDS.filter((name) => fields[name].trim() !== "").length;

  return (
    <form ref={form} className="provision" onSubmit={submit} noValidate aria-label="New lease">
      <ImagePicker
        images={catalogue.images}
        chosen={fields.imageType}
        error={errorOf("imageType")}
        onChoose={(imageType) => change({ imageType })}
      />
      <Field
        label="Minutes"
        hint={`A whole number from ${minimum} to ${maximum}.`}
        error={errorOf("durationMinutes")}
      >
        {(control) => (
          <div className="minutes">
            <input
              {...control}
              name="durationMinutes"
              className="minutes-input"
              inputMode="numeric"
              autoComplete="off"
              value={fields.durationMinutes}
              onChange={(event) => change({ durationMinutes: event.target.value })}
            />
            <fieldset className="button-group">
              <legend className="visually-hidden">Common times</legend>
              {PRESET_MINUTES.map((minutes) => (
                <ActionButton
                  key={minutes}
                  className="button"
                  verdict={presetVerdict(minutes, catalogue)}
                  aria-label={counted(minutes, "minute")}
                  aria-pressed={fields.durationMinutes.trim() === String(minutes)}
                  onClick={() => change({ durationMinutes: String(minutes) })}
                >
                  {minutes}
                </ActionButton>
              ))}
            </fieldset>
          </div>
        )}
      </Field>
      <Field label="Name (optional)" hint="To tell it apart in the list." error={errorOf("name")}>
        {(control) => (
          <input
            {...control}
            name="name"
            autoComplete="off"
            spellCheck={false}
            value={fields.name}
            onChange={(event) => change({ name: event.target.value })}
          />
        )}
      </Field>
      <details
        className="advanced"
        open={isAdvancedOpen}
        onToggle={(event) => setIsAdvancedOpen(event.currentTarget.open)}
      >
        <summary>
          Advanced
          <span className="hint">
            {changedAdvanced === 0
              ? "CPU, memory, disk, connections, command, environment"
              : `${changedAdvanced} set`}
          </span>
        </summary>
        <div className="advanced-fields">
          {AMOUNTS.map(([name, label]) => (
            <Field
              key={name}
              label={label}
              hint={image && `At most ${image[name].maximum}.`}
              error={errorOf(name)}
            >
              {(control) => (
                <input
                  {...control}
                  name={name}
                  inputMode="numeric"
                  autoComplete="off"
                  placeholder={image && String(image[name].default)}
                  value={fields[name]}
                  onChange={(event) => change({ [name]: event.target.value })}
                />
              )}
            </Field>
          ))}
          <Field
            label="Connections"
            hint="Where its programs may connect to. Its own ports always work."
            error={errorOf("egress")}
          >
            {(control) => (
              <select
                {...control}
                name="egress"
                value={image?.egress.includes(fields.egress) ? fields.egress : image?.egress[0]}
                onChange={(event) => change({ egress: event.target.value })}
              >
                {image?.egress.map((egress) => (
                  <option key={egress} value={egress}>
                    {egressPhrase(egress)}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field
            label="Command"
            hint="One argument per line; empty means the image’s own."
            error={errorOf("command")}
          >
            {(control) => (
              <textarea
                {...control}
                name="command"
                rows={3}
                spellCheck={false}
                placeholder={image?.command?.join("\n")}
                value={fields.command}
                onChange={(event) => change({ command: event.target.value })}
              />
            )}
          </Field>
          <Field label="Environment" hint="NAME=value, one per line." error={errorOf("env")}>
            {(control) => (
              <textarea
                {...control}
                name="env"
                rows={3}
                spellCheck={false}
                value={fields.env}
                onChange={(event) => change({ env: event.target.value })}
              />
            )}
          </Field>
        </div>
      </details>
      {provision.error !== null && <ProvisionProblem problem={provision.error} />}
      <button
        type="submit"
        className="button submit"
        data-kind="primary"
        aria-disabled={provision.isPending}
        title={provision.isPending ? "The container is being created." : undefined}
      >
        {provision.isPending ? "Leasing…" : submitLabel(fields, catalogue)}
      </button>
    </form>
  );
}

/** The notice does not repeat problems that are shown beside their fields. */
function ProvisionProblem({ problem }: { problem: ApiError }) {
  const { elsewhere } = placeFieldProblems(problem.fields);
  return (
    <ProblemNotice problem={problem}>
      {elsewhere.length === 0 ? undefined : (
        <ul>
          {elsewhere.map(({ field, detail }) => (
            <li key={field}>
              {field}: {detail}
            </li>
          ))}
        </ul>
      )}
    </ProblemNotice>
  );
}

function presetVerdict(minutes: number, catalogue: Catalogue): Verdict {
  const parsed = parseMinutes(String(minutes), catalogue.durationMinutes);
  return "error" in parsed ? { allowed: false, reason: parsed.error } : { allowed: true };
}

function submitLabel(fields: ProvisionFields, catalogue: Catalogue): string {
  const minutes = parseMinutes(fields.durationMinutes, catalogue.durationMinutes);
  return "error" in minutes
    ? `Lease ${fields.imageType}`
    : `Lease ${fields.imageType} for ${counted(minutes.value, "minute")}`;
}

function withoutFields(errors: FieldErrors, names: readonly FieldName[]): FieldErrors {
  return Object.fromEntries(
    Object.entries(errors).filter(([name]) => !names.includes(name as FieldName)),
  );
}

/**
 * One key per request while it is retried, so that pressing the button again after a lost answer
 * finds the first lease; `null` drops the key once an answer arrived.
 */
function useIdempotencyKey(): (request: ProvisionRequest | null) => string {
  const current = useRef<{ body: string; key: string } | null>(null);
  return (request) => {
    if (request === null) {
      current.current = null;
      return "";
    }
    const body = JSON.stringify(request);
    if (current.current?.body !== body) current.current = { body, key: randomKey() };
    return current.current.key;
  };
}

/** Unlike `crypto.randomUUID`, this also works on pages without TLS. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
