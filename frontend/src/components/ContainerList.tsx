import { useQuery } from "@tanstack/react-query";
import { useContainers } from "../hooks/useContainers";
import { imagesQuery } from "../services/containerApi";
import type { Container } from "../types/container";
import { LeaseCard } from "./LeaseCard";
import { ProblemNotice } from "./ProblemNotice";

interface Props {
  selectedId: string | null;
  freshId: string | null;
  onSelect: (id: string) => void;
}

/** Until the catalogue is loaded, only the server checks a renewal. */
const OPEN_LIMITS = { minimum: 1, maximum: 24 * 60 };

/** The live leases, newest first. */
export function ContainerList({ selectedId, freshId, onSelect }: Props) {
  const { data, error, isPending, isFetching, refetch } = useContainers();
  const limits = useQuery(imagesQuery()).data?.durationMinutes ?? OPEN_LIMITS;

  if (isPending) return <ListSkeleton />;

  const retry = (
    <button type="button" className="button" onClick={() => refetch()} disabled={isFetching}>
      {isFetching ? "Trying…" : "Try again"}
    </button>
  );
  if (data === undefined) return <ProblemNotice problem={error}>{retry}</ProblemNotice>;

  const stale = error !== null && (
    <ProblemNotice problem={error} tone="warn">
      <p>What is shown may be out of date.</p>
      {retry}
    </ProblemNotice>
  );
  if (data.containers.length === 0) {
    return (
      <>
        {stale}
        <div className="empty">
          <p className="empty-title">Nothing is leased</p>
          <p>Choose an image and press “Lease”. The container appears here while it starts.</p>
        </div>
      </>
    );
  }
  return (
    <>
      {stale}
      <ul className="leases">
        {newestFirst(data.containers).map((lease) => (
          <LeaseCard
            key={lease.id}
            lease={lease}
            limits={limits}
            selected={lease.id === selectedId}
            fresh={lease.id === freshId}
            onSelect={onSelect}
          />
        ))}
      </ul>
    </>
  );
}

/** A stable order: polling never shuffles it, whatever order the table answers in. */
function newestFirst(containers: readonly Container[]): Container[] {
  return containers.toSorted(
    (left, right) =>
      Date.parse(right.createdAt) - Date.parse(left.createdAt) || (right.id < left.id ? -1 : 1),
  );
}

function ListSkeleton() {
  return (
    <div className="skeletons" role="status">
      <span className="visually-hidden">Loading the leases…</span>
      <div className="skeleton" />
      <div className="skeleton" />
    </div>
  );
}
