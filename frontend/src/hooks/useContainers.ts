import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { containerApi, containerQuery, containersQuery, keys } from "../services/containerApi";
import type { ContainerPage, ProvisionRequest, Timed } from "../types/api";
import type { Container } from "../types/container";

/** The live leases, polled. */
export function useContainers() {
  return useQuery(containersQuery());
}

/** One lease by its id, live or ended. */
export function useContainer(id: string, enabled = true) {
  return useQuery({ ...containerQuery(id), enabled });
}

export function useProvision() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({
      request,
      idempotencyKey,
    }: {
      request: ProvisionRequest;
      idempotencyKey: string;
    }) => containerApi.provision(request, idempotencyKey),
    onSuccess: (lease) => putInList(client, lease),
  });
}

export function useRenew() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id, durationMinutes }: { id: string; durationMinutes: number }) =>
      containerApi.renew(id, durationMinutes),
    onSuccess: (lease) => putInList(client, lease),
    // A refusal means that the list is out of date, so refetch in both cases.
    onSettled: () => client.invalidateQueries({ queryKey: keys.containers }),
  });
}

export function useDelete() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ id }: { id: string }) => containerApi.delete(id),
    onSettled: () => client.invalidateQueries({ queryKey: keys.containers }),
  });
}

/** Shows a fresh answer at once. Cancels a pending list request, which may be older. */
async function putInList(client: QueryClient, lease: Timed<Container>): Promise<void> {
  await client.cancelQueries({ queryKey: keys.containers });
  client.setQueryData<Timed<ContainerPage>>(keys.containers, (page) => ({
    serverTime: lease.serverTime,
    containers: page?.containers.some(({ id }) => id === lease.id)
      ? page.containers.map((other) => (other.id === lease.id ? lease : other))
      : [lease, ...(page?.containers ?? [])],
    cursor: page?.cursor ?? null,
  }));
}
