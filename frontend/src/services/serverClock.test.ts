import { describe, expect, it } from "vitest";
import { offsetSample, ServerClock, settledOffset, withSample } from "./serverClock";

const T0 = Date.parse("2025-01-02T10:00:00.000Z");

describe("offsetSample", () => {
  it("is how far the server is ahead", () => {
    expect(offsetSample("2025-01-02T10:00:05.000Z", T0)).toBe(5_000);
    expect(offsetSample("2025-01-02T09:59:58.500Z", T0)).toBe(-1_500);
  });

  it("is nothing for a time that is none", () => {
    expect(offsetSample("soon", T0)).toBeNull();
  });
});

describe("withSample", () => {
  it("keeps only the latest samples", () => {
    let samples: readonly number[] = [];
    for (let index = 0; index < 20; index += 1) samples = withSample(samples, index);
    expect(samples).toEqual([12, 13, 14, 15, 16, 17, 18, 19]);
  });

  it("forgets the past when a clock was set", () => {
    expect(withSample([10, 20, 30], -60_000)).toEqual([-60_000]);
  });
});

describe("settledOffset", () => {
  it("believes the answer that travelled fastest", () => {
    expect(settledOffset([4_700, 4_990, 4_850])).toBe(4_990);
  });

  it("is zero before any answer", () => {
    expect(settledOffset([])).toBe(0);
  });
});

describe("ServerClock", () => {
  it("runs on by the client's clock with the server's offset", () => {
    let clientNow = T0;
    const clock = new ServerClock(() => clientNow);
    clock.observe("2025-01-02T10:01:30.000Z", T0);
    clientNow += 1_000;
    expect(clock.now()).toBe(T0 + 91_000);
  });
});
