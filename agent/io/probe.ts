// Evidence for the pause rule: does anybody answer for an address, and does the holder send us its adverts?
import type { ChildProcess } from 'node:child_process';
import type { Instance } from '../../shared/protocol.ts';
import { familyOf } from '../../shared/words.ts';
import { run, spawnTied } from './run.ts';

export type Answer =
  | { readonly kind: 'silence' }
  | { readonly kind: 'answer'; readonly address: string; readonly mac: string }
  | { readonly kind: 'unknown'; readonly why: string };

/** How many addresses are asked for at once. */
const width = 32;

/** Asks for every address of the instance, a second each, all at once; the first answer decides. */
export async function askAddresses(instance: Pick<Instance, 'addresses' | 'interface'>): Promise<Answer> {
  for (let from = 0; from < instance.addresses.length; from += width) {
    const part = instance.addresses.slice(from, from + width);
    const answers = await Promise.all(part.map((address) => askAddress(address, instance.interface)));
    const found =
      answers.find((answer) => answer.kind === 'answer') ??
      answers.find((answer) => answer.kind === 'unknown');
    if (found) return found;
  }
  return { kind: 'silence' };
}

async function askAddress(virtual: string, link: string): Promise<Answer> {
  const [address = ''] = virtual.split('/');
  // Duplicate address detection: it asks from 0.0.0.0, so that no neighbour learns a wrong sender.
  const [command, args] =
    familyOf(address) === 4
      ? (['arping', ['-D', '-f', '-w', '1', '-I', link, address]] as const)
      : (['ndisc6', ['-1', '-r', '1', '-w', '1000', address, link]] as const);
  const { code, stdout, stderr } = await run(command, args, 5_000);
  const mac = /\b([0-9a-f]{2}(?::[0-9a-f]{2}){5})\b/i.exec(stdout)?.[1]?.toLowerCase();
  if (mac !== undefined) return { kind: 'answer', address, mac };
  // arping ends with 0 after silence under -D, ndisc6 with 2.
  if (code === (command === 'arping' ? 0 : 2) && !/error|cannot|invalid/i.test(stderr))
    return { kind: 'silence' };
  return {
    kind: 'unknown',
    why: `${command} ${address} on ${link}: ${stderr.trim() || `exit code ${code}`}`,
  };
}

/** A capture filter for adverts from the instance's peers, to its own source, priority 0 ("I stop") left out. */
export function advertFilter(instance: Pick<Instance, 'source' | 'peers' | 'vrid'>): string {
  const from = instance.peers.map((peer) => `src host ${peer.address}`).join(' or ');
  // Offsets: VRID is byte 1 of the VRRP header, priority byte 2 (RFC 5798 §5.1).
  const header =
    familyOf(instance.source) === 4
      ? `ip proto 112 and ip[((ip[0]&0xf)<<2)+1]=${instance.vrid} and ip[((ip[0]&0xf)<<2)+2]!=0`
      : `ip6 proto 112 and ip6[41]=${instance.vrid} and ip6[42]!=0`;
  return `${header} and dst host ${instance.source} and (${from})`;
}

/** Waits for the first such advert. Returns how to stop waiting. */
export function listenForAdvert(
  instance: Pick<Instance, 'source' | 'peers' | 'vrid' | 'interface'>,
  onHeard: () => void,
  onFailed: (why: string) => void,
): () => void {
  if (instance.peers.length === 0) return () => undefined;
  let stopped = false;
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  const listen = () => {
    let words = '';
    let failure: string | undefined;
    child = spawnTied('tcpdump', ['-lntp', '-i', instance.interface, '-c', '1', advertFilter(instance)]);
    child.stdout?.resume();
    child.stderr?.on('data', (data) => {
      words = `${words}${data}`.slice(-500);
    });
    child.on('error', (error) => {
      failure = error.message;
    });
    child.on('close', (code) => {
      if (stopped) return;
      if (code === 0) return onHeard();
      onFailed(failure ?? words.trim());
      timer = setTimeout(listen, 1000);
    });
  };
  listen();
  return () => {
    stopped = true;
    clearTimeout(timer);
    child?.kill('SIGKILL');
  };
}
