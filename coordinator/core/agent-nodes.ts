// Plan + reports → which nodes are to run an agent, and which are known to need none.
import type { NodeId } from '../../shared/words.ts';
import type { AgentRecords } from './agents.ts';
import type { Plan } from './plan.ts';

export interface AgentNodes {
  /** To run an agent: members that nothing keeps out. */
  wanted: ReadonlySet<NodeId>;
  /** In contact, and running nothing of any group. One out of contact may still hold an address. */
  idle: ReadonlySet<NodeId>;
}

export function agentNodes({ groups }: Pick<Plan, 'groups'>, agents: AgentRecords): AgentNodes {
  const members = groups.flatMap((planned) => planned.members);
  const idle = [...agents].filter(
    ([, { connected, report }]) => connected && report !== undefined && report.instances.length === 0,
  );
  return {
    wanted: new Set(members.filter(({ heldBack }) => heldBack === undefined).map(({ node }) => node)),
    idle: new Set(idle.map(([node]) => node)),
  };
}
