/**
 * The server's time, derived from its answers. Countdowns follow this clock and never the
 * browser's, which may be minutes off unnoticed.
 */
export class ServerClock {
  #samples: readonly number[] = [];
  #offsetMs = 0;
  readonly #clientNow: () => number;

  constructor(clientNow: () => number = () => Date.now()) {
    this.#clientNow = clientNow;
  }

  /** Records a `serverTime` and the client's time at which the answer arrived. */
  observe(serverTime: string, receivedAtMs: number): void {
    const sample = offsetSample(serverTime, receivedAtMs);
    if (sample === null) return;
    this.#samples = withSample(this.#samples, sample);
    this.#offsetMs = settledOffset(this.#samples);
  }

  /** Milliseconds since 1970, by the server's clock. */
  now(): number {
    return this.#clientNow() + this.#offsetMs;
  }
}

export const serverClock = new ServerClock();

const SAMPLES_KEPT = 8;
const CLOCK_STEP_MS = 2_000;

/** How far the server's clock is ahead of the client's, or null for an invalid time. */
export function offsetSample(serverTime: string, receivedAtMs: number): number | null {
  const serverMs = Date.parse(serverTime);
  return Number.isNaN(serverMs) ? null : serverMs - receivedAtMs;
}

/**
 * Keeps the latest samples. A sample that jumps means that a clock was set or the machine slept;
 * earlier samples are then worthless.
 */
export function withSample(samples: readonly number[], sample: number): readonly number[] {
  const isStep = samples.length > 0 && Math.abs(sample - settledOffset(samples)) > CLOCK_STEP_MS;
  return isStep ? [sample] : [...samples, sample].slice(-SAMPLES_KEPT);
}

/**
 * An answer's travel time makes its sample too small by just that much, so the largest of a few
 * samples is the most accurate.
 */
export function settledOffset(samples: readonly number[]): number {
  return samples.length === 0 ? 0 : Math.max(...samples);
}
