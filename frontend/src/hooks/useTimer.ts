import { useEffect, useState } from "react";
import { untilNextSecond } from "../lease/time";
import { serverClock } from "../services/serverClock";

const serverNow = () => serverClock.now();

/**
 * The milliseconds left until a moment, updated at each whole second left. Uses the server's clock
 * unless another `now` is given.
 */
export function useTimer(targetMs: number, now: () => number = serverNow): number {
  const [nowMs, setNowMs] = useState(now);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const tick = () => {
      const current = now();
      setNowMs(current);
      timer = setTimeout(tick, untilNextSecond(targetMs - current));
    };
    tick();
    return () => clearTimeout(timer);
  }, [targetMs, now]);

  return targetMs - nowMs;
}
