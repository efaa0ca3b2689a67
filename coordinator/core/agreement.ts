// Rule R2: what members must agree on (virtual router id, version, password, transport, and the holder's own identity)
// changes in an order in which no two sides are active with different values and the address does not leave its holder:
//
//   all keep ──nobody possibly active is out of reach──▶ backups hold ──all held──▶ holder leads ──MASTER──▶ backups join
//
// Stateless, like the whole rollout: which step comes next is read off what the members report to run.
import type { NodeId } from '../../shared/words.ts';
import { fnv1a } from './hash.ts';

export interface MemberRun {
  node: NodeId;
  /** Undefined: the member runs nothing of the group. */
  running: { agreement: string; state: string; paused: boolean } | undefined;
  /** What it is to agree to in the end. */
  target: string;
}

export type Transition = 'keep' | 'hold' | 'lead';

export interface AgreementStep {
  transition: Map<NodeId, Transition>;
  /** For whom the change waits. */
  waitsFor: NodeId[];
}

/**
 * @param members in reach
 * @param unled possibly active, and not to be led: not able to say what it runs, or leaving with the old values
 */
export function agreementStep(members: readonly MemberRun[], unled: readonly NodeId[]): AgreementStep {
  const nothing: AgreementStep = { transition: new Map(), waitsFor: [] };
  const old = members.filter(({ running, target }) => running !== undefined && running.agreement !== target);
  if (old.length === 0) return nothing;
  const holder = members.find(({ running }) => running?.state === 'MASTER');
  // The holder has changed: whoever has not can only follow.
  if (holder && !old.includes(holder)) return nothing;
  if (unled.length > 0) {
    // It still runs the old values. Changed under its eyes, it would take the address itself. Whoever starts anew goes on
    // with what it ran, too: among the others with new values it would be no backup. Where nobody holds and some
    // have changed already, it goes with those.
    const held = holder !== undefined && !unled.includes(holder.node);
    const halfway = !held && members.some(({ running, target }) => running?.agreement === target);
    const fresh = halfway ? [] : members.filter(({ running }) => running === undefined);
    return { transition: all([...old, ...fresh], 'keep'), waitsFor: [...unled] };
  }
  const others = members.filter(({ node, running }) => node !== holder?.node && running !== undefined);
  const active = others.filter(({ running, target }) => running?.agreement !== target || !running.paused);
  if (!holder) {
    // It may have been elected a moment ago, or never is: with a stranger on the VRID there is none. Whoever holds after
    // all is not held, and then is the holder that the change begins with.
    if (active.length === 0) return nothing;
    return { transition: all(others, 'hold'), waitsFor: active.map(({ node }) => node) };
  }
  if (active.length > 0) {
    return {
      transition: new Map([...all(others, 'hold'), [holder.node, 'keep']]),
      waitsFor: active.map(({ node }) => node),
    };
  }
  return { transition: new Map([...all(others, 'hold'), [holder.node, 'lead']]), waitsFor: [holder.node] };
}

const all = (members: readonly MemberRun[], transition: Transition): Map<NodeId, Transition> =>
  new Map(members.map(({ node }) => [node, transition]));

/** Eight hex digits: equal input, equal mark. Too short to give a password away. */
export function agreementMark(values: readonly unknown[]): string {
  return fnv1a(JSON.stringify(values)).toString(16).padStart(8, '0');
}
