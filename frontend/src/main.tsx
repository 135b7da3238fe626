import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { ErrorBoundary } from "./components/ErrorBoundary";
import { queryDefaults } from "./services/queryDefaults";
import "./styles/index.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has lost its #root element");

createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <QueryClientProvider client={new QueryClient({ defaultOptions: queryDefaults })}>
        <App />
      </QueryClientProvider>
    </ErrorBoundary>
  </StrictMode>,
);
