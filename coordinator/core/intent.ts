// What an operator has written in Swarm, and since when: from here on the clock runs until every agent runs it.
import type { Snapshot, SwarmNode } from './snapshot.ts';
import { ownServiceLabels } from './swarm-services.ts';

/** Older than this, what Swarm says of a change's time is not believed: its clock and ours differ. */
const believedMs = 60_000;

const byOperator = ([key]: [string, string]) => !ownServiceLabels.includes(key);

const ownLabels = ({ labels }: SwarmNode) =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => a.localeCompare(b)));

/**
 * Since when the newer snapshot says something else than the older one; undefined when an operator has changed nothing
 * in between.
 * @param ignored labels that are written by coordinators themselves
 */
export function changedSinceMs(
  before: Snapshot,
  after: Snapshot,
  ignored: readonly string[],
  nowMs: number,
): number | undefined {
  const without = (node: SwarmNode): SwarmNode => ({
    ...node,
    labels: Object.fromEntries(Object.entries(node.labels).filter(([key]) => !ignored.includes(key))),
  });
  const known = new Map(before.nodes.map((node) => [node.id, ownLabels(without(node))]));
  const relabelled = after.nodes.filter((node) => known.get(node.id) !== ownLabels(without(node)));
  const files = (snapshot: Snapshot) =>
    JSON.stringify([
      snapshot.configs?.map(({ id }) => id).sort(),
      snapshot.services.map(({ env }) => env),
      (snapshot.allServices ?? [])
        .map(({ labels = {}, constraints }) => ({
          said: Object.entries(labels).filter(byOperator),
          constraints,
        }))
        .filter(({ said }) => said.length > 0),
    ]);
  const removed = before.nodes.some(({ id }) => !after.nodes.some((node) => node.id === id));
  if (relabelled.length === 0 && !removed && files(before) === files(after)) return undefined;
  const times = relabelled
    .map(({ updatedMs = 0 }) => updatedMs)
    .filter((ms) => ms <= nowMs && ms >= nowMs - believedMs);
  return times.length > 0 ? Math.max(...times) : nowMs;
}
