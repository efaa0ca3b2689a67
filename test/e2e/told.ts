// Somebody to be told in a lab, and secrets on the way to it: what is planted, what groups.yaml says, what came.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { PROJECT_ROOT } from '../lab/images.ts';
import type { Lab } from '../lab/lab.ts';
import { CLIENT_HOST, hostAddress } from '../lab/names.ts';

const httpPort = 8099;
const smtpPort = 2525;

/** One text each that nothing else contains. */
export interface Planted {
  /** The longest that VRRP takes. */
  vrrp: string;
  hook: string;
  key: string;
  chat: string;
  mail: string;
  /** In an HTTP header of a check. */
  header: string;
  /** In groups.yaml in clear. */
  clear: string;
  /** As a password in the environment of a service. */
  env: string;
}

export interface Heard {
  path?: string;
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  login?: string;
  password?: string;
  mail?: string;
}

export interface Told {
  readonly planted: Planted;
  /** Writes the files that planted.yaml makes secrets of. */
  plant(lab: Lab): Record<string, string>;
  /** Servers in the lab's client, for whoever is told. */
  listen(lab: Lab): void;
  heard(): readonly Heard[];
  /** groups.yaml with receivers, and with these groups. */
  text(lab: Lab, groups: object): string;
  /** The group whose password and header are planted. */
  sealed(address: string): object;
  end(): void;
}

export function createTold(): Told {
  const text = () => `pl${randomBytes(12).toString('hex')}`;
  const planted: Planted = {
    vrrp: text().slice(0, 8),
    ...{ hook: text(), key: text(), chat: text(), mail: text(), header: text(), clear: text() },
    env: text().slice(0, 8),
  };
  const folder = mkdtempSync(join(tmpdir(), 'planted-'));
  const lines: Heard[] = [];
  let child: ChildProcess | undefined;
  const base = (lab: Lab) => `http://${hostAddress(lab.names, CLIENT_HOST)}:${httpPort}`;
  return {
    planted,
    plant(lab) {
      const files = {
        vrrp: planted.vrrp,
        hook: `${base(lab)}/hook/${planted.hook}`,
        key: planted.key,
        chat: `${base(lab)}/chat/${planted.chat}`,
        mail: planted.mail,
      };
      for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
      return { PLANTED: folder };
    },
    listen(lab) {
      const script = [
        ...['--import', `${PROJECT_ROOT}/node_modules/tsx/dist/loader.mjs`],
        `${PROJECT_ROOT}/test/e2e/sinks.ts`,
      ];
      const ports = [httpPort, smtpPort].map(String);
      const [file = '', ...args] = lab.execCommand('client', ['node', ...script, ...ports]);
      child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      let rest = '';
      child.stdout?.on('data', (data) => {
        const parts = `${rest}${String(data)}`.split('\n');
        rest = parts.pop() ?? '';
        for (const line of parts) lines.push(JSON.parse(line) as Heard);
      });
    },
    heard: () => lines,
    text: (lab, groups) =>
      stringify({
        groups,
        notifications: {
          hook: { webhook: { url_file: 'planted-hook', secret_file: 'planted-key' } },
          chat: { chat: { url_file: 'planted-chat' }, events: ['holder', 'no-holder'] },
          mail: {
            smtp: {
              server: `${hostAddress(lab.names, CLIENT_HOST)}:${smtpPort}`,
              ...{ from: 'vip@example.org', to: ['ops@example.org'], user: 'vip' },
              ...{ password_file: 'planted-mail', tls: 'none' },
            },
            ...{ groups: ['main'], events: ['holder', 'drained'] },
          },
          clear: {
            chat: { url: `http://user:${planted.clear}@127.0.0.1:1/${planted.clear}` },
            events: ['drained'],
          },
        },
      }),
    sealed: (address) => ({
      addresses: [address],
      members: ['node.role == manager'],
      auth: { password_file: 'planted-vrrp' },
      checks: [
        {
          http: { url: 'http://127.0.0.1:1/', headers: { authorization: `Bearer ${planted.header}` } },
          ...{ weight: -20, interval: '1s' },
        },
      ],
    }),
    end() {
      child?.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
