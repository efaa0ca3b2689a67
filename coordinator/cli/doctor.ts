// `swarm-vip doctor`: what is commonly wrong, looked through one after the other.
import type { Command } from 'commander';
import type { Finding } from '../core/doctor.ts';
import { columns } from '../io/columns.ts';
import type { Paint } from '../io/paint.ts';
import { CliError, type Client, exitCode, refusalText } from './client.ts';
import { type Output, outputOption, writeDocument } from './output.ts';

export function addDoctorCommand(program: Command, client: Client, paint: Paint): void {
  program
    .command('doctor')
    .description('look through prerequisites and common mistakes, as far as reports tell; exit 6 on errors')
    .addOption(outputOption())
    .action(async ({ output }: { output: Output }) => {
      const reply = await client.get('/api/v1/doctor');
      if (reply.status !== 200) throw new CliError(refusalText(reply), exitCode.error);
      const { findings } = reply.body as { findings: Finding[] };
      if (!writeDocument(output, 'Diagnosis', { findings }))
        process.stdout.write(doctorText(findings, paint));
      const failed = findings.some(({ verdict }) => verdict === 'error');
      process.exitCode = failed ? exitCode.degraded : exitCode.ok;
    });
}

export function doctorText(findings: readonly Finding[], paint: Paint): string {
  const rows = findings.map(({ check, verdict, words, remedy }) => {
    const loud = verdict === 'error' || verdict === 'warning' ? verdict.toUpperCase() : verdict;
    return [paint.severity(loud), check, remedy === null ? words : `${words}. Remedy: ${remedy}.`];
  });
  return `${columns(['', 'CHECK', 'FOUND'], rows)}\n`;
}
