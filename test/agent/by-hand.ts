// A keepalived that somebody runs by hand beside our agents, for the tests of what agents do about it.
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe } from 'node:test';
import { type Bench, createBench, type Host, instanceFor, nth } from './bench.ts';
import { startHosts, wipeHosts } from './fresh-hosts.ts';
import { vip } from './witness.ts';

export interface ByHand {
  stop(): Promise<void>;
}

/** Tests on a bench of their own, with what they need to have something run by hand there. */
export function onBench(title: string, define: (tools: ReturnType<typeof toolsOf>) => void): void {
  describe(title, { concurrency: 1 }, () => {
    let bench: Bench;
    let running: ByHand[] = [];
    before(async () => {
      bench = await createBench(3);
    });
    after(() => bench.close());
    beforeEach(() => startHosts(bench));
    afterEach(async () => {
      for (const each of running) await each.stop();
      running = [];
      await wipeHosts(bench);
    });
    define(toolsOf(
      () => bench,
      (started) => running.push(started),
    ));
  });
}

function toolsOf(bench: () => Bench, onStarted: (started: ByHand) => void) {
  const hosts = () => [nth(bench(), 1), nth(bench(), 2), nth(bench(), 3)] as const;

  /** As people write it: the address itself is advertised, with the prefix of its network. */
  async function byHand(
    host: Host,
    priority: number,
    change: { vrid?: number; address?: string; more?: string; peers?: readonly Host[] } = {},
  ): Promise<ByHand> {
    const {
      vrid = 51,
      address = `${vip}/24`,
      more = '',
      peers = bench().hosts.filter((each) => each !== host),
    } = change;
    const path = (name: string) => join(host.runDir, '..', name);
    writeFileSync(
      path('by-hand.conf'),
      `vrrp_instance hand {
    state BACKUP
    interface eth0
    virtual_router_id ${vrid}
    version 3
    priority ${priority}
    advert_int 0.2
    garp_master_delay 1
    unicast_src_ip ${host.address}
    unicast_peer {
        ${peers.map((each) => each.address).join('\n        ')}
    }
    virtual_ipaddress {
        ${address} dev eth0
    }
    ${more === '' ? '' : `virtual_ipaddress_excluded { \n${more} dev eth0\n }`}
}
`,
    );
    const files = ['-f', path('by-hand.conf'), '-p', path('by-hand.pid'), '-r', path('by-hand.vrrp')];
    const child: ChildProcess = bench().spawnIn(host, 'keepalived', '-n', '-l', '-G', '-P', ...files);
    child.stdout?.resume();
    const closed = new Promise((resolve) => child.on('close', resolve));
    const started = {
      async stop() {
        child.kill('SIGTERM');
        await closed;
      },
    };
    onStarted(started);
    return started;
  }

  const has = (host: Host, address = vip) =>
    host.exec('ip', '-o', '-4', 'addr', 'show', 'dev', 'eth0').includes(` ${address}/`);
  const lookOn = (host: Host) => instanceFor(host, bench().hosts, { observe: true, peersConfirmed: false });
  const seenBy = (host: Host) => host.report()?.observed?.[0];
  const states = (...of: Host[]) => of.map((host) => seenBy(host)?.state ?? '-').join(' ');
  const problemOf = (host: Host, code: string) =>
    host.report()?.problems.find((problem) => problem.code === code);
  /** Without lifetimes, which run. */
  const addresses = (host: Host) => host.exec('ip', '-o', 'addr').replace(/valid_lft.*/g, '');
  return { bench, hosts, byHand, has, lookOn, states, seenBy, problemOf, addresses };
}
