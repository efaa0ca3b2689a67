// The one word and the one sentence.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Overview, OverviewGroup } from '../../coordinator/core/overview.ts';
import { headline } from '../../coordinator/page/headline.ts';
import { id } from '../coordinator/world.ts';

const group = (name: string, holders: number[], more: Partial<OverviewGroup> = {}): OverviewGroup => ({
  ...{ name, addresses: ['10.0.0.100/32'], vrid: 51, failoverBoundMs: 300, eligible: 3, members: [] },
  ...{ waiting: [], switches: [], olderSwitches: 0, lastSwitch: null, past: [], runnerUp: 'host9' },
  verdict: holders.length === 0 ? 'NO HOLDER' : holders.length > 1 ? 'TWO HOLDERS' : 'OK',
  holders: holders.map((n) => ({ node: id(n), hostname: `host${n}`, sinceMs: 0, heard: true })),
  ...more,
});
const overview = (verdict: Overview['verdict'], groups: OverviewGroup[]): Overview => ({
  ...{ apiVersion: 'swarm-vip/v1', kind: 'Overview', verdict, groups, agents: [], drains: [], problems: [] },
  ...{ pause: null, windows: [] },
  coordinator: { hostname: 'host1', version: '1', role: 'active', active: 'host1' },
  ...{ swarmError: null, config: null },
});
const said = (document: Overview | undefined, contact: Parameters<typeof headline>[1] = 'kept') => {
  const { word, tone, sentence } = headline(document, contact);
  return `${word} (${tone}): ${sentence}`;
};

describe('the headline', () => {
  it('says OK only of groups that exist', () => {
    assert.equal(
      said(overview('OK', [group('web', [1])])),
      'OK (good): host1 holds web. Next in line: host9.',
    );
    assert.equal(
      said(overview('OK', [group('web', [1]), group('db', [2])])),
      'OK (good): All 2 groups have exactly one holder.',
    );
    assert.match(said(overview('OK', [])), /^NO GROUPS \(unknown\)/);
  });

  it('says when nobody could take over, also while all is well', () => {
    assert.match(
      said(overview('OK', [group('web', [1], { runnerUp: null })])),
      /Nobody could take over web\.$/,
    );
  });

  it('names the groups that are broken, and their holders', () => {
    const groups = [group('web', [1, 2]), group('db', []), group('mail', [3])];
    assert.equal(
      said(overview('TWO HOLDERS', groups)),
      'TWO HOLDERS (bad): web (10.0.0.100) is held by host1 AND host2. Nobody holds db (10.0.0.100).',
    );
  });

  it('says of every state that the plan is paused: then labels help nobody', () => {
    const pause = { reason: 'raft', until: '2030-01-01T12:00:00.000Z', waiting: [] };
    for (const document of [
      overview('OK', [group('web', [1])]),
      overview('DEGRADED', [group('web', [1])]),
      overview('NO HOLDER', [group('web', [])]),
    ])
      assert.match(
        said({ ...document, pause }),
        / Paused until 1 Jan .* \(raft\): labels and files change nothing\.$/,
      );
  });

  it('counts errors as they are listed, and members without those in reserve', () => {
    const problem = {
      code: 'agent-unreachable',
      severity: 'error',
      where: 'node host3',
      message: 'gone',
    } as const;
    const members = [{ reserve: false }, { reserve: false }, { reserve: true }] as OverviewGroup['members'];
    const thin = group('web', [1], { verdict: 'DEGRADED', eligible: 1, members });
    const problems = ['web', 'db'].map((name) => ({ ...problem, group: name, instead: 'i', remedy: 'r' }));
    assert.match(
      said({ ...overview('DEGRADED', [thin]), problems }),
      / web has 1 of 2 members fit to hold\. 1 error is listed below\.$/,
    );
  });

  it('never says OK of what it does not know', () => {
    const well = overview('OK', [group('web', [1])]);
    assert.match(said(well, 'lost'), /^NO CONTACT \(unknown\).*old: it was OK/);
    assert.match(said(undefined, 'lost'), /^NO CONTACT \(unknown\)/);
    assert.match(said(undefined), /^CONNECTING \(unknown\)/);
    assert.match(said(well, 'starting'), /^STARTING \(unknown\)/);
    const unheard = group('web', [], {
      verdict: 'DEGRADED',
      holders: [{ node: id(1), hostname: 'host1', sinceMs: 0, heard: false }],
    });
    assert.match(said(overview('DEGRADED', [unheard])), /^DEGRADED \(warn\): The last known holder of web/);
  });
});
