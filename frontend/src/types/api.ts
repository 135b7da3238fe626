import type { EndReason, Receipt } from "./container";
import type { components } from "./openapi";

type Schemas = components["schemas"];

/** Every answer that holds a countdown says what time it is at the server. */
export type Timed<T> = T & Schemas["Timed"];

export type Catalogue = Schemas["Images"];

export type ImageType = Schemas["ImageView"];

export type Allowance = Schemas["Range"];

/** The page leases what the server's catalogue names, which may be newer than the page. */
export type ProvisionRequest = Omit<Schemas["Provision"], "imageType"> & { imageType: string };

export type ContainerPage = Schemas["Containers"];

export type DeleteAnswer = Schemas["Deleted"];

/** RFC 9457. What stands between page and server may answer with a `type` of its own. */
export type ProblemDocument = Omit<Schemas["Problem"], "type"> & { type: string };

export type FieldProblem = Schemas["FieldFault"];

export type Readiness = Schemas["Readiness"];

export type PartHealth = Schemas["PartState"];

export type LogLevel = Schemas["LogLevel"];

export type LogStream = Schemas["LogStream"];

/** One line of a container's log. `cursor` is opaque: it names the place after this line. */
export interface LogEntry {
  timestamp: string;
  level: LogLevel;
  message: string;
  stream: LogStream;
  cursor: string | null;
  /** The line was longer than is kept, or than can be sent. */
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
