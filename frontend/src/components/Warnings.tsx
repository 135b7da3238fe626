import { useQuery } from "@tanstack/react-query";
import { readinessQuery } from "../services/containerApi";

/** Problems of the machine, each with the command that fixes it. */
export function Warnings() {
  const { data } = useQuery(readinessQuery());
  return data?.warnings?.map(({ kind, detail, command }) => (
    <div key={kind} className="notice page-warning" data-tone="warn" role="note">
      <p>{detail}</p>
      <p>
        On that machine, <code>{command}</code> fixes it.
      </p>
    </div>
  ));
}
