// Everything that the system says anywhere in a lab, by where it says it: what a secret must not be found in.
import type { Lab } from '../lab/lab.ts';
import type { RunResult } from '../lab/run.ts';

const services = ['swarm-vip_agent', 'swarm-vip_coordinator'];

/** @param file a groups.yaml to be checked and compared, from standard input */
export async function outputsOf(
  lab: Lab,
  nodes: readonly string[],
  file: string,
): Promise<Map<string, string>> {
  const outputs = new Map<string, string>();
  const keep = (where: string, { stdout, stderr }: RunResult) => outputs.set(where, `${stdout}${stderr}`);
  const manager = await lab.manager();

  for (const node of nodes) {
    for (const service of services) {
      const filter = `label=com.docker.swarm.service.name=${service}`;
      const { stdout } = await lab.docker(node, ['ps', '-aq', '-f', filter]);
      for (const id of stdout.split('\n').filter((each) => each !== ''))
        keep(`log of ${service} ${id} on ${node}`, await lab.exec(node, ['docker', 'logs', id]));
    }
    const processes = 'cat /proc/[0-9]*/cmdline | tr "\\0" " "';
    keep(`processes of ${node}`, await lab.exec(node, ['sh', '-c', processes]));
    keep(
      `labels of ${node}`,
      await lab.docker(manager, ['node', 'inspect', '-f', '{{json .Spec.Labels}}', node]),
    );
  }
  const labels = '{{json .Spec.Labels}} {{json .Spec.TaskTemplate.ContainerSpec.Labels}}';
  const { stdout: list } = await lab.docker(manager, ['service', 'ls', '-q']);
  keep(
    'labels of services',
    await lab.docker(manager, ['service', 'inspect', '-f', labels, ...list.trim().split('\n')]),
  );

  const filter = 'label=com.docker.swarm.service.name=swarm-vip_coordinator';
  const container =
    (await lab.docker(manager, ['ps', '-q', '-f', filter])).stdout.trim().split('\n')[0] ?? '';
  const commands = [
    ...['json', 'yaml', 'wide'].flatMap((output) =>
      ['status', 'groups', 'nodes'].map((view) => [view, '-o', output]),
    ),
    ...[
      ['doctor'],
      ['history', '--all', '-o', 'json'],
      ['events', '--since', '1d', '-o', 'json'],
      ['config', 'diff'],
    ],
    ...nodes.map((node) => ['config', 'render', node]),
    ...nodes.map((node) => ['config', 'render', node, '--file', '-']),
    ...[
      ['config', 'check', '-'],
      ['config', 'check', '-', '-o', 'json'],
      ['config', 'diff', '--file', '-'],
    ],
    ...[['config', 'diff', '--file', '-', '-o', 'json']],
  ];
  for (const command of commands) {
    const call = ['docker', 'exec', '-i', container, 'swarm-vip', ...command];
    keep(`swarm-vip ${command.join(' ')}`, await lab.exec(manager, call, { input: file }));
  }

  const script = `
    const pages = process.argv.slice(1);
    const text = (url) => fetch(url).then((answer) => answer.text());
    Promise.all(pages.map(async (url) => [url, await text(url)])).then((all) => console.log(JSON.stringify(all)));`;
  const pages = lab
    .nodes()
    .filter(({ name }) => nodes.includes(name))
    .flatMap(({ address }) => [
      ...['metrics', 'healthz'].map((path) => `http://${address}:9165/${path}`),
      ...[
        'metrics',
        'sd',
        'healthz',
        '',
        'api/v1/status',
        'api/v1/history',
        'api/v1/overview',
        'api/v1/doctor',
      ].map((path) => `http://${address}:9167/${path}`),
    ]);
  const { stdout } = await lab.exec('client', ['node', '-e', script, ...pages]);
  for (const [url, text] of JSON.parse(stdout) as [string, string][]) outputs.set(url, text);
  return outputs;
}
