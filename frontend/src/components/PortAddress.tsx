import { useEffect, useRef, useState } from "react";
import { announce } from "../services/announcements";
import type { Port } from "../types/container";
import { CheckIcon, CopyIcon, OpenIcon } from "./icons";

/** The address of a container's port: to copy and, for web addresses, to open. */
export function PortAddress({ port }: { port: Port }) {
  const address = port.url ?? `${port.host}:${port.hostPort}`;
  const { copied, copy, textRef } = useCopy(address);
  return (
    <li className="port">
      <button
        type="button"
        className="port-copy"
        onClick={copy}
        title={`Copy ${address}`}
        aria-label={`Copy the address ${address}`}
      >
        <code ref={textRef}>{address}</code>
        {copied ? <CheckIcon /> : <CopyIcon />}
      </button>
      {opensInBrowser(port.url) && (
        <a
          className="port-open"
          href={port.url}
          target="_blank"
          rel="noopener noreferrer"
          title={`Open ${port.url} in a new tab`}
          aria-label={`Open ${port.url} in a new tab`}
        >
          <OpenIcon />
        </a>
      )}
      <span className="port-inside" title="The port inside the container">
        → {port.containerPort}/{port.protocol}
      </span>
    </li>
  );
}

/** Only web addresses become links, whatever the server says. */
export function opensInBrowser(url: string | null): url is string {
  if (url === null) return false;
  try {
    return ["http:", "https:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

function useCopy(text: string) {
  const [copied, setCopied] = useState(false);
  const textRef = useRef<HTMLElement>(null);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      announce(`Copied ${text}.`);
    } catch {
      // Pages without TLS cannot use the clipboard, so the text is selected for the keyboard.
      if (textRef.current !== null) window.getSelection()?.selectAllChildren(textRef.current);
      announce("The address is selected: copy it with the keyboard.");
    }
  };
  return { copied, copy, textRef };
}
