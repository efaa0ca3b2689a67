// A client of the lab that asks an address every millisecond, and at the same time a control address that nobody
// touches: what the control misses is this machine's noise. ICMP, because the kernel answers it, so that a busy or
// frozen process counts for nothing. tcpdump sees each packet with the kernel's time stamp and the card's address.
// The sender is fping: ping slows down to 10 ms while nobody answers, which is just when it matters.
import { type ChildProcess, spawn } from 'node:child_process';
import { isIPv6 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { inCgroup } from './cgroups.ts';
import { CONTROL_HOST, hostAddress, hostAddress6, type LabNames, type NodeNames } from './names.ts';
import { inNamespace } from './network.ts';
import { createPcapReader } from './pcap.ts';
import { createTally, type ProbeTally, type Tally } from './probe-tally.ts';
import { attempt, until } from './run.ts';

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

export interface ProbeReport extends Omit<Tally, 'answeredBy' | 'longestGap' | 'longestLullMs'> {
  readonly address: string;
  readonly intervalMs: number;
  /** Begin and end of the probing, milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly longestGapMs: number;
  readonly longestGap: { readonly fromMs: number; readonly toMs: number };
  readonly answeredBy: readonly AnsweredBy[];
  /** Longest time between two answers of the control address, for whatever reason. */
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

// What the address misses should be the address's doing, so its probe runs before all ordinary processes (gaps of
// 1.5 ms on a fully loaded machine). The control is an ordinary process that gets its turn early: it feels how late
// a daemon that wakes up is served here, in the same run, and so how much of an outage is this machine's.
const PRECISE = ['chrt', '--fifo', '10'];
const EARLY = ['nice', '-n', '-15'];

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
  // A container may not be allowed real-time scheduling.
  const precise = (await attempt([...PRECISE, 'true'])).code === 0 ? PRECISE : EARLY;

  const programs: Program[] = [];
  const start = (command: readonly string[]): Program => {
    const program = startProgram(inCgroup(lab, 'guests', inNamespace(lab, 'client', command)));
    programs.push(program);
    return program;
  };
  const kill = () => {
    for (const { child } of programs) if (child.exitCode === null) child.kill('SIGKILL');
  };
  const alive = (): undefined => {
    for (const { child, said } of programs) {
      if (child.exitCode === null && child.signalCode === null) continue;
      throw new Error(
        `${child.spawnargs.at(-1)}: ended with ${child.exitCode ?? child.signalCode}: ${said().trim()}`,
      );
    }
  };
  options.signal?.addEventListener('abort', kill, { once: true });
  try {
    const filter = v6
      ? 'icmp6 and (ip6[40] == 128 or ip6[40] == 129)'
      : 'icmp[icmptype] == icmp-echo or icmp[icmptype] == icmp-echoreply';
    const flags = [
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
    ];
    const capture = start(['nice', '-n', '-10', 'tcpdump', ...flags, filter]);
    const patience = { timeoutMs: 10_000, everyMs: 2, signal: options.signal };
    await until('tcpdump', () => capture.said().includes('listening on') || alive(), patience);

    const fping = ['fping', v6 ? '-6' : '-4', '--loop', '--quiet', `--period=${intervalMs}`, '--interval=0'];
    const startUs = Date.now() * 1000;
    const control = stream(start([...EARLY, ...fping, controlAddress]), intervalMs, startUs);
    const target = stream(start([...precise, ...fping, address]), intervalMs, startUs);
    // The packets carry the low 16 bits of the sender's PID: this tells several probes in one client apart.
    const read = createPcapReader((echo) => {
      if (echo.id === target.id) target.tally.add(echo);
      else if (echo.id === control.id) control.tally.add(echo);
    });
    let broken: unknown;
    capture.child.stdout?.on('data', (chunk: Buffer) => {
      try {
        read(chunk);
      } catch (error) {
        broken ??= error;
      }
    });
    const answered = () => control.tally.result(startUs).received > 0 || undefined;
    await until('the control address to answer', () => answered() ?? alive(), patience);

    const macs = new Map(nodes.map((node) => [node.mac, node.name]));
    const report = (endUs: number, captureDropped: number): ProbeReport => {
      if (broken !== undefined) throw broken;
      const {
        longestGap,
        longestLullMs: _,
        answeredBy,
        ...counts
      } = target.tally.result(endUs, target.sent());
      const noise = control.tally.result(endUs, control.sent());
      return {
        address,
        intervalMs,
        fromMs: startUs / 1000,
        toMs: endUs / 1000,
        ...counts,
        longestGapMs: longestGap.ms,
        longestGap: { fromMs: longestGap.fromMs, toMs: longestGap.toMs },
        answeredBy: answeredBy.map((run) => ({ node: macs.get(run.mac) ?? run.mac, ...run })),
        controlGapMs: noise.longestLullMs,
        controlLost: noise.lost,
        captureDropped,
      };
    };
    return {
      snapshot: () => report(Date.now() * 1000, 0),
      stop: async () => {
        alive();
        const endUs = Date.now() * 1000;
        await Promise.all([target, control].map(({ program }) => program.end('SIGINT')));
        const late = () => target.tally.pending() + control.tally.pending() > 0;
        for (let waited = 0; waited < LATE_ANSWER_MS && late(); waited += 10) await delay(10);
        await capture.end('SIGTERM');
        options.signal?.removeEventListener('abort', kill);
        return report(endUs, Number(capture.said().match(/(\d+) packets? dropped by kernel/)?.[1] ?? 0));
      },
    };
  } catch (error) {
    kill();
    throw error;
  }
}

interface Program {
  readonly child: ChildProcess;
  /** What it wrote to stderr so far. */
  said(): string;
  end(signal: NodeJS.Signals): Promise<void>;
}

function startProgram(command: readonly string[]): Program {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    // A prober may complain about every single packet; the summary comes last.
    said = (said + chunk.toString()).slice(-4_000);
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    child,
    said: () => said,
    end: async (signal) => {
      if (child.exitCode === null) child.kill(signal);
      await closed;
    },
  };
}

interface Stream {
  readonly program: Program;
  readonly tally: ProbeTally;
  readonly id: number;
  /** From the prober's summary, once it has ended. */
  sent(): number | undefined;
}

function stream(program: Program, intervalMs: number, startUs: number): Stream {
  // Unread output fills its pipe and blocks the writer.
  program.child.stdout?.resume();
  return {
    program,
    tally: createTally(intervalMs, startUs),
    // Every program before fping on the command line replaces itself by the next: one PID for all.
    id: (program.child.pid ?? 0) & 0xffff,
    sent: () => {
      const count = program.said().match(/xmt\/rcv\/%loss = (\d+)\//)?.[1];
      return count === undefined ? undefined : Number(count);
    },
  };
}
