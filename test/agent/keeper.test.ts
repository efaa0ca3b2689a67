// Orders that come while the keeper waits for the kernel: none is lost.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createKeeper, type KeeperDeps } from '../../agent/keeper.ts';
import type { Parts } from '../../agent/parts.ts';
import { createRunConfig } from '../../agent/run-config.ts';
import type { AssignedInstance } from '../../shared/protocol.ts';

const instance = (group: string, more: Partial<AssignedInstance> = {}): AssignedInstance =>
  ({
    ...{ group, vrid: 51, version: 3, intervalMs: 100, interface: 'eth0', source: '10.0.0.1', peers: [] },
    ...{ priority: 100, addresses: ['10.0.0.100/32'], peersConfirmed: true },
    ...more,
  }) as AssignedInstance;
const config = (counter: number, text: string, ...instances: AssignedInstance[]) =>
  createRunConfig({ epoch: 1, counter }, instances, text, 0);
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A keeper whose kernel answers when it is told to; `terms` is what each part goes by. */
function stage() {
  const terms = new Map<string, AssignedInstance>();
  const asked: (() => void)[] = [];
  let say: (line: string) => void = () => undefined;
  const silent = () => undefined;
  const parts = {
    begin: (each: AssignedInstance) => void terms.set(each.group, each),
    beginAll: ({ instances }: { instances: readonly AssignedInstance[] }) => {
      for (const each of instances) terms.set(each.group, each);
    },
    update: ({ instances }: { instances: readonly AssignedInstance[] }) => {
      for (const each of instances) if (terms.has(each.group)) terms.set(each.group, each);
    },
    settled: silent,
    idle: silent,
    isPaused: () => false,
  } as unknown as Parts;
  const keeper = createKeeper({
    parts,
    io: {
      daemon({ onLine, onGone }: { onLine: (line: string) => void; onGone: () => void }) {
        say = onLine;
        const signal = (name: string) => name === 'SIGTERM' && onGone();
        return { start: silent, signal, adopt: () => false, lastExit: () => null, detach: silent };
      },
      dumper: () => async () => [],
      record: silent,
      install: silent,
      readStates: silent,
    },
    macvlans: {
      prepare: () => new Promise<void>((resolve) => asked.push(resolve)),
      settle: async () => undefined,
    },
    owned: { record: silent, sweep: async () => undefined },
    pins: { pin: async () => undefined },
    states: { current: () => new Map(), keepOnly: silent, resync: async () => true },
    history: { crashed: silent },
    log: { info: silent, error: silent, warn: silent, debug: silent },
    problems: { set: silent, clear: silent },
    ...{ onOrders: silent, onSays: silent, onChange: silent, now: () => performance.now() },
  } as unknown as KeeperDeps);
  return {
    keeper,
    terms,
    async kernelAnswers() {
      for (let turns = 0; asked.length === 0 && turns < 1000; turns++) await turn();
      asked.shift()?.();
      await turn();
    },
    say: (line: string) => say(line),
  };
}

describe('orders that come while the kernel is asked', () => {
  const alone = instance('web', { silenceOnly: true });
  const heard = instance('web');

  it('reach a part that begins with keepalived', async () => {
    const { keeper, terms, kernelAnswers } = stage();
    keeper.want(config(1, 'text', alone));
    await turn();
    keeper.want(config(2, 'text', heard));
    await kernelAnswers();
    assert.equal(terms.get('web')?.silenceOnly, undefined);
    await keeper.leave();
  });

  it('reach a part that begins with a reload', async () => {
    const { keeper, terms, kernelAnswers, say } = stage();
    const before = instance('db', { vrid: 7 as never });
    keeper.want(config(1, 'one', before));
    await kernelAnswers();
    say('Sat Jan  1 00:00:00 2026: Startup complete');
    assert.equal(keeper.supervise().phase, 'running');
    keeper.want(config(2, 'two', before, alone));
    // Once for the gate, once for the reload.
    await kernelAnswers();
    for (let turns = 0; keeper.supervise().phase !== 'reloading' && turns < 1000; turns++) await turn();
    await turn();
    keeper.want(config(3, 'two', before, heard));
    await kernelAnswers();
    assert.ok(terms.has('web'));
    assert.equal(terms.get('web')?.silenceOnly, undefined);
    await keeper.leave();
  });
});
