import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultRouteInterface, gatewaysByInterface, visibleInterfaces } from '../../agent/core/kernel.ts';

const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
const row = (name: string, destination: string, metric: number, mask: string) =>
  `${name}\t${destination}\t0101A8C0\t0003\t0\t0\t${metric}\t${mask}\t0\t0\t0\n`;
const zero = '0'.repeat(32);
const row6 = (name: string, gateway: string, metric: string, prefix = '00') =>
  `${zero} ${prefix} ${zero} 00 ${gateway} ${metric} 00000001 00000000 00000003 ${name.padStart(8)}\n`;

describe('the interface of the default route', () => {
  it('is the one with the lowest metric', () => {
    const table = `${head}${row('wlan0', '00000000', 600, '00000000')}${row('eth0', '00000000', 100, '00000000')}`;
    assert.equal(defaultRouteInterface(table + row('eth1', '0001A8C0', 0, '00FFFFFF'), ''), 'eth0');
  });

  it('is no half of the address space', () => {
    assert.equal(defaultRouteInterface(head + row('tun0', '00000000', 0, '00000080'), ''), undefined);
  });

  it('is that of IPv6 where IPv4 has none; unreachable routes on lo do not count', () => {
    const gateway = `fe80${'0'.repeat(27)}1`;
    const table =
      row6('lo', zero, 'ffffffff') + row6('eth1', gateway, '00000400') + row6('eth0', gateway, '00000064');
    assert.equal(defaultRouteInterface(head, table), 'eth0');
    assert.equal(defaultRouteInterface(head + row('eth5', '00000000', 0, '00000000'), table), 'eth5');
  });

  it('is marked in the report, the others are not', () => {
    const link = { name: 'eth0', up: true, loopback: false, addresses: [] };
    const seen = visibleInterfaces(
      [
        { ...link, defaultRoute: true },
        { ...link, name: 'eth1', defaultRoute: false },
      ],
      [],
    );
    assert.deepEqual(
      seen.map(({ defaultRoute }) => defaultRoute),
      [true, undefined],
    );
  });
});

describe('gateways', () => {
  const via = (name: string, gateway: string) =>
    `${name}\t00000000\t${gateway}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n`;

  it('are told by interface, each once; direct routes, link-local ones and lo have none', () => {
    const own = '0'.repeat(31);
    const found = gatewaysByInterface(
      head +
        via('eth0', '0101A8C0') +
        via('eth0', '0101A8C0') +
        via('eth0', 'FE01A8C0') +
        via('eth1', '00000000'),
      row6('eth0', `fd00${own.slice(4)}1`, '00000400') +
        row6('eth1', `fe80${own.slice(4)}1`, '00000400') +
        row6('lo', `fd00${own.slice(4)}2`, '00000400'),
    );
    assert.deepEqual([...found], [['eth0', ['192.168.1.1', '192.168.1.254', 'fd00::1']]]);
  });
});
