import type { Allowance, Catalogue, FieldProblem, ImageType, ProvisionRequest } from "../types/api";
import { counted } from "./time";

/** The form's fields as typed. */
export interface ProvisionFields {
  imageType: string;
  durationMinutes: string;
  name: string;
  cpuMilli: string;
  memoryMB: string;
  diskMB: string;
  /** One of the image type's choices; if empty or another type's, its first is used. */
  egress: string;
  command: string;
  env: string;
}

export type FieldName = keyof ProvisionFields;
export type FieldErrors = Partial<Record<FieldName, string>>;

export type ParsedForm =
  | { ok: true; request: ProvisionRequest }
  | { ok: false; errors: FieldErrors };

export const FIELD_ORDER: readonly FieldName[] = [
  "imageType",
  "durationMinutes",
  "name",
  "cpuMilli",
  "memoryMB",
  "diskMB",
  "egress",
  "command",
  "env",
];

export const ADVANCED_FIELDS: readonly FieldName[] = [
  "cpuMilli",
  "memoryMB",
  "diskMB",
  "egress",
  "command",
  "env",
];

export function emptyFields(catalogue: Catalogue): ProvisionFields {
  return {
    imageType: catalogue.images[0]?.imageType ?? "",
    durationMinutes: String(catalogue.durationMinutes.default),
    name: "",
    cpuMilli: "",
    memoryMB: "",
    diskMB: "",
    egress: "",
    command: "",
    env: "",
  };
}

/** Parses the fields into a request, or says for each invalid field what to change. */
export function parseProvisionForm(fields: ProvisionFields, catalogue: Catalogue): ParsedForm {
  const image = catalogue.images.find((candidate) => candidate.imageType === fields.imageType);
  const duration = parseMinutes(fields.durationMinutes, catalogue.durationMinutes);
  const cpu = parseAllowance(fields.cpuMilli, image?.cpuMilli, "millicores");
  const memory = parseAllowance(fields.memoryMB, image?.memoryMB, "MB");
  const disk = parseAllowance(fields.diskMB, image?.diskMB, "MB");
  const env = parseEnv(fields.env);

  const errors: FieldErrors = {};
  if (image === undefined) errors.imageType = "Choose what to lease.";
  if ("error" in duration) errors.durationMinutes = duration.error;
  if ("error" in cpu) errors.cpuMilli = cpu.error;
  if ("error" in memory) errors.memoryMB = memory.error;
  if ("error" in disk) errors.diskMB = disk.error;
  if ("error" in env) errors.env = env.error;
  if (
    image === undefined ||
    "error" in duration ||
    "error" in cpu ||
    "error" in memory ||
    "error" in disk ||
    "error" in env
  ) {
    return { ok: false, errors };
  }

  const name = fields.name.trim();
  const command = parseCommand(fields.command);
  return {
    ok: true,
    request: {
      imageType: image.imageType,
      durationMinutes: duration.value,
      ...(name === "" ? {} : { name }),
      ...(command.length === 0 ? {} : { command }),
      ...(Object.keys(env.value).length === 0 ? {} : { env: env.value }),
      ...(cpu.value === null ? {} : { cpuMilli: cpu.value }),
      ...(memory.value === null ? {} : { memoryMB: memory.value }),
      ...(disk.value === null ? {} : { diskMB: disk.value }),
      ...(image.egress.includes(fields.egress) ? { egress: fields.egress } : {}),
    },
  };
}

type Parsed<T> = { value: T } | { error: string };

/** A whole number of minutes within the limits of the catalogue. */
export function parseMinutes(
  text: string,
  limits: { minimum: number; maximum: number },
): Parsed<number> {
  const range = `from ${limits.minimum} to ${limits.maximum}`;
  const typed = text.trim();
  if (typed === "") return { error: `Say how many minutes: a whole number ${range}.` };
  const minutes = Number(typed);
  if (!/^[+-]?\d*\.?\d+$/.test(typed) || !Number.isFinite(minutes)) {
    return { error: `“${typed}” is not a number of minutes. Use a whole number ${range}.` };
  }
  if (!Number.isInteger(minutes)) return { error: `Whole minutes only: use a number ${range}.` };
  if (minutes < limits.minimum) {
    return { error: `Too short: lease it for at least ${counted(limits.minimum, "minute")}.` };
  }
  if (minutes > limits.maximum) {
    return { error: `Too long: lease it for at most ${counted(limits.maximum, "minute")}.` };
  }
  return { value: minutes };
}

/** Empty means the image type's default, which the server knows best. */
function parseAllowance(
  text: string,
  allowance: Allowance | undefined,
  unit: string,
): Parsed<number | null> {
  const typed = text.trim();
  if (typed === "") return { value: null };
  if (!/^\d+$/.test(typed) || Number(typed) < 1) {
    return { error: `Use a whole number of ${unit}, or leave it empty for the default.` };
  }
  const amount = Number(typed);
  if (allowance !== undefined && amount > allowance.maximum) {
    return { error: `At most ${allowance.maximum} ${unit} for this image type.` };
  }
  return { value: amount };
}

/** One argument per line, so no quoting has to be explained. */
export function parseCommand(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const argument = line.replace(/\r$/, "");
    return argument.trim() === "" ? [] : [argument];
  });
}

/** `NAME=value`, one per line; empty lines and those that begin with # are skipped. */
export function parseEnv(text: string): Parsed<Record<string, string>> {
  const variables = new Map<string, string>();
  for (const [index, rawLine] of text.split("\n").entries()) {
    const line = rawLine.replace(/\r$/, "");
    if (line.trim() === "" || line.trimStart().startsWith("#")) continue;
    const where = `Line ${index + 1}`;
    const equals = line.indexOf("=");
    if (equals < 0) return { error: `${where} has no “=”: write NAME=value.` };
    const name = line.slice(0, equals).trim();
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      return { error: `${where}: a name has letters, digits and _, but no digit first.` };
    }
    if (variables.has(name)) return { error: `${where} names ${name} a second time.` };
    variables.set(name, line.slice(equals + 1));
  }
  return { value: Object.fromEntries(variables) };
}

/**
 * Assigns the server's field problems to the form's fields. A problem may point inside a field, as
 * in `env.HOME` or `command[2]`; those that match no field go to the notice.
 */
export function placeFieldProblems(problems: readonly FieldProblem[]): {
  errors: FieldErrors;
  elsewhere: FieldProblem[];
} {
  const errors: FieldErrors = {};
  const elsewhere: FieldProblem[] = [];
  for (const problem of problems) {
    const root = problem.field.replace(/^\//, "").split(/[.[/]/, 1)[0] ?? "";
    const field = FIELD_ORDER.find((candidate) => candidate === root);
    if (field === undefined) elsewhere.push(problem);
    else errors[field] = [errors[field], problem.detail].filter(Boolean).join(" ");
  }
  return { errors, elsewhere };
}

/** `6379/tcp`; for several ports `80/tcp, 443/tcp`. */
export function portsPhrase(image: Pick<ImageType, "ports">): string {
  if (image.ports.length === 0) return "no ports";
  return image.ports.map((port) => `${port.containerPort}/${port.protocol}`).join(", ");
}
