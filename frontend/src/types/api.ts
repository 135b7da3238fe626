import type { components } from "./__generated__/openapi";
import type { EndReason, Receipt } from "./container";

type Schemas = components["schemas"];

/** Every answer with a countdown also carries the server's time. */
export type Timed<T> = T & Schemas["Timed"];

export type Catalogue = Schemas["Images"];

export type ImageType = Schemas["ImageView"];

export type Allowance = Schemas["Range"];

/** The server's catalogue names what can be leased; it may be newer than the page. */
export type ProvisionRequest = Omit<Schemas["Provision"], "imageType"> & { imageType: string };

export type ContainerPage = Schemas["Containers"];

export type DeleteAnswer = Schemas["Deleted"];

/** RFC 9457. A proxy between page and server may answer with its own `type`. */
export type ProblemDocument = Omit<Schemas["Problem"], "type"> & { type: string };

export type FieldProblem = Schemas["FieldFault"];

export type Readiness = Schemas["Readiness"];

export type PartHealth = Schemas["PartState"];

export type LogLevel = Schemas["LogLevel"];

export type LogStream = Schemas["LogStream"];

/** One line of a container's log. `cursor` is opaque: it means the place after this line. */
export interface LogEntry {
  timestamp: string;
  level: LogLevel;
  message: string;
  stream: LogStream;
  cursor: string | null;
  /** The line was longer than the limit for keeping or sending it. */
  truncated: boolean;
  /** Bytes that were not UTF-8 are shown as U+FFFD. */
  replaced: boolean;
}

/** The log's last message before the server closes it for good. */
export interface LogEnded {
  timestamp: string;
  message: string;
  reason: EndReason | null;
  receipt: Receipt | null;
}
