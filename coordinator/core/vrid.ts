// Virtual router ids: unique among our groups, the operator's choice if there is one, and never moved by a restart:
// what agents already run is learnt back before anything new is allocated (vrid-use.ts). An id is free only once nobody
// runs it: members that share one for a moment would listen to the wrong holder.
import type { Problem } from '../../shared/problem.ts';
import type { GroupName } from '../../shared/words.ts';
import type { Group } from './groups.ts';
import { fnv1a } from './hash.ts';
import type { VridUse } from './vrid-use.ts';

/** What the operator's contract means when nobody says otherwise; groups of a file have no such wish. */
const preferredVrid = 51;

export interface Vrids {
  byGroup: Map<GroupName, number>;
  problems: Problem[];
}

/** @param groups in order of precedence */
export function allocateVrids(groups: readonly Group[], { learnt, runBy, unheard }: VridUse): Vrids {
  const byGroup = new Map<GroupName, number>();
  const problems: Problem[] = [];
  const taken = new Map<number, GroupName>();
  const inTheWay = (group: Group, vrid: number): GroupName | undefined =>
    taken.get(vrid) ?? [...(runBy.get(vrid) ?? [])].find((other) => other !== group.name);
  const keep = (group: Group, vrid: number | undefined): boolean => {
    if (vrid === undefined || taken.has(vrid)) return false;
    taken.set(vrid, group.name);
    byGroup.set(group.name, vrid);
    return true;
  };
  const take = (group: Group, vrid: number) => inTheWay(group, vrid) === undefined && keep(group, vrid);

  for (const group of groups) {
    const now = learnt.get(group.name);
    // Whoever is yet to be heard may run the id that the operator wants: it was refused, then, and is so still.
    const waits = unheard.length > 0;
    if (waits || group.routerId === undefined || group.routerId === now) keep(group, now);
  }
  const refused: { group: Group; by: GroupName | undefined }[] = [];
  for (const group of groups) {
    const { routerId } = group;
    if (routerId === undefined || byGroup.get(group.name) === routerId) continue;
    if (byGroup.has(group.name) || !take(group, routerId)) {
      refused.push({ group, by: inTheWay(group, routerId) });
    }
  }
  const wanted = new Set(groups.flatMap(({ name, routerId }) => (byGroup.has(name) ? [] : (routerId ?? []))));
  for (const { group } of refused) {
    // Two that want each other's id both go elsewhere first.
    const now = learnt.get(group.name);
    if (now !== undefined && !wanted.has(now) && !byGroup.has(group.name)) keep(group, now);
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
  for (const { group, by } of refused) {
    problems.push({
      code: 'router-id-taken',
      severity: 'warning',
      where: group.provenance.router_id,
      group: group.name,
      value: String(group.routerId),
      message:
        by === undefined
          ? `the virtual router id changes once every agent has been heard; missing: ${unheard.join(', ')}`
          : `the virtual router id is in use by group ${by}`,
      instead: `${byGroup.get(group.name) ?? 'none'} is used`,
      remedy: by === undefined ? 'bring their agents back' : 'choose another router id, or leave it out',
    });
  }
  return { byGroup, problems };
}

/** All ids, beginning at one that depends on the name alone (FNV-1a), so that most restarts would choose it again. */
function* candidates(name: string): Generator<number> {
  const hash = fnv1a(name);
  for (let step = 0; step < 255; step++) yield ((hash + step) % 255) + 1;
}
