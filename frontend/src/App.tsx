import { useState } from "react";
import { Announcer } from "./components/Announcer";
import { ContainerList } from "./components/ContainerList";
import { HealthBadge } from "./components/HealthBadge";
import { BrandMark } from "./components/icons";
import { LogViewer } from "./components/log/LogViewer";
import { ProvisionForm } from "./components/ProvisionForm";
import { RecentlyEnded } from "./components/RecentlyEnded";
import { Warnings } from "./components/Warnings";
import { useContainers } from "./hooks/useContainers";
import { useRecentlyEnded } from "./hooks/useRecentlyEnded";
import { useSelectedLease } from "./hooks/useSelectedLease";
import { leaseLabel } from "./lease/rules";
import { clockTime } from "./lease/time";
import { announce } from "./services/announcements";
import type { Container } from "./types/container";

export function App() {
  const containers = useContainers().data?.containers;
  const { ended, dismiss } = useRecentlyEnded(containers);
  const [selectedId, select] = useSelectedLease();
  const [freshId, setFreshId] = useState<string | null>(null);

  const welcome = (lease: Container) => {
    setFreshId(lease.id);
    select(lease.id);
    const end = clockTime(Date.parse(lease.expiryTime));
    announce(`Leased ${lease.imageType} as ${leaseLabel(lease)}. It ends at ${end}.`);
  };

  const openLog = (id: string) => {
    select(id);
    // On a narrow screen the log may be far below its lease.
    requestAnimationFrame(() =>
      document.getElementById("log")?.scrollIntoView({ block: "nearest" }),
    );
  };

  return (
    <>
      <header className="top">
        <div className="brand">
          <BrandMark />
          <h1>ContainerLease</h1>
          <p>Containers for a few minutes, gone to the second.</p>
        </div>
        <HealthBadge />
      </header>
      <Warnings />
      <main className="board">
        <section className="panel new-lease" aria-labelledby="new-title">
          <div className="panel-head">
            <h2 id="new-title">New lease</h2>
          </div>
          <ProvisionForm onLeased={welcome} />
        </section>
        <div className="current">
          <section aria-labelledby="leases-title">
            <div className="section-head">
              <h2 id="leases-title">Leases</h2>
              {containers !== undefined && containers.length > 0 && (
                <span className="count">{containers.length}</span>
              )}
            </div>
            <ContainerList selectedId={selectedId} freshId={freshId} onSelect={openLog} />
          </section>
          {selectedId !== null && (
            <LogViewer
              key={selectedId}
              id={selectedId}
              listed={containers?.find(({ id }) => id === selectedId)}
              onClose={() => select(null)}
            />
          )}
        </div>
        <RecentlyEnded ids={ended} onDismiss={dismiss} />
      </main>
      <Announcer />
    </>
  );
}
