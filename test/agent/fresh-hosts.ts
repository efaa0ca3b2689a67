// What stands around every test of an agent suite: it begins with agents that know nothing, and leaves nothing behind.
import { type Bench, until } from './bench.ts';

/** The coordinator's part listens, every agent runs and has reported. */
export async function startHosts({ peer, hosts }: Bench): Promise<void> {
  await peer.start();
  for (const host of hosts) host.start();
  await until('all agents report', () => hosts.every((host) => host.report()));
}

/** Every agent is gone with its volume and its addresses. */
export async function wipeHosts({ peer, hosts }: Bench): Promise<void> {
  for (const host of hosts) {
    await host.kill();
    host.wipe();
  }
  await peer.stop();
}
