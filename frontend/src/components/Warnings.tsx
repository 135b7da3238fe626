import { useQuery } from "@tanstack/react-query";
import { readinessQuery } from "../services/containerApi";

/** What the operator ought to put right, each with the command that does. */
export function Warnings() {
  const { data } = useQuery(readinessQuery());
  return data?.warnings?.map(({ kind, detail, command }) => (
    <div key={kind} className="notice page-warning" data-tone="warn" role="note">
      <p>{detail}</p>
      <p>
        On that machine, <code>{command}</code> puts it right.
      </p>
    </div>
  ));
}
