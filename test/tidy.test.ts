// The house rules, kept by the suite (ARCHITECTURE.md, "Invariants").
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';

const root = new URL('..', import.meta.url).pathname;
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '');
const sources = tracked.filter((path) => path.endsWith('.ts'));
const product = sources.filter((path) => !path.startsWith('test/'));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Every module a file imports: paths from the root, package names, node: names. */
function imports(path: string): string[] {
  return [...read(path).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, target = '']) =>
    target.startsWith('.') ? normalize(join(dirname(path), target)) : target,
  );
}

const isPure = (path: string) => path.includes('/core/') || /^shared\/[^/]+\.ts$/.test(path);
/** Packages that only compute. */
const purePackages = new Set(['valibot', 'ipaddr.js', 'yaml', 'fastest-levenshtein']);

describe('the house', () => {
  it('finds files to check', () => {
    assert.ok(product.some((path) => path.startsWith('agent/core/')));
    assert.ok(product.some((path) => path.startsWith('coordinator/core/')));
  });

  it('keeps core and shared words pure: they import nothing but each other and packages that only compute', () => {
    for (const path of product.filter(isPure)) {
      for (const target of imports(path)) {
        const own = target.endsWith('.ts') && isPure(target);
        assert.ok(own || purePackages.has(target) || target === 'package.json', `${path} imports ${target}`);
      }
    }
  });

  it('gives core no clock, no timers, no randomness, no console and no process', () => {
    for (const path of product.filter(isPure)) {
      const code = read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      const found =
        /\b(Date\.now|new Date\(\)|setTimeout|setInterval|setImmediate|Math\.random|console\.|process\.)/.exec(
          code,
        );
      assert.equal(found?.[0], undefined, `${path} uses ${found?.[0]}`);
    }
  });

  it('never lets agent and coordinator import each other', () => {
    for (const [side, other] of [
      ['agent/', 'coordinator/'],
      ['coordinator/', 'agent/'],
      ['shared/', 'agent/'],
      ['shared/', 'coordinator/'],
    ]) {
      for (const path of product.filter((each) => each.startsWith(side ?? ''))) {
        for (const target of imports(path))
          assert.ok(!target.startsWith(other ?? ''), `${path} imports ${target}`);
      }
    }
  });

  it('reads the environment only in composition roots', () => {
    const allowed = ['agent/main.ts', 'coordinator/main.ts', 'coordinator/cli.ts'];
    for (const path of product) {
      if (!allowed.includes(path))
        assert.ok(!read(path).includes('process.env'), `${path} reads process.env`);
    }
  });

  it('exports by name only, and swallows no error in silence', () => {
    for (const path of sources) {
      assert.ok(!/^export default/m.test(read(path)), `${path} has a default export`);
      assert.ok(!/catch\s*(\([^)]*\))?\s*\{\s*\}/.test(read(path)), `${path} has an empty catch`);
    }
  });

  it('opens every source file with its place in the data flow', () => {
    for (const path of sources.filter((each) => !each.endsWith('.test.ts'))) {
      assert.match(read(path), /^(#!.*\n)?(\/\/|\/\*\*)/, `${path} does not say what it is for`);
    }
  });

  it('names files in kebab-case and for what they export', () => {
    for (const path of sources) {
      const name = path.split('/').at(-1) ?? '';
      assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/, path);
      assert.ok(!/^(utils?|helpers?|manager|common|misc)\.ts$/.test(name), `${path} says nothing`);
    }
  });

  it('justifies every dependency in ARCHITECTURE.md', () => {
    const manifest: { dependencies: object; devDependencies: object } = JSON.parse(read('package.json'));
    const text = read('ARCHITECTURE.md');
    for (const name of Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })) {
      assert.ok(text.includes(`\`${name}\``), `${name} is not in ARCHITECTURE.md`);
    }
  });

  it('commits no path of a machine and no host of a package registry', () => {
    for (const path of tracked.filter((each) => !/\.(png|svg)$/.test(each))) {
      const found = /(?:\/work\/|\/root\/\.|"resolved":)/.exec(read(path));
      if (path !== 'test/tidy.test.ts') assert.equal(found?.[0], undefined, `${path} contains ${found?.[0]}`);
    }
  });
});
