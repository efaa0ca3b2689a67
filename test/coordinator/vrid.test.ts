// Virtual router ids: nobody's moves by a restart, and none is given while another group still runs it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Group } from '../../coordinator/core/groups.ts';
import { allocateVrids } from '../../coordinator/core/vrid.ts';
import type { VridUse } from '../../coordinator/core/vrid-use.ts';
import type { GroupName } from '../../shared/words.ts';

const group = (name: string, routerId?: number) =>
  ({ name, routerId, origin: 'file', source: 'groups.yaml', provenance: { router_id: 'line 1' } }) as Group;
/** What agents run, by group. */
const use = (runs: Record<string, number>, unheard: string[] = []): VridUse => {
  const runBy = new Map<number, Set<GroupName>>();
  for (const [name, vrid] of Object.entries(runs))
    runBy.set(vrid, (runBy.get(vrid) ?? new Set()).add(name as GroupName));
  return { learnt: new Map(Object.entries(runs)), runBy, unheard };
};
const given = (groups: Group[], used: VridUse) => {
  const { byGroup, problems } = allocateVrids(groups, used);
  return {
    ids: groups.map(({ name }) => byGroup.get(name)),
    messages: problems.map(({ message }) => message),
  };
};

describe('a virtual router id', () => {
  it('that the operator changes is taken', () => {
    assert.deepEqual(given([group('web', 61)], use({ web: 56 })), { ids: [61], messages: [] });
  });

  it('is not taken while another group still runs it somewhere, and is afterwards', () => {
    const groups = [group('web', 61), group('db', 56)];
    assert.deepEqual(given(groups, use({ web: 56, db: 77 })), {
      ids: [61, 77],
      messages: ['the virtual router id is in use by group web'],
    });
    assert.deepEqual(given(groups, use({ web: 61, db: 77 })), { ids: [61, 56], messages: [] });
    assert.notEqual(given([group('db', 56)], use({ gone: 56 })).ids[0], 56);
  });

  it('that is refused leaves the group with the one it has', () => {
    assert.deepEqual(given([group('web'), group('db', 56)], use({ web: 56, db: 77 })).ids, [56, 77]);
  });

  it('that two groups want of each other is reached by way of others', () => {
    const groups = [group('web', 2), group('db', 1)];
    const [web, db] = given(groups, use({ web: 1, db: 2 })).ids;
    assert.ok(web !== undefined && db !== undefined && web > 2 && db > 2 && web !== db);
    assert.deepEqual(given(groups, use({ web, db })).ids, [2, 1]);
  });

  it('does not change before everybody has been heard: whoever has not may run it', () => {
    const { ids, messages } = given([group('web'), group('db', 56)], use({ db: 77 }, ['host3']));
    assert.equal(ids[1], 77);
    assert.match(messages[0] ?? '', /every agent has been heard; missing: host3/);
  });
});
