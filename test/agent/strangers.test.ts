// Adverts that no member has sent, on real keepalived: what it takes for its peers' and what it does not.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, bringUp, createBench, nth, until } from './bench.ts';
import { startHosts } from './fresh-hosts.ts';

const script = new URL('fixtures/advertises', import.meta.url).pathname;
/** Ten intervals: enough for a holder that believes it to yield at once. */
const whileMs = 1_000;

describe('an advert with a higher priority', () => {
  let bench: Bench;
  before(async () => {
    bench = await createBench(2);
    await startHosts(bench);
    await bringUp(bench.hosts);
  });
  after(() => bench.close());
  const first = () => nth(bench, 1);
  const second = () => nth(bench, 2);
  const states = () => bench.hosts.map((host) => host.report()?.instances[0]?.state).join();

  /** What the hosts say while the adverts come to the holder, each state once. */
  const during = async (from: string, ttl: number): Promise<string[]> => {
    const seen: string[] = [];
    const sender = bench.spawnInLan(
      'perl',
      script,
      from,
      first().address,
      '51',
      '254',
      String(ttl),
      '127.112.0.51',
    );
    const end = performance.now() + whileMs;
    while (performance.now() < end) {
      if (seen.at(-1) !== states()) seen.push(states());
      await sleep(10);
    }
    assert.equal(sender.exitCode, null, 'it was sent all the time');
    sender.kill('SIGKILL');
    return seen;
  };
  const refusals = () =>
    first()
      .log()
      .filter(({ msg }) => msg?.includes('not a unicast peer')).length;

  it('of a stranger changes nothing, and the log names him', async () => {
    assert.deepEqual(await during('10.99.0.254', 255), ['MASTER,BACKUP']);
    await until('a line of the log', () => refusals() > 0);
  });

  it('of a peer’s address that a router has passed on changes nothing', async () => {
    assert.deepEqual(await during(second().address, 254), ['MASTER,BACKUP']);
  });

  it('of a peer’s address on the same network is believed: VRRP without a password proves nothing more (control)', async () => {
    const seen = await during(second().address, 255);
    assert.ok(seen.includes('BACKUP,BACKUP'), seen.join(' '));
    await until('all to be as before', () => states() === 'MASTER,BACKUP');
    assert.deepEqual([first().held(), second().held()], [['10.99.0.100/32'], []]);
  });
});
