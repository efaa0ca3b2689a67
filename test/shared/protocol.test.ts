import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  AgentFrame,
  CoordinatorFrame,
  closeCode,
  compareGenerations,
  parseFrame,
} from '../../shared/protocol.ts';
import { masterDownMs } from '../../shared/timers.ts';
import { canonicalAddress, inSubnet } from '../../shared/words.ts';

const hello = {
  type: 'hello',
  protocol: 1,
  node: 'k3vq0f5b1u2m4n6p8r0s2t4w6',
  hostname: 'web-01',
  agentVersion: '0.1.0',
  keepalivedVersion: '2.2.7',
};

describe('parseFrame', () => {
  it('ignores unknown fields', () => {
    const parsed = parseFrame(AgentFrame, JSON.stringify({ ...hello, colour: 'blue' }));
    assert.deepEqual(parsed, { ok: true, frame: hello });
  });

  it('refuses unknown types', () => {
    const parsed = parseFrame(AgentFrame, JSON.stringify({ ...hello, type: 'welcome' }));
    assert.equal(parsed.ok, false);
  });

  it('names the place of a fault', () => {
    const parsed = parseFrame(AgentFrame, JSON.stringify({ ...hello, node: 'nope' }));
    assert.ok(!parsed.ok && parsed.reason.startsWith('node: '), JSON.stringify(parsed));
  });

  it('never throws, whatever text arrives', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        parseFrame(AgentFrame, text);
        parseFrame(CoordinatorFrame, text);
      }),
    );
  });

  it('flattens control characters in words, so that a peer cannot forge a line of the log', () => {
    const problem = {
      code: 'some-code',
      severity: 'error',
      where: 'a\nb',
      message: '\u001b[31m',
      instead: '',
      remedy: '',
    };
    const report = {
      type: 'report',
      interfaces: [],
      applied: null,
      rejected: null,
      instances: [],
      keepalived: { phase: 'running', restarts: 0 },
      problems: [problem],
    };
    const parsed = parseFrame(AgentFrame, JSON.stringify(report));
    assert.ok(parsed.ok && parsed.frame.type === 'report');
    assert.deepEqual([parsed.frame.problems[0]?.where, parsed.frame.problems[0]?.message], ['a b', ' [31m']);
  });
});

describe('PROTOCOL.md', () => {
  it('lists every close code', () => {
    const text = readFileSync(new URL('../../shared/PROTOCOL.md', import.meta.url), 'utf8').replaceAll(
      / +/g,
      ' ',
    );
    for (const [name, code] of Object.entries(closeCode))
      assert.ok(text.includes(`| ${code} | \`${name}\` |`), name);
  });
});

describe('generations', () => {
  it('order by epoch, then by counter', () => {
    assert.ok(compareGenerations({ epoch: 2, counter: 0 }, { epoch: 1, counter: 9 }) > 0);
    assert.ok(compareGenerations({ epoch: 1, counter: 1 }, { epoch: 1, counter: 2 }) < 0);
  });
});

describe('addresses', () => {
  it('have one canonical text', () => {
    assert.equal(canonicalAddress('FD00:0:0::1'), 'fd00::1');
    for (const bad of ['10.0.0', '010.0.0.1', '10.0.0.1/24', 'fe80::1%eth0', '', 'web']) {
      assert.equal(canonicalAddress(bad), undefined);
    }
  });

  it('of one family are not in a subnet of the other', () => {
    assert.equal(inSubnet('10.0.0.9', '10.0.0.1/24'), true);
    assert.equal(inSubnet('10.0.1.9', '10.0.0.1/24'), false);
    assert.equal(inSubnet('fd00::9', '10.0.0.1/24'), false);
  });
});

describe('masterDownMs', () => {
  it('is three intervals and the skew of RFC 5798 §6.1', () => {
    assert.equal(masterDownMs(3, 100, 128), 350);
    assert.equal(masterDownMs(2, 1000, 100), 3609.375);
  });
});
