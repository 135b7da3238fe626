const ESCAPE = String.fromCharCode(27);

const TERMINAL_CODES = new RegExp(
  `${ESCAPE}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${ESCAPE}\\u0007]*(?:\\u0007|${ESCAPE}\\\\)|[@-Z\\\\-_])`,
  "g",
);

/** Removes colours for a terminal, which a page would show as garbage. */
export function withoutEscapes(message: string): string {
  if (!message.includes(ESCAPE)) return message;
  return message.replace(TERMINAL_CODES, "");
}
