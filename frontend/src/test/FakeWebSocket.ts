import { act } from "@testing-library/react";
import { vi } from "vitest";

/** A WebSocket whose other end is the test. */
export class FakeWebSocket {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSED = 3;
  static opened: FakeWebSocket[] = [];

  static install(): void {
    FakeWebSocket.opened = [];
    vi.stubGlobal("WebSocket", FakeWebSocket);
  }

  static latest(): FakeWebSocket {
    const socket = FakeWebSocket.opened.at(-1);
    if (socket === undefined) throw new Error("no socket has been opened");
    return socket;
  }

  readonly url: URL;
  /** What the page has sent. */
  readonly sent: string[] = [];
  readyState = FakeWebSocket.CONNECTING;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor(url: string) {
    this.url = new URL(url);
    FakeWebSocket.opened.push(this);
  }

  close(): void {
    this.readyState = FakeWebSocket.CLOSED;
  }

  accept(): void {
    act(() => {
      this.readyState = FakeWebSocket.OPEN;
      this.onopen?.();
    });
  }

  send(text: string): void {
    this.sent.push(text);
  }

  /** Delivers one frame with these objects. */
  deliver(...values: unknown[]): void {
    act(() => this.onmessage?.({ data: values.map((value) => JSON.stringify(value)).join("\n") }));
  }

  /** Without a code, this looks like a lost connection or a refused upgrade. */
  drop(code = 1006): void {
    act(() => {
      this.readyState = FakeWebSocket.CLOSED;
      this.onclose?.({ code });
    });
  }
}
