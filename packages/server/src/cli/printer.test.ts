import { describe, expect, it } from 'vitest';
import { createPrinter, plain, table, type PrinterOptions } from './printer.ts';

const printer = (given: Partial<PrinterOptions> = {}) => {
  const said = { out: '', err: '' };
  let nowMs = 0;
  const print = createPrinter({
    streams: { out: (text) => (said.out += text), err: (text) => (said.err += text) },
    json: false,
    output: true,
    errors: false,
    noColor: undefined,
    monotonicMs: () => nowMs,
    ...given,
  });
  return { print, said, later: (ms: number) => (nowMs += ms) };
};

describe('the printer', () => {
  it('prints JSON on one line or text', () => {
    const [a, b] = [printer({ json: true }), printer()];
    a.print.result({ a: 1 }, 'text');
    b.print.result({ a: 1 }, () => 'text');
    expect([a.said, b.said]).toEqual([
      { out: '{"a":1}\n', err: '' },
      { out: 'text\n', err: '' },
    ]);
  });

  it.each([
    [{}, true],
    [{ noColor: '' }, true],
    [{ noColor: '1' }, false],
    [{ output: false }, false],
    [{ json: true }, false],
  ])('paints with %j: %s', (given, painted) => {
    expect(printer(given).print.paint('red', 'x')).toBe(painted ? '\u001b[31mx\u001b[0m' : 'x');
  });

  it('says a line of progress a second, or replaces it in a terminal; never on standard output', () => {
    const [log, terminal] = [printer(), printer({ errors: true })];
    for (const { print, later } of [log, terminal]) {
      print.progress('1');
      later(50);
      print.progress('2');
      later(1_000);
      print.progress('3');
      print.result({}, 'end');
    }
    expect(log.said).toEqual({ out: 'end\n', err: '1\n3\n' });
    expect(terminal.said).toEqual({ out: 'end\n', err: '\r\u001b[K1\r\u001b[K3\n' });
  });

  it('lets no stranger write control characters', () => {
    expect(plain('a\u001b[2Jb\n\u009b')).toBe('a\\x1b[2Jb\\xa\\x9b');
    expect(plain('Käse')).toBe('Käse');
  });

  it('aligns columns', () => {
    expect(
      table([
        ['a', 'long', 'x'],
        ['ccc', 'd', ''],
      ]),
    ).toBe('a    long  x\nccc  d');
  });
});
