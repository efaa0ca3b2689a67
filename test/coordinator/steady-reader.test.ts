// Which answers of the engine are taken for the state of Swarm.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createEngine } from '../../coordinator/io/engine.ts';
import { createSteadyReader, type Lists } from '../../coordinator/io/steady-reader.ts';

const objects = (indexes: Record<string, number>) =>
  Object.entries(indexes).map(([ID, Index]) => ({ ID, Version: { Index } }));
const lists = (node: Record<string, number>, config: Record<string, number> = {}): Lists => ({
  node: objects(node),
  service: objects({ s: 5 }),
  config: objects(config),
});

/** A reader of these answers in turn, the last one for ever; `there` still exist, whatever the lists say. */
function reading(answers: Lists[], there: string[] = []) {
  let asked = 0;
  const reader = createSteadyReader({
    lists: async () => {
      asked += 1;
      const [first] = answers;
      if (answers.length > 1) answers.shift();
      return first as Lists;
    },
    belongs: async (kind, id) => there.includes(`${kind} ${id}`),
  });
  return { ...reader, asked: () => asked };
}

describe('a read of Swarm', () => {
  it('counts when two in a row are alike, and then as long as nothing changes', async () => {
    const reader = reading([lists({ a: 1 })]);
    await reader.read();
    assert.equal(reader.asked(), 2);
    await reader.read();
    assert.equal(reader.asked(), 3);
  });

  it('is repeated while Swarm changes between its calls: no group is in neither of two places', async () => {
    // The config came after its list was read, the change of the service before its own.
    const torn: Lists = { ...lists({ a: 1 }), service: objects({ s: 9 }) };
    const whole: Lists = { ...lists({ a: 1 }, { c: 8 }), service: objects({ s: 9 }) };
    const reader = reading([lists({ a: 1 }), lists({ a: 1 }), torn, whole]);
    await reader.read();
    assert.deepEqual(await reader.read(), whole);
  });

  it('fails in a Swarm that never rests, and works once it does', async () => {
    const restless = Array.from({ length: 8 }, (_, n) => lists({ a: n }));
    const reader = reading(restless);
    await assert.rejects(reader.read(), /changed during each of 6 reads/);
    await reader.read();
  });

  it('is refused when anything in it is older than it was', async () => {
    const reader = reading([lists({ a: 7 }), lists({ a: 7 }), lists({ a: 6 })]);
    await reader.read();
    await assert.rejects(reader.read(), /older than what it said before: node a at version 6, known at 7/);
  });

  it('is refused when it is older than a write of our own', async () => {
    const reader = reading([lists({ a: 7 })]);
    await reader.read();
    reader.wrote('node', 'a', 9);
    await assert.rejects(reader.read(), /older/);
  });

  it('that our own write overtakes is repeated, not refused', async () => {
    const reader = reading([lists({ a: 7 }), lists({ a: 7 }), lists({ a: 7 }), lists({ a: 9 })]);
    await reader.read();
    reader.wrote('node', 'a', 9);
    assert.deepEqual(await reader.read(), lists({ a: 9 }));
  });

  it('is refused when it leaves out what is still there', async () => {
    const complete = lists({ a: 1, b: 2 }, { c: 3 });
    for (const [answer, there] of [
      [lists({}, { c: 3 }), 'node b'],
      [lists({ a: 1 }, { c: 3 }), 'node b'],
      [lists({ a: 1, b: 2 }), 'config c'],
    ] as const) {
      const reader = reading([complete, complete, answer], [there]);
      await reader.read();
      await assert.rejects(reader.read(), new RegExp(`leaves out ${there}`));
    }
  });

  it('lets go what the engine no longer knows when asked for it by its id', async () => {
    const less = lists({ a: 1 });
    const reader = reading([lists({ a: 1, b: 2 }, { c: 3 }), lists({ a: 1, b: 2 }, { c: 3 }), less]);
    await reader.read();
    assert.deepEqual(await reader.read(), less);
  });

  it('is refused when an answer is no list', async () => {
    for (const node of [null, {}, Buffer.from('[{"ID'), 'x', [{ ID: 'a' }]]) {
      await assert.rejects(reading([{ ...lists({}), node }]).read());
    }
  });
});

describe('a call of the engine', () => {
  for (const [title, end] of [
    ['breaks off', true],
    ['stops', false],
  ] as const) {
    it(`ends when the answer ${title} in the middle`, async () => {
      const socket = join(tmpdir(), `swarm-vip-engine-${process.pid}-${end}.sock`);
      const server = createServer((_, response) => {
        response.writeHead(200, { 'content-length': 1_000, 'content-type': 'application/json' });
        response.write('[{"ID":');
        if (end) setTimeout(() => response.socket?.destroy(), 20);
      });
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      try {
        const engine = createEngine(socket, 300);
        await assert.rejects(engine.listNodes(), /no whole answer to \/nodes within 300 ms/);
      } finally {
        server.closeAllConnections();
        server.close();
        rmSync(socket, { force: true });
      }
    });
  }
});
