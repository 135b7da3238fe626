import { useEffect, useRef, useState } from "react";
import { useDelete, useRenew } from "../hooks/useContainers";
import {
  canDelete,
  canFollowLog,
  canRenew,
  endAfterRenewal,
  isAtLongest,
  leaseLabel,
  minutesForExtension,
  shortId,
  type Verdict,
} from "../lease/rules";
import { dayAndTime } from "../lease/time";
import { egressPhrase, formatCpu, formatMemory } from "../lease/words";
import { announce } from "../services/announcements";
import { serverClock } from "../services/serverClock";
import type { Container } from "../types/container";
import { ActionButton } from "./ActionButton";
import { DeleteConfirm } from "./DeleteConfirm";
import { ExpiryTimer } from "./ExpiryTimer";
import { LogIcon } from "./icons";
import { PortAddress } from "./PortAddress";
import { ProblemNotice } from "./ProblemNotice";
import { RenewForm } from "./RenewForm";
import { StateBadge } from "./StateBadge";

const EXTENSIONS_MINUTES = [15, 30];

export interface LeaseCardProps {
  lease: Container;
  limits: { minimum: number; maximum: number };
  selected: boolean;
  /** True for a lease just made here: it takes the focus. */
  fresh: boolean;
  onSelect: (id: string) => void;
}

type Step = "idle" | "renewing" | "deleting";

/** One lease: what it is, its time left, its addresses, and its actions. */
export function LeaseCard({ lease, limits, selected, fresh, onSelect }: LeaseCardProps) {
  const [step, setStep] = useState<Step>("idle");
  const renew = useRenew();
  const remove = useDelete();
  const card = useRef<HTMLLIElement>(null);
  const actions = useRef<HTMLDivElement>(null);
  const label = leaseLabel(lease);
  const titleId = `lease-${lease.id}`;

  useEffect(() => {
    if (!fresh) return;
    card.current?.focus({ preventScroll: true });
    card.current?.scrollIntoView?.({ block: "nearest" });
  }, [fresh]);

  const backToIdle = () => {
    setStep("idle");
    // The focused button is gone; keep the focus from falling to the page's top.
    requestAnimationFrame(() => {
      const opener = step === "deleting" ? ".action-delete" : ".action-renew";
      actions.current?.querySelector<HTMLElement>(opener)?.focus();
    });
  };

  const renewFor = (durationMinutes: number) => {
    renew.mutate(
      { id: lease.id, durationMinutes },
      {
        onSuccess: (renewed) => {
          announce(
            `${label} now ends at ${dayAndTime(Date.parse(renewed.expiryTime), serverClock.now())}.`,
          );
          if (step === "renewing") backToIdle();
        },
      },
    );
  };

  const removeNow = () => {
    remove.mutate(
      { id: lease.id },
      {
        onSuccess: () => {
          announce(`${label} is being removed.`);
          setStep("idle");
        },
      },
    );
  };

  const problem = renew.error ?? remove.error;
  const shownStep = stepStillPossible(step, lease) ? step : "idle";

  return (
    <li
      ref={card}
      className="lease"
      data-lease={lease.id}
      data-state={lease.state}
      data-selected={selected}
      data-fresh={fresh}
      tabIndex={-1}
      aria-labelledby={titleId}
    >
      <div className="lease-head">
        <div className="lease-title">
          <h3 id={titleId}>{label}</h3>
          <span className="lease-type" title={lease.image ?? undefined}>
            {lease.imageType}
          </span>
          <StateBadge state={lease.state} />
          {lease.standIn && lease.image !== null && <StandInMarker image={lease.image} />}
        </div>
        <p className="lease-facts">
          {lease.name !== null && <span title={lease.id}>{shortId(lease.id)}</span>}
          <span>{formatCpu(lease.cpuMilli)}</span>
          <span>{formatMemory(lease.memoryMB)}</span>
          {lease.diskMB !== null && <span>{`${formatMemory(lease.diskMB)} disk`}</span>}
          {lease.egress !== "open" && (
            <span title="Where its programs may connect to. Its published ports always work.">
              {lease.egress === "none" ? "no way out" : `connects ${egressPhrase(lease.egress)}`}
            </span>
          )}
          {lease.state === "running" && isAtLongest(lease) && <span>at its longest lifetime</span>}
        </p>
      </div>
      <ExpiryTimer lease={lease} />
      {lease.ports.length > 0 && (
        <ul className="ports" aria-label={`Addresses of ${label}`}>
          {lease.ports.map((port) => (
            <PortAddress key={`${port.containerPort}/${port.protocol}`} port={port} />
          ))}
        </ul>
      )}
      {lease.state === "quarantined" && (
        <p className="lease-note">
          Its container could not be removed in {lease.attempts} attempts. It is tried again until
          it is gone; delete it to try at once.
        </p>
      )}
      <div className="lease-actions" ref={actions}>
        {shownStep === "idle" && (
          <IdleActions
            lease={lease}
            limits={limits}
            selected={selected}
            busy={renew.isPending}
            onSelect={() => onSelect(lease.id)}
            onRenew={renewFor}
            onChooseRenewal={() => setStep("renewing")}
            onDelete={() => setStep("deleting")}
          />
        )}
        {shownStep === "renewing" && (
          <RenewForm
            lease={lease}
            limits={limits}
            busy={renew.isPending}
            onRenew={renewFor}
            onCancel={backToIdle}
          />
        )}
        {shownStep === "deleting" && (
          <DeleteConfirm
            label={label}
            busy={remove.isPending}
            onDelete={removeNow}
            onKeep={backToIdle}
          />
        )}
      </div>
      {problem !== null && (
        <ProblemNotice problem={problem}>
          <button
            type="button"
            className="button"
            onClick={() => {
              renew.reset();
              remove.reset();
            }}
          >
            Dismiss
          </button>
        </ProblemNotice>
      )}
    </li>
  );
}

/** A lease may end while a question about it is open; the question then closes. */
function stepStillPossible(step: Step, lease: Container): boolean {
  if (step === "renewing") return lease.state === "running";
  return step === "idle" || canDelete(lease).allowed;
}

interface IdleActionsProps {
  lease: Container;
  limits: { maximum: number };
  selected: boolean;
  busy: boolean;
  onSelect: () => void;
  onRenew: (durationMinutes: number) => void;
  onChooseRenewal: () => void;
  onDelete: () => void;
}

function IdleActions({
  lease,
  limits,
  selected,
  busy,
  onSelect,
  onRenew,
  onChooseRenewal,
  onDelete,
}: IdleActionsProps) {
  const label = leaseLabel(lease);
  const renewal: Verdict = busy
    ? { allowed: false, reason: "The renewal is under way." }
    : canRenew(lease, serverClock.now());
  return (
    <>
      <ActionButton
        className="button"
        aria-current={selected}
        aria-label={`Logs of ${label}`}
        title={canFollowLog(lease).allowed ? "Show its live log" : "Its log opens once it runs"}
        onClick={onSelect}
      >
        <LogIcon /> Logs
      </ActionButton>
      <fieldset className="button-group">
        <legend className="visually-hidden">Renew {label}</legend>
        {EXTENSIONS_MINUTES.map((extra) => (
          <ActionButton
            key={extra}
            className="button"
            verdict={renewal}
            title={extensionTitle(lease, extra, limits.maximum)}
            aria-label={`+${extra} min for ${label}`}
            onClick={() =>
              onRenew(minutesForExtension(lease, extra, limits.maximum, serverClock.now()))
            }
          >
            +{extra}
            <span className="wide-only">min</span>
          </ActionButton>
        ))}
        <ActionButton
          className="button action-renew"
          verdict={renewal}
          title="Choose how long it lives from now on"
          aria-label={`Other time for ${label}`}
          onClick={onChooseRenewal}
        >
          Other…
        </ActionButton>
      </fieldset>
      <ActionButton
        className="button action-delete"
        data-kind="quiet-danger"
        verdict={canDelete(lease)}
        aria-label={`Delete ${label}`}
        onClick={onDelete}
      >
        Delete
      </ActionButton>
    </>
  );
}

/** Near the longest lifetime a renewal adds less than the button says; the tooltip says so. */
function extensionTitle(lease: Container, extraMinutes: number, maximumMinutes: number): string {
  const now = serverClock.now();
  const asked = minutesForExtension(lease, extraMinutes, maximumMinutes, now);
  const endMs = endAfterRenewal(lease, asked, now);
  const isCapped = endMs >= Date.parse(lease.maximumExpiryTime);
  return isCapped
    ? `Ends at ${dayAndTime(endMs, now)} then, its longest lifetime`
    : `Ends at about ${dayAndTime(endMs, now)} then`;
}

function StandInMarker({ image }: { image: string }) {
  return (
    <span
      className="stand-in"
      title={`The real image cannot be pulled here. ${image} is a small stand-in that serves the same protocol, for trying things out.`}
    >
      stand-in
    </span>
  );
}
