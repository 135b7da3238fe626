import { describe, expect, it } from "vitest";
import { aCatalogue } from "../test/leases";
import {
  emptyFields,
  parseCommand,
  parseEnv,
  parseMinutes,
  parseProvisionForm,
  placeFieldProblems,
} from "./provisionForm";

const LIMITS = { minimum: 1, maximum: 240 };

describe("parseMinutes", () => {
  it.each([
    ["1", 1],
    [" 15 ", 15],
    ["240", 240],
    ["+5", 5],
  ])("takes “%s”", (text, minutes) => {
    expect(parseMinutes(text, LIMITS)).toEqual({ value: minutes });
  });

  it.each([
    ["", /say how many/i],
    ["soon", /not a number/],
    ["1e3", /not a number/],
    ["0x10", /not a number/],
    ["1.5", /whole minutes only/i],
    ["0", /at least 1 minute\./],
    ["-5", /at least 1 minute\./],
    ["241", /at most 240 minutes\./],
    ["99999999999999999999", /at most/],
  ])("answers “%s”", (text, message) => {
    expect(parseMinutes(text, LIMITS)).toEqual({ error: expect.stringMatching(message) });
  });
});

describe("parseEnv", () => {
  it("takes values as they are, with spaces and equals signs", () => {
    expect(parseEnv("# note\nA=1\n\nURL=http://x/?a=b \r\nEMPTY=")).toEqual({
      value: { A: "1", URL: "http://x/?a=b ", EMPTY: "" },
    });
  });

  it.each([
    ["A=1\nnope", /^Line 2 has no “=”/],
    ["1A=x", /^Line 1: a name/],
    ["=x", /^Line 1: a name/],
    ["A=1\nA=2", /^Line 2 names A a second time/],
  ])("answers %j", (text, message) => {
    expect(parseEnv(text)).toEqual({ error: expect.stringMatching(message) });
  });

  it("is not fooled by the names of an object's own parts", () => {
    expect(parseEnv("constructor=1")).toEqual({ value: { constructor: "1" } });
  });
});

describe("parseCommand", () => {
  it("takes one argument a line, spaces and all", () => {
    expect(parseCommand("sh\n-c\necho  hi; sleep 5\n\n")).toEqual([
      "sh",
      "-c",
      "echo  hi; sleep 5",
    ]);
  });
});

describe("parseProvisionForm", () => {
  const catalogue = aCatalogue();

  it("asks only for what was typed", () => {
    expect(parseProvisionForm(emptyFields(catalogue), catalogue)).toEqual({
      ok: true,
      request: { imageType: "redis", durationMinutes: 15 },
    });
  });

  it("asks for all that was typed", () => {
    const fields = {
      imageType: "ubuntu",
      durationMinutes: "30",
      name: " builder ",
      cpuMilli: "2000",
      memoryMB: "512",
      diskMB: "2048",
      egress: "none",
      command: "sleep\n60",
      env: "A=1",
    };
    expect(parseProvisionForm(fields, catalogue)).toEqual({
      ok: true,
      request: {
        imageType: "ubuntu",
        durationMinutes: 30,
        name: "builder",
        cpuMilli: 2000,
        memoryMB: 512,
        diskMB: 2048,
        egress: "none",
        command: ["sleep", "60"],
        env: { A: "1" },
      },
    });
  });

  it("names every field that is wrong", () => {
    const fields = {
      ...emptyFields(catalogue),
      imageType: "gone",
      durationMinutes: "0",
      cpuMilli: "half",
      memoryMB: "0",
      diskMB: "-1",
      env: "x",
    };
    const parsed = parseProvisionForm(fields, catalogue);
    expect(parsed.ok).toBe(false);
    expect(Object.keys(parsed.ok ? {} : parsed.errors)).toEqual([
      "imageType",
      "durationMinutes",
      "cpuMilli",
      "memoryMB",
      "diskMB",
      "env",
    ]);
  });

  it("holds each image type to its own maximum", () => {
    const fields = { ...emptyFields(catalogue), memoryMB: "1024" };
    expect(parseProvisionForm(fields, catalogue)).toMatchObject({ ok: false });
    expect(parseProvisionForm({ ...fields, imageType: "ubuntu" }, catalogue)).toMatchObject({
      ok: true,
    });
  });
});

describe("placeFieldProblems", () => {
  it("finds the field, also when the server points inside it", () => {
    const { errors, elsewhere } = placeFieldProblems([
      { field: "env.HOME", detail: "Reserved." },
      { field: "env.PATH", detail: "Reserved too." },
      { field: "command[0]", detail: "Empty." },
      { field: "/name", detail: "Too long." },
      { field: "labels", detail: "Too many." },
    ]);
    expect(errors).toEqual({
      env: "Reserved. Reserved too.",
      command: "Empty.",
      name: "Too long.",
    });
    expect(elsewhere).toEqual([{ field: "labels", detail: "Too many." }]);
  });
});
