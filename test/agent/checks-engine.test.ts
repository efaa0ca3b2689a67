// Checks by a real Docker Engine of their own: the engine itself, and containers that run, pause, fall ill and end.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createContainerProbe, createEngineProbe, watchContainers } from '../../agent/io/checks/engine.ts';
import { createServiceProbe } from '../../agent/io/checks/service.ts';
import type { CheckOf } from '../../shared/checks.ts';
import { cgroupParent, removeCgroups } from '../lab/cgroups.ts';
import { answers } from '../lab/engine.ts';
import { labNames } from '../lab/names.ts';
import { until } from './bench.ts';

const common = {
  name: 'x',
  timing: { intervalMs: 1000, jitterMs: 0 },
  timeoutMs: 2000,
  rise: 1,
  fall: 1,
} as const;

/** Programs of this machine with their libraries: an image without a registry. */
function imageTree(directory: string): void {
  for (const program of ['/bin/sleep', '/bin/ls']) {
    const libraries = execFileSync('ldd', [program], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
    for (const file of [program, ...libraries]) {
      mkdirSync(join(directory, dirname(file)), { recursive: true });
      copyFileSync(file, join(directory, file));
    }
  }
}

/** Every thread: one that runs on another core goes on for a moment, and may answer. */
const standsStill = (pid: number): boolean =>
  readdirSync(`/proc/${pid}/task`).every((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')')).startsWith(') T ');
  });

describe('checks by the engine', () => {
  const directory = mkdtempSync(join(tmpdir(), 'checks-engine-'));
  const socket = join(directory, 'docker.sock');
  const names = labNames(`checks-engine-${process.pid % 10_000}`);
  let engine: ChildProcess;
  const docker = (...args: string[]) =>
    execFileSync('docker', ['-H', `unix://${socket}`, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const container = (by: 'name' | 'label', value: string) =>
    createContainerProbe({ kind: 'container', by, value, ...common } as CheckOf<'container'>, socket)();

  /** What the coordinator says; the engine goes before it. */
  let word: boolean | undefined;
  const service = (name: string, engineSocket = socket) =>
    createServiceProbe(
      { kind: 'service', service: name, ...common },
      {
        engineSocket,
        tasks: {
          receive: () => true,
          word: () =>
            word === undefined
              ? undefined
              : { service: name, running: word, detail: 'by the coordinator', atMs: 0, ageMs: 0 },
          watch: () => () => undefined,
        },
        now: () => 0,
        wallNow: () => 0,
      },
    )();

  before(async () => {
    const flags = ['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false'];
    const places = [
      '--data-root',
      join(directory, 'data'),
      '--exec-root',
      '/run/docker',
      '--pidfile',
      '/run/docker.pid',
    ];
    const hide = 'mount --make-rprivate / && mount -t tmpfs tmpfs /run && exec "$@"';
    const world = ['-m', '-p', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', hide, 'sh'];
    engine = spawn(
      'unshare',
      [
        ...world,
        'dockerd',
        '-H',
        `unix://${socket}`,
        '--exec-opt=native.cgroupdriver=cgroupfs',
        `--cgroup-parent=${cgroupParent(names, 'engine')}`,
        ...places,
        ...flags,
      ],
      { stdio: 'ignore' },
    );
    let up = false;
    await until(
      'the engine answers',
      () => {
        void answers(socket).then((yes) => {
          up ||= yes;
        });
        return up;
      },
      30_000,
    );
    const tree = join(directory, 'tree');
    imageTree(tree);
    execFileSync('sh', ['-c', `tar -C ${tree} -c . | docker -H unix://${socket} import - tiny`], {
      stdio: 'ignore',
    });
    const run = ['run', '-d', '--network', 'none'];
    docker(...run, '--name', 'plain.1', '--label', 'app=web', 'tiny', '/bin/sleep', '1000');
    docker(...run, '--name', 'plain-1', 'tiny', '/bin/sleep', '1000');
    // As Swarm labels the containers of its tasks.
    const task = (name: string, id: string) => [
      ...['--name', id, '--label', `com.docker.swarm.service.name=${name}`],
    ];
    docker(...run, ...task('shop_web', 'web.1.old'), 'tiny', '/bin/ls');
    docker(...run, ...task('shop_web', 'web.1.new'), 'tiny', '/bin/sleep', '1000');
    docker(...run, ...task('shop', 'shop.1'), 'tiny', '/bin/ls');
    const health = ['--health-cmd', '/bin/ls /sick', '--health-interval', '1s', '--health-retries', '1'];
    docker(...run, '--name', 'ill', ...health, 'tiny', '/bin/sleep', '1000');
  });
  after(async () => {
    engine.kill('SIGKILL');
    await removeCgroups(names);
    execFileSync(
      'sh',
      [
        '-c',
        `for i in 1 2 3 4 5 6 7 8 9; do umount -R ${directory}/data 2>/dev/null; rm -rf ${directory} && exit; sleep 0.5; done`,
      ],
      { stdio: 'ignore' },
    );
    rmSync(directory, { recursive: true, force: true });
  });

  it('pass while the engine answers', async () => {
    const check: CheckOf<'engine'> = { kind: 'engine', ...common };
    assert.deepEqual(await createEngineProbe(check, socket)(), { passed: true, output: 'OK' });
    const { passed, fault } = await createEngineProbe(check, join(directory, 'nothing'))();
    assert.deepEqual([passed, fault?.code], [false, 'check-engine-missing']);
    assert.match(fault?.remedy ?? '', /mount the engine/);
  });

  it('pass for a container that runs, by its exact name or a label', async () => {
    const good = await container('name', 'plain.1');
    assert.deepEqual([good.passed, /^plain\.1: Up /.test(good.output)], [true, true]);
    assert.equal((await container('label', 'app=web')).passed, true);
    assert.equal((await container('label', 'app')).passed, true);
    for (const [by, value] of [
      ['name', 'plain'],
      ['name', 'lain.1'],
      ['label', 'app=db'],
    ] as const) {
      assert.deepEqual(await container(by, value), {
        passed: false,
        output: `no container with ${by} ${value}`,
      });
    }
  });

  it('fail for one that is paused, unhealthy or has ended, and the engine says so at once', async () => {
    await until('ill', () => /unhealthy/.test(docker('ps')), 20_000);
    assert.match((await container('name', 'ill')).output, /ill: Up .*\(unhealthy\)/);
    let events = 0;
    const stop = watchContainers(socket, () => {
      events += 1;
    });
    await until('it watches', () => events >= 1);
    const told = async (what: string, ...command: string[]) => {
      const seen = events;
      docker(...command);
      await until(`it is told: ${what}`, () => events > seen, 3000);
    };
    await told('paused', 'pause', 'plain-1');
    assert.match((await container('name', 'plain-1')).output, /\(Paused\)/);
    await told('resumed', 'unpause', 'plain-1');
    assert.equal((await container('name', 'plain-1')).passed, true);
    await told('killed', 'kill', 'plain.1');
    assert.match((await container('name', 'plain.1')).output, /Exited \(137\)/);
    stop();
  });

  it('of a service pass by a task that runs here, whatever the coordinator says, and no other service counts', async () => {
    for (word of [false, undefined, true]) {
      const { passed, output, stale } = await service('shop_web');
      assert.deepEqual([passed, stale], [true, undefined]);
      assert.match(output, /^web\.1\.new: Up /);
      for (const [name, words] of [
        ['shop', /^no task of shop runs here; shop\.1: Exited \(0\)/],
        ['mail', /^no task of mail runs here$/],
      ] as const) {
        const found = await service(name);
        assert.deepEqual([found.passed, found.stale], [false, undefined]);
        assert.match(found.output, words);
      }
    }
  });

  it('of a service fail once its task is stopped', async () => {
    docker('pause', 'web.1.new');
    assert.match(
      (await service('shop_web')).output,
      /^no task of shop_web runs here; web\.1\.new: .*\(Paused\)/,
    );
    docker('unpause', 'web.1.new');
    assert.equal((await service('shop_web')).passed, true);
  });

  it('fail in time when the engine hangs; one of a service goes by the coordinator, and else stands', async () => {
    // By its parent: what the engine has just forked has the same command line for a moment.
    const pid = Number(execFileSync('pgrep', ['-P', String(engine.pid)], { encoding: 'utf8' }));
    process.kill(pid, 'SIGSTOP');
    await until('the engine to stand still', () => standsStill(pid));
    const { passed, output } = await container('name', 'plain-1');
    for (word of [true, false]) {
      assert.deepEqual(await service('shop_web'), { passed: word, output: 'by the coordinator' });
    }
    word = undefined;
    assert.deepEqual((await service('shop_web')).stale, { atMs: null });
    process.kill(pid, 'SIGCONT');
    assert.deepEqual([passed, output], [false, 'the engine does not answer within 2000 ms']);
  });
});
