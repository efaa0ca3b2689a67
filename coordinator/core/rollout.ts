// Plan → the next safe step, per node. Stateless: what has been reached is read off the agents' reports, so a new
// active coordinator goes on where the old one stopped. Rules (R1 to R5):
//   R2  what members must agree on changes in order (agreement.ts);
//   R1  a joiner is told that silence proves absence only when every member in reach lists it as peer, and that an advert
//       proves nothing while a member that runs the group, in reach or not, does not: keepalived hears its peers alone;
//   R3  a member that leaves stays on everybody's peer list until it reports that it stopped;
//   R4  peer lists hold every member that may be active, in reach or not;
//   R5  priorities change in an order that inverts nothing on the way.

import type { AssignedInstance, Peer } from '../../shared/protocol.ts';
import type { NodeId, Vrid } from '../../shared/words.ts';
import { type AgreementStep, agreementStep, type Transition } from './agreement.ts';
import { hasWeights } from './checks-weight.ts';
import type { Group } from './groups.ts';
import { instanceBasis, instanceOptions } from './groups-options.ts';
import { findHandOver, type HandOver } from './hand-over.ts';
import { lookingOn, runByHand } from './looking-on.ts';
import { inReach, isUnaware, listsAsPeer, possiblyActive, quietAtMs } from './peers.ts';
import { type Agents, type PlannedMember, runningInstance } from './plan.ts';
import { stepPriorities } from './priority.ts';
import { asAssigned } from './running.ts';
import { elsewhere, markOf, silenceOf, strangersTo } from './understanding.ts';

export interface RolloutInput {
  group: Group;
  vrid: Vrid;
  members: readonly PlannedMember[];
  agents: Agents;
  /** All nodes of the Swarm that may run something. `docker node rm` is the operator's word that a node is gone. */
  known: readonly NodeId[];
  nowMs: number;
}

/** A step that cannot be taken yet, for whom it waits, and why. */
export interface Waiting {
  node: NodeId;
  for: NodeId[];
  why: string;
}

export interface RolloutStep {
  instances: Map<NodeId, AssignedInstance>;
  waiting: Waiting[];
  handOver?: HandOver;
  /** When time alone may change it: Unix ms. */
  againMs?: number;
}

export function rollOut(input: RolloutInput): RolloutStep {
  const { group, vrid, members, agents } = input;
  const everyone = possiblyActive(input);
  const taking = members.filter(({ priority }) => priority !== undefined);
  const priorities = stepPriorities(
    new Map(taking.map(({ node, priority }) => [node, priority ?? 0])),
    new Map(
      taking.flatMap(({ node }) => {
        const running = inReach(agents, node) ? runningInstance(agents, node, group.name) : undefined;
        return running ? [[node, running.priority] as const] : [];
      }),
    ),
  );
  const byHand = runByHand(input);
  const floors = floorsOf(taking);
  const instances = new Map<NodeId, AssignedInstance>();
  const waiting: Waiting[] = [];
  const targets = new Map(
    taking.flatMap(({ node, attachment }) =>
      attachment && inReach(agents, node) ? [[node, markOf(group, vrid, attachment)] as const] : [],
    ),
  );
  const change = agreementChange(input, targets, everyone);
  if (change.waitsFor.length > 0) {
    const why = 'what all members agree on changes only while each is held back or heard';
    for (const node of change.transition.keys()) waiting.push({ node, for: change.waitsFor, why });
  }
  for (const { node, attachment, drain, leads } of taking) {
    const agreement = targets.get(node);
    if (agreement === undefined || !attachment) continue;
    const transition = change.transition.get(node);
    const peers = everyone.filter((peer) => peer.node !== node && peer.address !== attachment.source);
    const unconfirmed = peers
      .map((peer) => peer.node)
      .filter((peer) => inReach(agents, peer) && !listsAsPeer(agents, peer, attachment.source, input));
    const running = runningInstance(agents, node, group.name);
    const resumed = running?.pause === null;
    const unaware = peers
      .map((peer) => peer.node)
      .filter((peer) => isUnaware(input, peer, attachment.source));
    const strangers = strangersTo(transition === 'keep' ? (running ?? 'unknown') : 'target', input, peers);
    const lost = unaware.filter((peer) => !inReach(agents, peer));
    if (lost.length > 0 && !resumed) {
      // Cut off from the managers alone it may hold one day, and neither would ever hear the other; one that seems to be in
      // reach may be cut off already. Where nobody holds, such a one would: silence proves that there is none.
      waiting.push({ node, for: lost, why: 'they are out of reach and may not list it as peer' });
    }
    if (strangers.length > 0 && !resumed && !transition) {
      // As above; and they may be electing one right now, as long as the slowest of them takes.
      waiting.push({ node, for: strangers, why: 'they run other values of what all members agree on' });
    }
    if (byHand.length > 0 && !resumed) {
      const why = 'the keepalived run by hand there holds the addresses or may take them over; stop it';
      waiting.push({ node, for: byHand, why });
    }
    if (unconfirmed.length > 0 && !resumed) {
      waiting.push({
        node,
        for: unconfirmed,
        why: 'they do not list it as peer yet',
      });
    }
    instances.set(node, {
      ...instanceBasis(group, vrid, attachment),
      peers,
      priority: priorities.get(node) ?? 1,
      agreement,
      ...(group.password === undefined
        ? {}
        : { password: group.password as NonNullable<AssignedInstance['password']> }),
      ...instanceOptions(group, vrid, attachment),
      peersConfirmed: unconfirmed.length === 0 && byHand.length === 0,
      ...(unaware.length + strangers.length > 0 ? silenceOf(input, peers) : elsewhere(input, node)),
      ...floorOf(group, floors.get(node)),
      ...(drain ? { standAside: drain.force ? 'now' : 'relieved' } : {}),
      ...orderOf(drain, leads, transition),
      ...(transition ? { transition } : {}),
    });
  }
  for (const [node, instance] of leavingHolders(input, taking)) instances.set(node, instance);
  for (const member of members.filter(({ observe }) => observe)) {
    const instance = lookingOn(input, member, everyone);
    if (instance) instances.set(member.node, instance);
  }
  const handOver = findHandOver(input, instances);
  return {
    ...{ instances, waiting, ...(handOver ? { handOver } : {}) },
    ...quietNext(change.transition, everyone, agents),
  };
}

/**
 * A holder that leaves the group stands aside before it is told to stop: the address moves before it is given up.
 * Without another member that could take it, it just stops.
 */
function leavingHolders(
  { group, agents }: RolloutInput,
  taking: readonly PlannedMember[],
): Map<NodeId, AssignedInstance> {
  const stays = new Set(taking.map(({ node }) => node));
  const relieved = taking.some(({ node, drain }) => {
    const running = runningInstance(agents, node, group.name);
    return !drain && inReach(agents, node) && running?.state === 'BACKUP' && running.pause === null;
  });
  const leaving = new Map<NodeId, AssignedInstance>();
  if (!relieved) return leaving;
  for (const node of agents.keys()) {
    const running =
      stays.has(node) || !inReach(agents, node) ? undefined : runningInstance(agents, node, group.name);
    if (running?.state !== 'MASTER') continue;
    const order = 'leaves the group';
    leaving.set(node, {
      ...asAssigned(running),
      peersConfirmed: true,
      transition: 'keep',
      standAside: 'relieved',
      order,
    });
  }
  return leaving;
}

/** Failing weights push nobody below his rank from the lowest, so that members which fail alike keep their order (R5). */
function floorsOf(taking: readonly PlannedMember[]): Map<NodeId, number> {
  const upwards = [...taking].sort((a, b) => (a.priority ?? 0) - (b.priority ?? 0));
  return new Map(upwards.map(({ node }, rank) => [node, 2 + rank]));
}

/** Only where a weight can push. */
const floorOf = (group: Group, floor: number | undefined): { floor?: number } =>
  floor !== undefined && hasWeights(group) ? { floor } : {};

/** For the history of the node. */
function orderOf(
  drain: PlannedMember['drain'],
  leads: boolean,
  transition: Transition | undefined,
): { order?: string } {
  if (drain) return { order: drain.reason === '' ? 'drained' : `drained: ${drain.reason}` };
  if (transition === 'lead') return { order: 'changes first what all members agree on' };
  return leads ? { order: 'leads by switchover' } : {};
}

/** While somebody is held back: when the first one of all members will have been quiet for too long. */
function quietNext(
  transition: ReadonlyMap<NodeId, Transition>,
  everyone: readonly Peer[],
  agents: Agents,
): { againMs?: number } {
  if (![...transition.values()].includes('hold')) return {};
  const againMs = Math.min(...everyone.map(({ node }) => quietAtMs(agents, node)));
  return Number.isFinite(againMs) ? { againMs } : {};
}

function agreementChange(
  { group, agents, nowMs }: RolloutInput,
  targets: ReadonlyMap<NodeId, string>,
  everyone: readonly Peer[],
): AgreementStep {
  const members = [...targets].map(([node, target]) => {
    const running = runningInstance(agents, node, group.name);
    return {
      node,
      target,
      running: running && {
        agreement: running.agreement ?? target,
        state: running.state,
        // A failing check may pass at any moment: that is not held.
        paused: running.pause !== null && running.pause.reason !== 'check',
      },
    };
  });
  // Out of reach, or on its way out of the group: it runs the old values until it reports that it stopped. One that is
  // quiet may have lost its power: held back any longer, the others could not take over from it.
  const quiet = (node: NodeId) => nowMs >= quietAtMs(agents, node);
  const unled = everyone
    .map(({ node }) => node)
    .filter((node) => !inReach(agents, node) || quiet(node) || !targets.has(node));
  return agreementStep(members, unled);
}
