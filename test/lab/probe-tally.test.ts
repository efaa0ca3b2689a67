// The bookkeeping of probes and the reading of captures, on made-up packets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPcapReader, type Echo } from './pcap.ts';
import { createTally } from './probe-tally.ts';

const START_US = 1_000_000_000;
const request = (sequence: number, ms: number): Echo => packet('request', sequence, ms, 'client');
const reply = (sequence: number, ms: number, mac = 'a'): Echo => packet('reply', sequence, ms, mac);
function packet(kind: Echo['kind'], sequence: number, ms: number, mac: string): Echo {
  return { kind, sequence, mac, id: 1, atUs: START_US + ms * 1000 };
}

function tallyOf(echoes: readonly Echo[], endMs: number, sent?: number) {
  const tally = createTally(1, START_US);
  for (const echo of echoes) tally.add(echo);
  return tally.result(START_US + endMs * 1000, sent);
}

test('counts what was answered within a second and nothing else', () => {
  const late = [request(0, 0), request(1, 1), reply(1, 1.1), reply(1, 1.2), reply(0, 1000.5)];
  const { sent, received, lost } = tallyOf(late, 2);
  assert.deepEqual({ sent, received, lost }, { sent: 2, received: 1, lost: 1 });
});

const stoodStill = [0, 100, 101].flatMap((ms, k) => [request(k, ms), reply(k, ms + 0.1)]);

test('measures how long somebody asked and nobody answered', () => {
  const { longestGap, gaps } = tallyOf([...stoodStill, request(3, 102), request(4, 103), reply(4, 140)], 140);
  assert.equal(longestGap.ms.toFixed(1), '38.9');
  assert.equal(gaps.length, 1);
});

test('a prober that stands still asks nothing: no gap of the address, but a lull of the machine', () => {
  const { longestGap, longestLullMs, gaps } = tallyOf(stoodStill, 101.2);
  assert.equal(longestGap.ms.toFixed(1), '1.1');
  assert.equal(longestLullMs, 100);
  assert.equal(gaps.length, 0);
});

test('probes that cannot be sent are asked all the same', () => {
  const { longestGap, lost } = tallyOf(
    [request(0, 0), reply(0, 0.1), request(50, 50), reply(50, 50.1)],
    50.2,
  );
  assert.deepEqual([longestGap.ms, lost], [50, 49]);
  assert.equal(tallyOf([request(0, 0), reply(0, 0.1)], 50.1, 50).longestGap.ms, 50);
});

test('an address that dies for good has been silent until the end', () => {
  assert.equal(tallyOf([request(0, 0), reply(0, 0.1), request(1, 1)], 500).longestGap.ms.toFixed(1), '499.9');
});

test('an address that nobody has is silent from begin to end, also when no packet can be sent', () => {
  const { sent, lost, longestGap } = tallyOf([], 500, 499);
  assert.deepEqual({ sent, lost, gapMs: longestGap.ms }, { sent: 499, lost: 499, gapMs: 500 });
});

test('the start of the prober itself is not an outage, a neighbour that is missing at first is one', () => {
  assert.equal(tallyOf([request(0, 30), reply(0, 30.1)], 30.2).longestGap.ms.toFixed(1), '0.1');
  assert.equal(tallyOf([request(390, 400), reply(390, 400)], 400.2).longestGap.ms, 400);
});

test('holes in the sequence are probes that could not be sent; the 16 bits wrap around', () => {
  const { sent, lost } = tallyOf([request(65_534, 0), reply(65_534, 0.1), request(1, 3), reply(1, 3.1)], 3.2);
  assert.deepEqual({ sent, lost }, { sent: 4, lost: 2 });
});

test('says which card answered from when to when', () => {
  const echoes = [0, 1, 2].flatMap((k) => [request(k, k), reply(k, k + 0.1, k < 2 ? 'a' : 'b')]);
  const { answeredBy } = tallyOf(echoes, 3);
  assert.deepEqual(
    answeredBy.map(({ mac, count }) => [mac, count]),
    [
      ['a', 2],
      ['b', 1],
    ],
  );
});

const fileHeader = Buffer.alloc(24);
fileHeader.writeUInt32LE(0xa1b2c3d4, 0);
fileHeader.writeUInt32LE(1, 20);

function record(frame: Buffer, seconds: number, microseconds: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(seconds, 0);
  header.writeUInt32LE(microseconds, 4);
  header.writeUInt32LE(frame.length, 8);
  return Buffer.concat([header, frame]);
}

test('reads echo packets of both families from a capture that arrives in single bytes', () => {
  const v4 = Buffer.alloc(42);
  v4.set([2, 0x76, 0x69, 0x70, 1, 11], 6);
  v4.writeUInt16BE(0x0800, 12);
  v4.writeUInt8(0x45, 14);
  v4.writeUInt8(1, 23);
  v4.writeUInt16BE(77, 38);
  v4.writeUInt16BE(5, 40);
  const v6 = Buffer.alloc(62);
  v6.writeUInt16BE(0x86dd, 12);
  v6.writeUInt8(58, 20);
  v6.writeUInt8(128, 54);
  v6.writeUInt16BE(6, 60);
  const arp = Buffer.alloc(42);
  arp.writeUInt16BE(0x0806, 12);
  const capture = Buffer.concat([fileHeader, record(v4, 10, 1), record(arp, 10, 2), record(v6, 10, 3)]);
  const seen: Echo[] = [];
  const read = createPcapReader((echo) => seen.push(echo));
  for (const byte of capture) read(Buffer.from([byte]));
  assert.deepEqual(seen, [
    { kind: 'reply', atUs: 10_000_001, id: 77, sequence: 5, mac: '02:76:69:70:01:0b' },
    { kind: 'request', atUs: 10_000_003, id: 0, sequence: 6, mac: '00:00:00:00:00:00' },
  ]);
});

test('refuses a capture that is not Ethernet', () => {
  const cooked = Buffer.from(fileHeader);
  cooked.writeUInt32LE(113, 20);
  assert.throws(() => createPcapReader(() => undefined)(cooked), /expected an Ethernet capture.*113/);
});
