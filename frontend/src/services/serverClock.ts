/**
 * The server's time, told from the answers it gives. Countdowns follow this clock and
 * never the browser's own, which may be minutes off without anybody having noticed.
 */
export class ServerClock {
  #samples: readonly number[] = [];
  #offsetMs = 0;
  readonly #clientNow: () => number;

  constructor(clientNow: () => number = () => Date.now()) {
    this.#clientNow = clientNow;
  }

  /** Takes in a `serverTime` and the client's time at which its answer arrived. */
  observe(serverTime: string, receivedAtMs: number): void {
    const sample = offsetSample(serverTime, receivedAtMs);
    if (sample === null) return;
    this.#samples = withSample(this.#samples, sample);
    this.#offsetMs = settledOffset(this.#samples);
  }

  /** Milliseconds since 1970, as the server counts them. */
  now(): number {
    return this.#clientNow() + this.#offsetMs;
  }
}

export const serverClock = new ServerClock();

const SAMPLES_KEPT = 8;
const CLOCK_STEP_MS = 2_000;

/** How far the server's clock is ahead of the client's, or null for a time that is none. */
export function offsetSample(serverTime: string, receivedAtMs: number): number | null {
  const serverMs = Date.parse(serverTime);
  return Number.isNaN(serverMs) ? null : serverMs - receivedAtMs;
}

/**
 * Keeps the latest samples. One that jumps means that a clock was set or the machine
 * slept, and then the samples from before say nothing any more.
 */
export function withSample(samples: readonly number[], sample: number): readonly number[] {
  const isStep = samples.length > 0 && Math.abs(sample - settledOffset(samples)) > CLOCK_STEP_MS;
  return isStep ? [sample] : [...samples, sample].slice(-SAMPLES_KEPT);
}

/**
 * The travel time of an answer makes its sample too small by just that much, so the
 * largest of a few samples is the nearest to the truth.
 */
export function settledOffset(samples: readonly number[]): number {
  return samples.length === 0 ? 0 : Math.max(...samples);
}
