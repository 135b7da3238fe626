import type { DefaultOptions } from "@tanstack/react-query";
import type { ApiError } from "./apiError";

declare module "@tanstack/react-query" {
  interface Register {
    /** All requests go through `containerApi`, which throws only this error. */
    defaultError: ApiError;
  }
}

export const queryDefaults: DefaultOptions = {
  queries: {
    // The server often runs on this very machine, which stays reachable without a network.
    networkMode: "always",
    // Everything is polled, so the next poll is the retry; one quick retry avoids a flicker.
    retry: (failures, error) => failures < 1 && error.isTransient,
    retryDelay: 500,
  },
  mutations: { networkMode: "always" },
};
