import type { Catalogue, Timed } from "../types/api";
import type { Container, Receipt } from "../types/container";

/** The time at which all tests take place. */
export const NOW = Date.parse("2025-01-02T10:00:00.000Z");

export function at(offsetMs: number): string {
  return new Date(NOW + offsetMs).toISOString();
}

const MINUTE = 60_000;

/** A running redis, five of its fifteen minutes gone. */
export function aLease(changes: Partial<Container> = {}): Container {
  return {
    id: "01KAAAAAAAAAAAAAAAAAAAAAAA",
    imageType: "redis",
    name: "session-cache",
    labels: {},
    image: "redis:7.4-alpine",
    standIn: false,
    state: "running",
    createdAt: at(-5 * MINUTE),
    expiryTime: at(10 * MINUTE),
    maximumExpiryTime: at(235 * MINUTE),
    startedAt: at(-5 * MINUTE + 900),
    cpuMilli: 250,
    memoryMB: 128,
    diskMB: 1024,
    egress: "open",
    ports: [
      {
        containerPort: 6379,
        protocol: "tcp",
        scheme: "redis",
        host: "127.0.0.1",
        hostPort: 32768,
        url: "redis://127.0.0.1:32768",
      },
    ],
    reason: null,
    attempts: 0,
    receipt: null,
    ...changes,
  };
}

export function aReceipt(changes: Partial<Receipt> = {}): Receipt {
  return {
    reason: "expired",
    requestedAt: at(0),
    stoppedAt: at(200),
    removedAt: at(312),
    attempts: 1,
    overshootMs: 312,
    exitCode: 0,
    ...changes,
  };
}

export function anEndedLease(changes: Partial<Container> = {}): Container {
  return aLease({
    state: "ended",
    expiryTime: at(0),
    reason: "expired",
    receipt: aReceipt(),
    ...changes,
  });
}

export function aCatalogue(): Timed<Catalogue> {
  return {
    images: [
      {
        imageType: "redis",
        description: "In-memory data store.",
        image: "redis:7.4-alpine",
        command: null,
        ports: [{ containerPort: 6379, protocol: "tcp", scheme: "redis" }],
        cpuMilli: { default: 250, maximum: 1000 },
        memoryMB: { default: 128, maximum: 512 },
        diskMB: { default: 1024, maximum: 10240 },
        egress: ["open", "none"],
        presets: [{ name: "small", cpuMilli: 100, memoryMB: 64 }],
      },
      {
        imageType: "ubuntu",
        description: "A bare userland.",
        image: "ubuntu:24.04",
        command: ["sleep", "infinity"],
        ports: [],
        cpuMilli: { default: 500, maximum: 2000 },
        memoryMB: { default: 256, maximum: 2048 },
        diskMB: { default: 1024, maximum: 10240 },
        egress: ["open", "none"],
        presets: [],
      },
    ],
    durationMinutes: { default: 15, minimum: 1, maximum: 240 },
    serverTime: at(0),
  };
}
