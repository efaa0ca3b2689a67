// What an agent makes of the coordinator's words on services, and of their absence.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import { beginCheck, stepCheck } from '../../agent/core/check.ts';
import { freshMs, wordResult } from '../../agent/core/task-word.ts';
import { createServiceProbe } from '../../agent/io/checks/service.ts';
import { createProblems } from '../../agent/io/problems.ts';
import { createStateStore } from '../../agent/io/state-store.ts';
import { createTaskWords } from '../../agent/task-words.ts';
import type { CheckOf } from '../../shared/checks.ts';
import type { Tasks } from '../../shared/protocol.ts';
import type { NodeId } from '../../shared/words.ts';

const word = (running: boolean, ageMs: number | undefined, atMs = 1000) => ({
  ...{ service: 'web', running, detail: running ? 'runs' : 'runs not', atMs, ageMs },
});
const limits = { rise: 1, fall: 2 };

describe('a word on a service', () => {
  it('is a result while it is fresh', () => {
    for (const running of [true, false]) {
      assert.deepEqual(wordResult(word(running, freshMs), 0, 0), {
        passed: running,
        output: running ? 'runs' : 'runs not',
      });
    }
  });

  it('is none any more when it is older, and says how old it is', () => {
    assert.deepEqual(wordResult(word(false, 63_000), 90_000, 64_000), {
      passed: false,
      output: 'no news for 63 s; last: runs not',
      stale: { atMs: 1000 },
    });
  });

  it('of an earlier life counts only after a fresh one had its time', () => {
    const kept = word(true, undefined);
    assert.deepEqual(wordResult(kept, freshMs, 61_000).stale, { atMs: null });
    assert.deepEqual(wordResult(kept, freshMs + 1, 61_000), {
      passed: true,
      output: 'no news for 60 s; last: runs',
      stale: { atMs: 1000 },
    });
    assert.deepEqual(wordResult(undefined, 90_000, 0).stale, { atMs: null });
  });
});

describe('a check without news', () => {
  const stale = (passed: boolean, atMs: number | null = 500) => ({
    ...({ kind: 'ran', passed, output: 'old', durationMs: 1, stale: { atMs } } as const),
  });
  const bad = { kind: 'ran', passed: false, output: 'bad', durationMs: 1 } as const;

  it('stands as it is, for ever', () => {
    for (const status of ['up', 'down'] as const) {
      let state = beginCheck(status, 0);
      for (let run = 0; run < 50; run++) state = stepCheck(state, stale(status === 'down'), limits, run);
      assert.deepEqual([state.status, state.lastRunMs, state.output], [status, null, 'old']);
    }
  });

  it('counts no failure from before the silence', () => {
    const silent = stepCheck(stepCheck(beginCheck('up', 0), bad, limits, 1), stale(false), limits, 2);
    assert.equal(stepCheck(silent, bad, limits, 3).status, 'up');
    assert.equal(stepCheck(stepCheck(silent, bad, limits, 3), bad, limits, 4).status, 'down');
  });

  it('that has no result yet takes an old one, with its age, but not none at all', () => {
    const begun = beginCheck('unknown', 0);
    assert.equal(stepCheck(begun, stale(true, null), limits, 900).status, 'unknown');
    for (const passed of [true, false]) {
      const { status, lastRunMs } = stepCheck(begun, stale(passed), limits, 900);
      assert.deepEqual([status, lastRunMs], [passed ? 'up' : 'down', 500]);
    }
  });
});

describe('words on services', () => {
  let directory = '';
  let nowMs = 0;
  let writes = 0;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'task-words-'));
    nowMs = 0;
    writes = 0;
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const life = (nodeId = 'n1') => {
    const store = createStateStore(createProblems(pino({ level: 'silent' }), () => undefined));
    const write: typeof store.write = (...args) => {
      writes += 1;
      return store.write(...args);
    };
    return createTaskWords({
      config: { nodeId: nodeId as NodeId, paths: { tasks: join(directory, 'tasks.json') } },
      store: { ...store, write },
      now: () => nowMs,
      wallNow: () => 1_000_000 + nowMs,
    });
  };
  const said = (words: Record<string, boolean>, epoch = 5): Tasks => ({
    ...{ type: 'tasks', epoch },
    words: Object.entries(words).map(([service, running]) => ({ service, running, detail: String(running) })),
  });

  it('replace each other, grow old, and call back only where they differ', () => {
    const tasks = life();
    let calls = 0;
    const end = tasks.watch('web', () => {
      calls += 1;
    });
    tasks.receive(said({ web: true }));
    nowMs = 2000;
    tasks.receive(said({ web: true }));
    assert.deepEqual([calls, tasks.word('web')?.ageMs], [1, 0]);
    nowMs = 5000;
    assert.deepEqual([tasks.word('web')?.ageMs, tasks.word('web')?.atMs], [3000, 1_002_000]);
    tasks.receive(said({ web: false }));
    end();
    tasks.receive(said({ web: true }));
    assert.equal(calls, 2);
  });

  it('stand when nothing is said of a service, while somebody asks for it', () => {
    const tasks = life();
    tasks.watch('web', () => undefined);
    tasks.receive(said({ web: true, db: true }));
    nowMs = 9000;
    tasks.receive(said({}));
    assert.deepEqual([tasks.word('web')?.running, tasks.word('web')?.ageMs], [true, 9000]);
    assert.equal(tasks.word('db'), undefined);
  });

  it('of an earlier epoch are refused', () => {
    const tasks = life();
    assert.equal(tasks.receive(said({ web: true }, 7)), true);
    assert.equal(tasks.receive(said({ web: false }, 6)), false);
    assert.equal(tasks.word('web')?.running, true);
    assert.equal(life().receive(said({ web: false }, 6)), false, 'also after a restart');
  });

  it('survive the agent without a write each second, and count for no other cluster', () => {
    const tasks = life();
    for (nowMs of [0, 1000, 2000, 3000]) tasks.receive(said({ web: true }));
    assert.equal(writes, 1);
    assert.deepEqual(life().word('web'), {
      ...{ service: 'web', running: true, detail: 'true', atMs: 1_000_000, ageMs: undefined },
    });
    assert.equal(life('n2').word('web'), undefined);
  });

  it('count where there is no engine to ask', async () => {
    const tasks = life();
    const check = { kind: 'service', service: 'web', timeoutMs: 100 } as CheckOf<'service'>;
    const engineSocket = join(directory, 'none.sock');
    const probe = createServiceProbe(check, { engineSocket, tasks, now: () => nowMs, wallNow: () => nowMs });
    assert.deepEqual((await probe()).stale, { atMs: null });
    tasks.receive(said({ web: true }));
    assert.deepEqual(await probe(), { passed: true, output: 'true' });
    tasks.receive(said({ web: false }));
    assert.deepEqual(await probe(), { passed: false, output: 'false' });
  });
});
