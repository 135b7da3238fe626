import { type ComponentProps, useId } from "react";
import type { Verdict } from "../lease/rules";

interface Props extends Omit<ComponentProps<"button">, "type" | "disabled"> {
  verdict?: Verdict;
}

/**
 * A button that says why it cannot be used. The keyboard can still reach it then, unlike a truly
 * disabled button, whose reason would be unreachable.
 */
export function ActionButton({ verdict, title, onClick, children, ...rest }: Props) {
  const reasonId = useId();
  if (verdict === undefined || verdict.allowed) {
    return (
      <button type="button" title={title} onClick={onClick} {...rest}>
        {children}
      </button>
    );
  }
  return (
    <>
      <button
        type="button"
        title={verdict.reason}
        {...rest}
        aria-disabled="true"
        aria-describedby={reasonId}
      >
        {children}
      </button>
      <span id={reasonId} hidden>
        {verdict.reason}
      </span>
    </>
  );
}
