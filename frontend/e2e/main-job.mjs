/**
 * The main job of the dashboard, in a real browser against a running server: lease, watch the log,
 * renew, delete, and see a lease end on time.
 *
 * | variable           | default               | meaning                                        |
 * |--------------------|-----------------------|------------------------------------------------|
 * | `BASE_URL`         | http://127.0.0.1:8080 | where the dashboard is served                  |
 * | `CHROMIUM`         | /usr/bin/chromium     | the browser to drive                           |
 * | `IMAGE_TYPE`       | redis                 | what to lease; it must write to its log        |
 * | `SCREENSHOT`       | none                  | file for a picture of 1280 × 860               |
 * | `SCREENSHOT_DARK`  | none                  | the same by night                              |
 * | `SCREENSHOT_PHONE` | none                  | file for a picture of a phone's width          |
 */
import { baseUrl, complaints, expect, finish, launch, step } from "./harness.mjs";

const imageType = process.env.IMAGE_TYPE ?? "redis";

const WIDE = { width: 1280, height: 860 };
const PHONE_WIDTHS = [390, 320];

/** @type {string[]} */
const leasedIds = [];

const browser = await launch();
const context = await browser.newContext({ viewport: WIDE, colorScheme: "light" });
const page = await context.newPage();
page.on("console", (message) => {
  if (message.type() === "error") complaints.push(`console: ${message.text()}`);
});
page.on("pageerror", (error) => complaints.push(`page: ${error.message}`));

await finish(mainJob, async () => {
  await deleteLeftovers();
  await browser.close();
});

async function mainJob() {
  await step("the page opens and shows the catalogue", async () => {
    await page.goto(baseUrl);
    await page.getByRole("heading", { name: "ContainerLease" }).waitFor();
    await imageCard(imageType).waitFor();
  });

  await step("the server is ready", async () => {
    await page.locator(".health[data-tone=good]").waitFor({ timeout: 15_000 });
  });

  for (const [typed, message] of [
    ["0", /at least/],
    ["1.5", /whole minutes only/i],
    ["100000000", /at most/],
    ["soon", /is not a number/],
    ["", /say how many minutes/i],
  ]) {
    await step(`“${typed}” minutes is answered in place`, async () => {
      const minutes = page.getByRole("textbox", { name: "Minutes" });
      await minutes.fill(String(typed));
      await page.locator(".field-error", { hasText: message }).waitFor({ timeout: 2_000 });
      await page.locator("button.submit").click();
      expect((await minutes.getAttribute("aria-invalid")) === "true", "the field is not marked");
      expect(await isFocused(minutes), "the field does not get the focus");
    });
  }

  const first = await step(`a ${imageType} is leased for 1 minute`, async () =>
    lease("session-cache", imageType, 1),
  );

  await step("it runs, has the focus and counts down from one minute", async () => {
    await card(first).and(page.locator("[data-state=running]")).waitFor({ timeout: 30_000 });
    const left = await secondsLeft(first);
    expect(left > 0 && left <= 60, `${left} s are left of a minute`);
    await page.waitForTimeout(2_100);
    const later = await secondsLeft(first);
    expect(later < left && later >= left - 4, `the countdown went from ${left} to ${later}`);
  });

  await step("its live log shows a line", async () => {
    await card(first)
      .getByRole("button", { name: /^Logs of/ })
      .click();
    await page.locator(".log-status[data-phase=live]").waitFor({ timeout: 15_000 });
    await page.locator(".log-line").first().waitFor({ timeout: 30_000 });
    const text = await page.locator(".log-message").first().textContent();
    expect((text ?? "").length > 0, "the first line is empty");
  });

  await step("the log can be filtered, paused and cleared", async () => {
    const filter = page.getByRole("searchbox");
    await filter.fill("no line has these words");
    await page.getByText(/No line contains/).waitFor();
    await filter.fill("");
    await page.locator(".log-line").first().waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator(".log-status[data-phase=paused]").waitFor();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator(".log-status[data-phase=live]").waitFor();
  });

  const second = await step("a second lease is made for 5 minutes", async () => {
    const id = await lease("scratch-pad", imageType, 5);
    await card(id).and(page.locator("[data-state=running]")).waitFor({ timeout: 30_000 });
    return id;
  });

  await step("renewing it by 15 minutes moves its end", async () => {
    const before = await endOf(second);
    await card(second)
      .getByRole("button", { name: /^\+15 min/ })
      .click();
    await until(async () => (await endOf(second)) > before, 10_000, "its end has not moved");
    const gained = ((await endOf(second)) - before) / 60_000;
    expect(gained >= 14.9 && gained <= 16.1, `it gained ${gained} minutes`);
  });

  await step("deleting it asks first, and can be called off", async () => {
    await card(second)
      .getByRole("button", { name: /^Delete/ })
      .click();
    await card(second).getByRole("button", { name: "Keep" }).click();
    await card(second)
      .getByRole("button", { name: /^Delete/ })
      .waitFor();
  });

  await step("deleted, it is found in Recently ended with its receipt", async () => {
    await card(second)
      .getByRole("button", { name: /^Delete/ })
      .click();
    await card(second).getByRole("button", { name: "Delete now" }).click();
    await card(second).waitFor({ state: "detached", timeout: 30_000 });
    const entry = ended(second).and(page.locator("[data-reason=deleted]"));
    await entry.waitFor({ timeout: 15_000 });
    await entry.getByText(/Deleted at \d\d:\d\d:\d\d, gone .+ later/).waitFor({ timeout: 15_000 });
  });

  await step("no phone width makes the page scroll sideways", async () => {
    for (const width of PHONE_WIDTHS) {
      await page.setViewportSize({ width, height: 844 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(wide <= width, `at ${width} px the page is ${wide} px wide`);
    }
    if (process.env.SCREENSHOT_PHONE) {
      await page.setViewportSize({ width: 390, height: 844 });
      await page.screenshot({ path: process.env.SCREENSHOT_PHONE, fullPage: true });
    }
    await page.setViewportSize(WIDE);
  });

  if (process.env.SCREENSHOT || process.env.SCREENSHOT_DARK) {
    await step("its picture is taken", takePictures);
  }

  await step("the 1-minute lease ends by itself, with a receipt", async () => {
    await card(first).waitFor({ state: "detached", timeout: 90_000 });
    const entry = ended(first).and(page.locator("[data-reason=expired]"));
    await entry.waitFor({ timeout: 30_000 });
    const receipt = entry.getByText(/Expired at \d\d:\d\d:\d\d, removed .+ after its end/);
    await receipt.waitFor({ timeout: 30_000 });
    console.log(`     ${await receipt.textContent()}`);
  });

  await step("its log says that it has ended", async () => {
    await page.goto(`${baseUrl}/#log=${encodeURIComponent(first)}`);
    await page.reload();
    await page.locator(".log-status", { hasText: "Ended: expired" }).waitFor({ timeout: 15_000 });
    await ended(first).waitFor();
  });

  await step("the browser had nothing to complain about", async () => {
    expect(complaints.length === 0, complaints.join("\n     "));
  });
}

/** Leases through the form and returns the lease's id. */
async function lease(
  /** @type {string} */ name,
  /** @type {string} */ type,
  /** @type {number} */ minutes,
) {
  await imageCard(type).check();
  await page.getByRole("textbox", { name: "Minutes" }).fill(String(minutes));
  await page.getByRole("textbox", { name: /^Name/ }).fill(name);
  const answered = page.waitForResponse((answer) => answer.url().endsWith("/api/provision"));
  await page.locator("button.submit").click();
  const answer = await answered;
  const body = await answer.json();
  expect(answer.status() === 201, `the server answered ${answer.status()}: ${body.detail}`);
  leasedIds.push(body.id);
  await card(body.id).waitFor({ timeout: 15_000 });
  expect(await isFocused(card(body.id)), "the new lease does not get the focus");
  return String(body.id);
}

/** A third lease makes the picture livelier; the clean-up removes it. */
async function takePictures() {
  const others = await page
    .getByRole("radio")
    .evaluateAll((radios) => radios.map((radio) => /** @type {HTMLInputElement} */ (radio).value));
  const other = ["nginx", "ubuntu"].find((type) => others.includes(type)) ?? imageType;
  const id = await lease("landing-page", other, 30);
  await card(id).and(page.locator("[data-state=running]")).waitFor({ timeout: 30_000 });
  const [oldest] = leasedIds;
  if (oldest !== undefined) {
    await card(oldest)
      .getByRole("button", { name: /^Logs of/ })
      .click();
    await page.locator(".log-line").first().waitFor({ timeout: 15_000 });
  }
  await page.evaluate(() => {
    /** @type {HTMLElement} */ (document.activeElement)?.blur();
    window.scrollTo(0, 0);
  });
  await page.waitForTimeout(2_000);
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
  if (process.env.SCREENSHOT_DARK) {
    await page.emulateMedia({ colorScheme: "dark" });
    await page.waitForTimeout(500);
    await page.screenshot({ path: process.env.SCREENSHOT_DARK });
    await page.emulateMedia({ colorScheme: "light" });
  }
}

async function until(
  /** @type {() => Promise<boolean>} */ isTrue,
  /** @type {number} */ timeoutMs,
  /** @type {string} */ otherwise,
) {
  const deadline = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    expect(Date.now() < deadline, otherwise);
    await page.waitForTimeout(100);
  }
}

function imageCard(/** @type {string} */ type) {
  return page.locator(`input[name=imageType][value="${type}"]`);
}

function card(/** @type {string} */ id) {
  return page.locator(`.lease[data-lease="${id}"]`);
}

function ended(/** @type {string} */ id) {
  return page.locator(`.ended-lease[data-ended="${id}"]`);
}

async function endOf(/** @type {string} */ id) {
  return Date.parse((await card(id).locator("time").getAttribute("datetime")) ?? "");
}

async function secondsLeft(/** @type {string} */ id) {
  const shown = (await card(id).locator("time").textContent()) ?? "";
  return shown.split(":").reduce((total, part) => total * 60 + Number(part), 0);
}

async function isFocused(/** @type {import("playwright-core").Locator} */ locator) {
  // The focus moves with the next animation frame.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => done(null))));
  return locator.evaluate((element) => element === document.activeElement);
}

async function deleteLeftovers() {
  await page
    .evaluate(
      (ids) => Promise.all(ids.map((id) => fetch(`/api/containers/${id}`, { method: "DELETE" }))),
      leasedIds,
    )
    .catch(() => {});
}
