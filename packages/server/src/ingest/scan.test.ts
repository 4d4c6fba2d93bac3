import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEPTH_LIMIT, scanArray, scanList, scanObject } from './scan.ts';

const scan = (text: string | Buffer) => scanObject(Buffer.from(text as string));

describe('scanObject', () => {
  it('takes a value out exactly as it was posted', () => {
    const payload = '{"b":1.0,"a": [1e400,"\\u0000\\ud800"],"b":2,  "\\u0062":-0}';
    const body = Buffer.from(`{"eventType":"x", "payload" :\n${payload}\t, "channels":null}`);
    const result = scanObject(body);
    if (result.kind !== 'object') throw new Error(result.kind);
    expect(result.members.map((member) => member.key)).toEqual(['eventType', 'payload', 'channels']);
    const member = result.members[1]!;
    expect(body.subarray(member.start, member.end).toString()).toBe(payload);
  });

  it('reads escaped keys as what they mean', () => {
    const result = scan('{"p\\u0061yload":{}}');
    expect(result.kind === 'object' && result.members[0]!.key).toBe('payload');
  });

  it.each([
    ['{"a":1,}', 7],
    ["{'a':1}", 1],
    ['{"a":NaN}', 5],
    ['{"a":01}', 6],
    ['{"a":1.}', 7],
    ['{"a":.5}', 5],
    ['{"a":+1}', 5],
    ['{"a":1e}', 7],
    ['{"a":"\\x"}', 7],
    ['{"a":"\\u12g4"}', 10],
    ['{"a":"tab\tinside"}', 9],
    ['{"a":tru}', 8],
    ['{"a" 1}', 5],
    ['{"a":1', 6],
    ['{"a":"open', 10],
    ['{"a":1} x', 8],
    ['{"a":[1,]}', 8],
    ['\ufeff{}', 0],
  ])('refuses %s and says where', (text, offset) => {
    expect(scan(text)).toEqual({ kind: 'invalid', offset });
  });

  it('tells an empty body and another top level apart from broken JSON', () => {
    expect(scan(' \n').kind).toBe('empty');
    for (const text of ['[]', '"text"', 'null', '12', ' true ']) expect(scan(text).kind).toBe('not_object');
  });

  it('refuses nesting beyond the limit, whatever the depth, without recursing on it', () => {
    const nested = (depth: number): string => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(scan(nested(DEPTH_LIMIT)).kind).toBe('object');
    expect(scan(nested(DEPTH_LIMIT + 1)).kind).toBe('too_deep');
    expect(scan(nested(200_000)).kind).toBe('too_deep');
  });

  it('accepts what JSON.parse accepts, and finds the same members', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const bytes = Buffer.from(text);
        const result = scanObject(bytes);
        if (result.kind !== 'object') throw new Error(`${result.kind}: ${text}`);
        const parsed = result.members.map(({ key, start, end }) => [
          key,
          JSON.parse(bytes.subarray(start, end).toString()),
        ]);
        expect(parsed).toEqual(Object.entries(JSON.parse(text) as object));
      }),
    );
  });

  it('agrees with JSON.parse on broken texts too', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      ':',
      ',',
      '1',
      '-',
      '.',
      'e',
      'null',
      'true',
      ' ',
      '\\',
      'u00',
      'a',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = `{${pieces.join('')}}`;
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        expect(scan(text).kind === 'object').toBe(valid);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('scanArray', () => {
  it('finds the elements', () => {
    const bytes = Buffer.from(' [ {"a":[1,2]} , "x" ,3]');
    expect(scanArray(bytes).map(({ start, end }) => bytes.subarray(start, end).toString())).toEqual([
      '{"a":[1,2]}',
      '"x"',
      '3',
    ]);
    expect(scanArray(Buffer.from('[]'))).toEqual([]);
  });
});

describe('scanList', () => {
  const list = (text: string) => scanList(Buffer.from(text), 'messages');
  const element = (value: string): string => `{"messages":[${value}]}`;

  it('finds the elements and their members, from their own start', () => {
    const bytes = Buffer.from(' {"m\\u0065ssages" : [ {"a":[1,2]} ,\n{"b" : 1,"b":"ü"}] } ');
    expect(
      scanList(bytes, 'messages')?.map(({ start, end, members }) => {
        const own = bytes.subarray(start, end);
        return members.map((member) => [member.key, own.subarray(member.start, member.end).toString()]);
      }),
    ).toEqual([
      [['a', '[1,2]']],
      [
        ['b', '1'],
        ['b', '"ü"'],
      ],
    ]);
    expect(list('[{}]')).toEqual([{ start: 1, end: 3, members: [] }]);
  });

  it('lets an element nest as deep as a text of its own', () => {
    const nested = (levels: number) => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
    expect(list(element(nested(DEPTH_LIMIT)))).toHaveLength(1);
    expect(list(element(nested(DEPTH_LIMIT + 1)))).toBeNull();
  });

  it.each([
    '',
    '[]',
    '{}',
    element(''),
    element('1'),
    element('{},'),
    element('{} {}'),
    `${element('{}')}x`,
    '{"messages":[{}],"more":1}',
    '{"messages":[{}],"messages":[{}]}',
    '{"other":[{}]}',
    '{"messages":{}}',
    '{"messages":[{}]',
    '[{}',
    '[{}]}',
  ])('leaves alone %s', (text) => {
    expect(list(text)).toBeNull();
  });

  it('finds what scanning three times finds, whatever the bytes', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"messages"',
      '1',
      '{}',
      '{"a":1}',
      ' ',
      '"',
      '\\',
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 10 }).map((pieces) => pieces.join('')),
      fc
        .tuple(
          fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 3 }),
          fc.nat(),
          piece,
          fc.boolean(),
        )
        .map(([values, at, inserted, isBroken]) => {
          const whole = JSON.stringify({ messages: values });
          const cut = at % whole.length;
          return isBroken ? whole.slice(0, cut) + inserted + whole.slice(cut + 1) : whole;
        }),
    );
    let found = 0;
    fc.assert(
      fc.property(text, (json) => {
        const bytes = Buffer.from(json);
        const elements = scanList(bytes, 'messages');
        if (elements === null) return;
        found++;
        const parsed = JSON.parse(json) as unknown[] | { messages: unknown[] };
        expect(elements).toHaveLength((Array.isArray(parsed) ? parsed : parsed.messages).length);
        const scanned = scanObject(bytes);
        const outer = scanned.kind === 'object' ? scanned.members[0]!.start : 0;
        expect(elements.map(({ start, end }) => ({ start: start - outer, end: end - outer }))).toEqual(
          scanArray(bytes.subarray(outer)),
        );
        for (const { start, end, members } of elements) {
          expect(scanObject(bytes.subarray(start, end))).toEqual({ kind: 'object', members });
        }
      }),
      { numRuns: 5000 },
    );
    expect(found).toBeGreaterThan(500);
  });
});
