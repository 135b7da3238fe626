import type { components } from "./__generated__/openapi";

type Schemas = components["schemas"];

/**
 * A lease as the server shows it. All times are RFC 3339, UTC, with milliseconds;
 * memory is in mebibytes and CPU in thousandths of a core.
 */
export type Container = Schemas["Container"];

export type ContainerState = Schemas["State"];

export type EndReason = Schemas["Reason"];

export type Port = Schemas["ContainerPort"];

/** What remains of a lease once its container is gone. */
export type Receipt = Schemas["Receipt"];
