import type { Container, EndReason, Receipt } from "./container";

/** Every answer that holds a countdown says what time it is at the server. */
export type Timed<T> = T & { serverTime: string };

export interface Catalogue {
  images: ImageType[];
  durationMinutes: { default: number; minimum: number; maximum: number };
}

export interface ImageType {
  imageType: string;
  description: string;
  image: string;
  command: string[] | null;
  ports: { containerPort: number; protocol: string; scheme: string | null }[];
  cpuMilli: Allowance;
  memoryMB: Allowance;
}

export interface Allowance {
  default: number;
  maximum: number;
}

export interface ProvisionRequest {
  imageType: string;
  durationMinutes: number;
  name?: string;
  command?: string[];
  env?: Record<string, string>;
  cpuMilli?: number;
  memoryMB?: number;
}

export interface ContainerPage {
  containers: Container[];
}

export interface DeleteAnswer {
  success: true;
  state: Container["state"];
}

/** RFC 9457. `type` is stable, `detail` is a sentence that says what to do. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  detail: string;
  requestId: string;
  errors?: FieldProblem[];
}

export interface FieldProblem {
  field: string;
  detail: string;
}

export interface Readiness {
  status: "ready" | "unready";
  table: PartHealth;
  engine: PartHealth;
}

export interface PartHealth {
  state: "ok" | "error";
  detail?: string;
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

export type LogStream = "stdout" | "stderr";

/** One line of a container's log. `cursor` is opaque: it names the place after this line. */
export interface LogEntry {
  timestamp: string;
  level: LogLevel;
  message: string;
  stream: LogStream;
  cursor: string | null;
  /** The line was longer than is kept. */
  truncated: boolean;
  /** Bytes that were no UTF-8 stand as U+FFFD. */
  replaced: boolean;
}

/** The last thing a log says before the server closes it for good. */
export interface LogEnded {
  timestamp: string;
  message: string;
  reason: EndReason | null;
  receipt: Receipt | null;
}
