// No reload into a failed check: whatever mixture of good and bad assignments arrives, however fast, keepalived gets only
// what it has accepted. Real agent, real configuration tests, seeded.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { AssignedInstance } from '../../shared/protocol.ts';
import { bringUp, createBench, eventsOf, instanceFor, nth, until } from './bench.ts';
import { probe, vip } from './witness.ts';

const seed = 20_261;
const length = 24;

/** keepalived refuses an interface that is not there. */
const bad: Partial<AssignedInstance> = { interface: 'eth9' as AssignedInstance['interface'] };
const good = (host: number): Partial<AssignedInstance> => ({
  addresses: [`${vip}/32`, `10.99.0.${host}/32`],
});

const generationOf = (line: Record<string, unknown>) => (line['generation'] as { counter: number }).counter;

describe('assignments, some of which keepalived refuses', () => {
  it('reach it only when it has accepted them, in any order and at any speed, and lose no probe', async (t) => {
    const bench = await createBench(2);
    try {
      await bench.peer.start();
      const host = nth(bench, 1);
      host.start();
      await bringUp([host]);
      const before = host.pids().keepalived;
      const pings = await probe(bench);
      const steps = fc.sample(
        fc.record({
          isBad: fc.boolean(),
          address: fc.integer({ min: 150, max: 199 }),
          /** Until the next one; null: until this one is decided. */
          pauseMs: fc.constantFrom(0, 5, 30, 150, null, null, null),
        }),
        { seed, numRuns: length },
      );
      const refused = new Set<number>();
      for (const [index, { isBad, address, pauseMs }] of steps.entries()) {
        const counter = index + 2;
        if (isBad) refused.add(counter);
        host.assign(counter, [instanceFor(host, [host], isBad ? bad : good(address))]);
        if (pauseMs !== null) await sleep(pauseMs);
        else
          await until(`assignment ${counter} is decided`, () => {
            const report = host.report();
            return (isBad ? report?.rejected : report?.applied)?.counter === counter;
          });
      }
      // The last word is a good one, so that there is an end to wait for.
      const last = length + 2;
      host.assign(last, [instanceFor(host, [host], good(200))]);
      await until('the last one runs', () => host.report()?.applied?.counter === last);
      await until('its addresses are up', () => host.held().includes('10.99.0.200/32'));

      const applied = eventsOf(host, 'applied').map(generationOf);
      const rejected = eventsOf(host, 'rejected').map(generationOf);
      t.diagnostic(`${applied.length} applied, ${rejected.length} refused, of ${length + 2}`);
      assert.deepEqual(
        applied.filter((counter) => refused.has(counter)),
        [],
      );
      assert.deepEqual(
        rejected.filter((counter) => !refused.has(counter)),
        [],
      );
      assert.ok(rejected.length > 0, 'nothing was refused: the test says nothing');
      assert.ok(!readFileSync(`${host.runDir}/keepalived.conf`, 'utf8').includes('eth9'));
      assert.deepEqual(host.pids().keepalived, before, 'one keepalived all the time');
      assert.equal(host.report()?.keepalived.restarts, 0);
      assert.equal((await pings.stop()).lost, 0);
    } finally {
      await bench.close();
    }
  });
});
