import react from "@vitejs/plugin-react";
import type { ProxyOptions } from "vite";
import { defineConfig } from "vitest/config";

// `npm run dev` serves the page itself and passes everything else to a running server: the local
// default, or the one in CONTAINERLEASE_SERVER.
const server = process.env.CONTAINERLEASE_SERVER ?? "http://127.0.0.1:8080";

const proxy: ProxyOptions = {
  target: server,
  // The server checks Host and Origin against its own address, so both are replaced.
  changeOrigin: true,
  headers: { origin: server },
  ws: true,
  rewriteWsOrigin: true,
};

export default defineConfig({
  plugins: [react()],
  server: {
    host: "127.0.0.1",
    proxy: Object.fromEntries(["/api", "/ws", "/healthz", "/readyz"].map((path) => [path, proxy])),
  },
  build: {
    target: "es2023",
    // No data: addresses, so the page runs under `default-src 'self'`.
    assetsInlineLimit: 0,
  },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/test/setup.ts"],
    restoreMocks: true,
    // Clock times are shown in the reader's time zone, and the tests need a fixed one.
    env: { TZ: "UTC" },
  },
});
