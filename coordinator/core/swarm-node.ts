// A node as Docker's API and `docker node inspect` show it → a node of the snapshot.
import * as v from 'valibot';
import { canonicalAddress, NodeId } from '../../shared/words.ts';
import type { SwarmNode } from './snapshot.ts';

export const SwarmLabels = v.optional(v.nullable(v.record(v.string(), v.string())), {});
const RawNode = v.object({
  ID: NodeId,
  Version: v.object({ Index: v.number() }),
  UpdatedAt: v.optional(v.string(), ''),
  Spec: v.object({
    Labels: SwarmLabels,
    Role: v.picklist(['manager', 'worker']),
    Availability: v.picklist(['active', 'pause', 'drain']),
  }),
  Description: v.optional(v.object({ Hostname: v.optional(v.string(), '') })),
  Status: v.object({ State: v.string(), Addr: v.optional(v.string(), '') }),
  ManagerStatus: v.nullish(
    v.object({ Leader: v.optional(v.boolean(), false), Addr: v.optional(v.string(), '') }),
  ),
});
type RawNode = v.InferOutput<typeof RawNode>;

/** The answer of `docker node inspect`, or of the API's list. @throws ValiError */
export const readNodes = (raw: unknown): SwarmNode[] => v.parse(v.array(RawNode), raw).map(swarmNode);

function swarmNode(raw: RawNode): SwarmNode {
  const states = ['ready', 'down', 'disconnected'] as const;
  const addresses = [
    raw.ManagerStatus?.Addr.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1'),
    raw.Status.Addr,
  ]
    .map((text) => canonicalAddress(text ?? ''))
    .filter((text) => text !== undefined && !['0.0.0.0', '::', '127.0.0.1', '::1'].includes(text));
  return {
    id: raw.ID,
    hostname: raw.Description?.Hostname || raw.ID,
    role: raw.Spec.Role,
    availability: raw.Spec.Availability,
    state: states.find((state) => state === raw.Status.State) ?? 'unknown',
    leader: raw.ManagerStatus?.Leader ?? false,
    addresses: [...new Set(addresses)].filter((text) => text !== undefined),
    labels: raw.Spec.Labels ?? {},
    updatedMs: Date.parse(raw.UpdatedAt) || 0,
  };
}
