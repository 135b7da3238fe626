import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { type RenderResult, render } from "@testing-library/react";
import type { ReactNode } from "react";
import { queryDefaults } from "../services/queryDefaults";

/** Renders with a separate query client, set up as in the page but without retries. */
export function renderWithQueries(view: ReactNode): RenderResult & { client: QueryClient } {
  const client = new QueryClient({
    defaultOptions: { ...queryDefaults, queries: { ...queryDefaults.queries, retry: false } },
  });
  const result = render(<QueryClientProvider client={client}>{view}</QueryClientProvider>);
  return { ...result, client };
}
