// A client of the lab that asks an address every millisecond, and at the same time a control address that nobody
// touches: what the control misses is this machine's noise. ICMP, because the kernel answers it, so that a busy or
// frozen process counts for nothing. tcpdump sees each packet with the kernel's time stamp and the card's address.
import { type ChildProcess, spawn } from 'node:child_process';
import { isIPv6 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { inCgroup } from './cgroups.ts';
import { CONTROL_HOST, hostAddress, hostAddress6, type LabNames, type NodeNames } from './names.ts';
import { inNamespace } from './network.ts';
import { createPcapReader } from './pcap.ts';
import { createTally, type Tally } from './probe-tally.ts';
import { until } from './run.ts';

export interface ProbeOptions {
  /** Milliseconds between two probes; 1 unless told otherwise. */
  readonly intervalMs?: number;
  readonly signal?: AbortSignal;
}

export interface AnsweredBy {
  /** The node whose card it is, else the MAC itself. */
  readonly node: string;
  readonly mac: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

export interface ProbeReport extends Omit<Tally, 'answeredBy' | 'longestGap'> {
  readonly address: string;
  readonly intervalMs: number;
  /** Milliseconds since 1970, by the first and the last probe's plan. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly longestGapMs: number;
  readonly longestGap: { readonly fromMs: number; readonly toMs: number };
  readonly answeredBy: readonly AnsweredBy[];
  /** Longest time between two answers of the control address. */
  readonly controlGapMs: number;
  readonly controlLost: number;
  /** Packets that the capture itself missed: more than 0 makes the measurement void. */
  readonly captureDropped: number;
}

export interface RunningProbe {
  /** As of now, while it runs. */
  snapshot(): ProbeReport;
  /** Ends the probing, waits for late answers (at most a second) and reports. */
  stop(): Promise<ProbeReport>;
}

const LATE_ANSWER_MS = 1_000;
let lastId = Math.floor(Math.random() * 60_000);

export async function startProbe(
  lab: LabNames,
  nodes: readonly NodeNames[],
  address: string,
  options: ProbeOptions = {},
): Promise<RunningProbe> {
  const intervalMs = options.intervalMs ?? 1;
  if (!(intervalMs >= 1)) throw new Error(`a probe's interval is 1 ms or more; found ${intervalMs}`);
  const v6 = isIPv6(address);
  const controlAddress = v6 ? hostAddress6(lab, CONTROL_HOST) : hostAddress(lab, CONTROL_HOST);
  // The identifier in the packets tells this probe from others in the same client, and from its control.
  const id = (lastId % 60_000) + 1;
  lastId += 2;
  const target = createTally(intervalMs);
  const control = createTally(intervalMs);
  const read = createPcapReader((echo) => {
    if (echo.id === id) target.add(echo);
    else if (echo.id === id + 1) control.add(echo);
  });

  const children: ChildProcess[] = [];
  const start = (command: readonly string[]): ChildProcess => {
    const [file = '', ...args] = inCgroup(
      lab,
      'guests',
      inNamespace(lab, 'client', ['nice', '-n', '-15', ...command]),
    );
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    children.push(child);
    return child;
  };
  const kill = () => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  };
  const capture = start([
    ...[
      'tcpdump',
      '-i',
      'eth0',
      '-n',
      '-p',
      '-s',
      '80',
      '-B',
      '8192',
      '-Z',
      'root',
      '--immediate-mode',
      '-U',
      '-w',
      '-',
    ],
    v6
      ? 'icmp6 and (ip6[40] == 128 or ip6[40] == 129)'
      : 'icmp[icmptype] == icmp-echo or icmp[icmptype] == icmp-echoreply',
  ]);
  let said = '';
  let broken: Error | undefined;
  capture.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  capture.stdout?.on('data', (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (error) {
      broken ??= error instanceof Error ? error : new Error(String(error));
    }
  });
  const onAbort = () => kill();
  options.signal?.addEventListener('abort', onAbort, { once: true });

  try {
    await until('tcpdump', () => said.includes('listening on') || ended(capture, said), {
      timeoutMs: 10_000,
      everyMs: 5,
      signal: options.signal,
    });
    for (const [who, number] of [
      [controlAddress, id + 1],
      [address, id],
    ] as const) {
      const ping = start([
        'ping',
        v6 ? '-6' : '-4',
        '-n',
        '-q',
        '-e',
        `${number}`,
        '-i',
        `${intervalMs / 1000}`,
        who,
      ]);
      // Unread pipes fill up and block their writer.
      ping.stdout?.resume();
      ping.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
    }
    await until(
      'the control address to answer',
      () => (control.result().received > 0 ? true : anyEnded(children, said)),
      {
        timeoutMs: 10_000,
        everyMs: 2,
        signal: options.signal,
      },
    );
  } catch (error) {
    kill();
    throw error;
  }
  const fromMs = Date.now();
  const nodeOf = new Map(nodes.map((node) => [node.mac, node.name]));

  const report = (toMs: number, captureDropped: number): ProbeReport => {
    if (broken) throw broken;
    const { longestGap, answeredBy, ...counts } = target.result();
    const noise = control.result();
    return {
      address,
      intervalMs,
      fromMs,
      toMs,
      ...counts,
      longestGapMs: longestGap.ms,
      longestGap: { fromMs: longestGap.fromMs, toMs: longestGap.toMs },
      answeredBy: answeredBy.map((run) => ({ node: nodeOf.get(run.mac) ?? run.mac, ...run })),
      controlGapMs: noise.longestGap.ms,
      controlLost: noise.lost,
      captureDropped,
    };
  };

  return {
    snapshot: () => report(Date.now(), 0),
    stop: async () => {
      options.signal?.removeEventListener('abort', onAbort);
      const toMs = Date.now();
      for (const child of children) if (child !== capture) child.kill('SIGINT');
      for (let waited = 0; waited < LATE_ANSWER_MS && target.pending() + control.pending() > 0; waited += 10)
        await delay(10);
      const closed = new Promise((resolve) => capture.once('close', resolve));
      if (capture.exitCode === null && capture.kill('SIGTERM')) await closed;
      kill();
      return report(toMs, Number(said.match(/(\d+) packets? dropped by kernel/)?.[1] ?? 0));
    },
  };
}

function ended(child: ChildProcess, said: string): undefined {
  if (child.exitCode === null && child.signalCode === null) return undefined;
  throw new Error(
    `${child.spawnargs.slice(-14).join(' ')} ended with ${child.exitCode ?? child.signalCode}: ${said.trim()}`,
  );
}

function anyEnded(children: readonly ChildProcess[], said: string): undefined {
  for (const child of children) ended(child, said);
  return undefined;
}
