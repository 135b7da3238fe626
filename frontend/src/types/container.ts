/**
 * A lease as the server shows it. All times are RFC 3339, UTC, with milliseconds;
 * memory is in mebibytes and CPU in thousandths of a core.
 */
export interface Container {
  id: string;
  imageType: string;
  name: string | null;
  image: string;
  /** True where the image is a small stand-in, because the real one cannot be pulled there. */
  standIn: boolean;
  state: ContainerState;
  createdAt: string;
  expiryTime: string;
  /** No renewal reaches past this moment. */
  maximumExpiryTime: string;
  startedAt: string | null;
  cpuMilli: number;
  memoryMB: number;
  ports: Port[];
  reason: EndReason | null;
  /** How many times its removal has been tried. */
  attempts: number;
  receipt: Receipt | null;
}

export type ContainerState = "provisioning" | "running" | "ending" | "quarantined" | "ended";

export type EndReason = "expired" | "deleted" | "failed" | "lost" | "orphaned" | "evicted";

export interface Port {
  containerPort: number;
  protocol: string;
  scheme: string | null;
  host: string;
  hostPort: number;
  /** A whole address such as `redis://127.0.0.1:32768`, where the scheme is known. */
  url: string | null;
}

/** What is left of a lease once its container is gone. */
export interface Receipt {
  reason: EndReason;
  requestedAt: string;
  stoppedAt: string | null;
  removedAt: string | null;
  attempts: number;
  /** From the lease's end to the container being gone; null where there was no end to miss. */
  overshootMs: number | null;
  exitCode: number | null;
  /** The end of its log, where its program ended by itself. */
  lastLines?: string[];
}
