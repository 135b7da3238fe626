/** Shared by the browser tests: the browser, and steps that are printed and counted. */
import { chromium } from "playwright-core";

export const baseUrl = process.env.BASE_URL ?? "http://127.0.0.1:8080";

/** @type {string[]} What went wrong on the page, to be shown beside the step that failed. */
export const complaints = [];

let passed = 0;
let failed = 0;

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * Does the work, cleans up however it ended, and leaves the exit code.
 *
 * @param {() => Promise<void>} work
 * @param {() => Promise<void>} cleanUp
 */
export async function finish(work, cleanUp) {
  try {
    await work();
  } catch (error) {
    // The failed step was printed and counted; later steps depend on it.
    if (failed === 0) throw error;
  } finally {
    await cleanUp();
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/**
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function step(name, work) {
  const startedAt = Date.now();
  try {
    const result = await work();
    passed += 1;
    console.log(`ok   ${name} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
    return result;
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n     ${error instanceof Error ? error.message : error}`);
    for (const complaint of complaints) console.log(`     ${complaint}`);
    throw error;
  }
}

/** @returns {asserts truth} */
export function expect(/** @type {boolean} */ truth, /** @type {string} */ otherwise) {
  if (!truth) throw new Error(otherwise);
}
