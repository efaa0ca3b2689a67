// Asks keepalived itself whether it would take a configuration.
import { statSync } from 'node:fs';
import { run } from './run.ts';
import { writeWhole } from './state-store.ts';

const limitMs = 10_000;

/** Undefined when keepalived accepts the text; else why not, in its own words. @param file where to put the candidate */
export async function testConfig(file: string, text: string): Promise<string | undefined> {
  writeWhole(file, text);
  // keepalived calls an empty file fine, and removes every address on reload.
  if (statSync(file).size === 0) return 'the configuration is empty';
  const { code, stdout, stderr } = await run('keepalived', ['--config-test', '-f', file], limitMs);
  // The code differs between releases and kinds of error (2, 3, 4, 5): anything but 0 is a refusal.
  if (code === 0) return undefined;
  const words = `${stderr}\n${stdout}`
    .split('\n')
    .map((line) => line.replace(`${file}: `, '').trim())
    .filter((line) => line !== '')
    // A refused line with a password must not travel.
    .map((line) => (/auth_pass/i.test(line) ? line.replace(/'[^']*'/g, "'[redacted]'") : line))
    .join('; ');
  return `keepalived --config-test: ${words || 'no words'} (${code === null ? `no end within ${limitMs} ms` : `exit code ${code}`})`;
}
