// Virtual router ids: unique among our groups, the operator's choice if there is one, and never moved by a restart:
// what agents already run is learnt back before anything new is allocated.
import type { Problem } from '../../shared/problem.ts';
import type { GroupName } from '../../shared/words.ts';
import type { Group } from './groups.ts';
import { fnv1a } from './hash.ts';

/** What the operator's contract means when nobody says otherwise; groups of a file have no such wish. */
const preferredVrid = 51;

export interface Vrids {
  byGroup: Map<GroupName, number>;
  problems: Problem[];
}

/**
 * @param groups in order of precedence
 * @param learnt ids that agents run now, by group
 */
export function allocateVrids(groups: readonly Group[], learnt: ReadonlyMap<string, number>): Vrids {
  const byGroup = new Map<GroupName, number>();
  const problems: Problem[] = [];
  const taken = new Map<number, GroupName>();
  const take = (group: Group, vrid: number): boolean => {
    if (taken.has(vrid)) return false;
    taken.set(vrid, group.name);
    byGroup.set(group.name, vrid);
    return true;
  };

  for (const group of groups) {
    const now = learnt.get(group.name);
    if (now !== undefined && (group.routerId === undefined || group.routerId === now)) take(group, now);
  }
  const refused: Group[] = [];
  for (const group of groups) {
    if (byGroup.has(group.name) || group.routerId === undefined) continue;
    if (!take(group, group.routerId)) refused.push(group);
  }
  const byContract = (group: Group) => group.origin === 'service';
  for (const group of [...groups.filter(byContract), ...groups.filter((one) => !byContract(one))]) {
    if (byGroup.has(group.name)) continue;
    const wishes = byContract(group) ? [preferredVrid, ...candidates(group.name)] : candidates(group.name);
    const vrid = [...wishes].find((candidate) => take(group, candidate));
    if (vrid === undefined) {
      problems.push({
        code: 'router-ids-exhausted',
        severity: 'error',
        where: group.source,
        group: group.name,
        message: 'expected a free virtual router id, found all 255 in use',
        instead: 'the group is not served',
        remedy: 'serve at most 255 groups in one Swarm',
      });
    }
  }
  for (const group of refused) {
    problems.push({
      code: 'router-id-taken',
      severity: 'warning',
      where: group.provenance.router_id,
      group: group.name,
      value: String(group.routerId),
      message: `the virtual router id is in use by group ${taken.get(group.routerId ?? 0)}`,
      instead: `${byGroup.get(group.name) ?? 'none'} is used`,
      remedy: 'choose another router id, or leave it out',
    });
  }
  return { byGroup, problems };
}

/** All ids, beginning at one that depends on the name alone (FNV-1a), so that most restarts would choose it again. */
function* candidates(name: string): Generator<number> {
  const hash = fnv1a(name);
  for (let step = 0; step < 255; step++) yield ((hash + step) % 255) + 1;
}
