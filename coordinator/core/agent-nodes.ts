// Plan + reports → which nodes are to run an agent, and which are known to need none.
import type { NodeId } from '../../shared/words.ts';
import type { AgentRecords } from './agents.ts';
import type { Plan } from './plan.ts';

export interface AgentNodes {
  /** To run an agent: the members of all groups. */
  wanted: ReadonlySet<NodeId>;
  /** In contact, and running nothing of any group. One out of contact may still hold an address. */
  idle: ReadonlySet<NodeId>;
}

export function agentNodes({ groups }: Pick<Plan, 'groups'>, agents: AgentRecords): AgentNodes {
  const idle = [...agents].filter(
    ([, { connected, report }]) => connected && report !== undefined && report.instances.length === 0,
  );
  return {
    wanted: new Set(groups.flatMap(({ members }) => members.map(({ node }) => node))),
    idle: new Set(idle.map(([node]) => node)),
  };
}
