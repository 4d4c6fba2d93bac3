import { at, type Exhibit } from '../exhibit.ts';
import { answering, type Behaviour, closing, http, ok } from '../host.ts';

type Row = readonly [kind: number, name: string, does: string, expect: string, behaviour: Behaviour];

const FAILED = 'a failed attempt: no HTTP';
const DELIVERED = 'delivered';
const ANNOTATED = 'delivered: the status line decides, what follows is noted';

const rows: readonly Row[] = [
  [
    16,
    'unasked-100',
    'sends 100 Continue that nobody asked for, then 200',
    'delivered (RFC 9110, 15.2)',
    answering(`HTTP/1.1 100 Continue\r\n\r\n${ok}`),
  ],
  [
    17,
    'switching-protocols',
    'answers 101',
    'a failed attempt; the socket is closed',
    answering(http('101 Switching Protocols', 'upgrade: x\r\nconnection: upgrade')),
  ],
  [19, 'garbage', 'sends garbage', FAILED, answering('\x00\x01\x02garbage\r\n\r\n')],
  [
    19,
    'ssh-banner',
    'speaks SSH',
    `${FAILED}, at once`,
    { onConnection: (socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n') },
  ],
  [
    19,
    'smtp-banner',
    'speaks SMTP',
    `${FAILED}, at once`,
    { onConnection: (socket) => socket.write('220 mail ESMTP\r\n') },
  ],
  [19, 'http-0.9', 'answers as in 1991, without a head', FAILED, closing('<html>hello</html>')],
  [19, 'http-9.9', 'speaks HTTP/9.9', FAILED, answering('HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n')],
  [20, 'status-099', 'answers with status 099', 'a failed attempt, no crash', answering(http('099 What'))],
  [20, 'status-20', 'answers with a status of two digits', FAILED, answering(http('20 OK'))],
  [20, 'status-2000', 'answers with a status of four digits', FAILED, answering(http('2000 OK'))],
  [21, 'status-600', 'answers 600', 'a failed attempt with that status', answering(http('600 What'))],
  [21, 'status-999', 'answers 999', 'a failed attempt with that status', answering(http('999 What'))],
  [22, 'no-reason', 'leaves out the reason phrase', DELIVERED, answering(http('200'))],
  [23, 'http-1.0', 'speaks HTTP/1.0, without a length', DELIVERED, closing('HTTP/1.0 200 OK\r\n\r\nbody')],
  [23, 'no-length', 'gives no length and closes', DELIVERED, closing('HTTP/1.1 200 OK\r\n\r\nbody')],
  [
    24,
    'two-lengths',
    'gives two lengths that differ',
    `${FAILED}; the socket is closed`,
    answering(http('200 OK', 'content-length: 1\r\ncontent-length: 2', 'ab')),
  ],
  [
    24,
    'length-twice',
    'gives the same length twice',
    `${FAILED}, or delivered; never guessed`,
    answering(http('200 OK', 'content-length: 2\r\ncontent-length: 2', 'ab')),
  ],
  [
    24,
    'length-and-chunks',
    'gives a length, and chunks',
    `${FAILED}; the socket is closed`,
    answering(http('200 OK', 'content-length: 2\r\ntransfer-encoding: chunked', '2\r\nab\r\n0\r\n\r\n')),
  ],
  [24, 'negative-length', 'gives a negative length', FAILED, answering(http('200 OK', 'content-length: -1'))],
  [
    25,
    'body-cut-by-fin',
    'closes before the body’s end',
    ANNOTATED,
    closing(http('200 OK', 'content-length: 100', 'abc')),
  ],
  [
    25,
    'body-cut-by-rst',
    'resets before the body’s end',
    ANNOTATED,
    {
      onRequest: (socket) =>
        void socket.write(http('200 OK', 'content-length: 9', 'abc'), () => socket.resetAndDestroy()),
    },
  ],
  [
    25,
    'failure-cut',
    'answers 500 and closes before the body’s end',
    'a failed attempt with its status',
    closing(http('500 No', 'content-length: 100', 'abc')),
  ],
  [
    25,
    'bad-chunk',
    'sends a chunk without a size',
    ANNOTATED,
    answering(http('200 OK', 'transfer-encoding: chunked', 'zz\r\n')),
  ],
  [
    25,
    'no-last-chunk',
    'closes before the last chunk',
    ANNOTATED,
    closing(http('200 OK', 'transfer-encoding: chunked', '2\r\nab\r\n')),
  ],
  [
    26,
    'bare-line-feeds',
    'ends lines by LF alone',
    FAILED,
    answering('HTTP/1.1 200 OK\ncontent-length: 0\n\n'),
  ],
  [
    26,
    'folded-header',
    'folds a header',
    FAILED,
    answering(http('200 OK', 'x: a\r\n b\r\ncontent-length: 0')),
  ],
  [
    26,
    'nul-in-a-header',
    'has NUL in a header',
    FAILED,
    answering(http('200 OK', 'x: a\0b\r\ncontent-length: 0')),
  ],
  [
    26,
    'space-in-a-name',
    'has a space in a header’s name',
    FAILED,
    answering(http('200 OK', 'x y: z\r\ncontent-length: 0')),
  ],
  [
    27,
    'latin1-headers',
    'has header bytes that are no UTF-8',
    'delivered; kept so that a database takes them',
    answering(http('200 OK', 'x-odd: \xff\xfe\xe9\r\ncontent-length: 0')),
  ],
  [
    28,
    '204-with-a-body',
    'answers 204 with a body',
    DELIVERED,
    answering(http('204 No Content', 'content-length: 4', 'body')),
  ],
  [
    35,
    'fin-after-the-request',
    'reads the request and closes',
    'a failed attempt: it may have been handled, so the retry has the same id',
    { onRequest: (socket) => socket.end() },
  ],
  [
    35,
    'rst-after-the-request',
    'reads the request and resets',
    'a failed attempt: it may have been handled, so the retry has the same id',
    { onRequest: (socket) => socket.resetAndDestroy() },
  ],
  [
    35,
    'fin-in-the-status-line',
    'closes inside the status line',
    'a failed attempt: cut',
    closing('HTTP/1.1 2'),
  ],
  [
    35,
    'fin-in-the-headers',
    'closes inside the headers',
    'a failed attempt: cut',
    closing('HTTP/1.1 200 OK\r\ncontent-le'),
  ],
];

export const speaking: readonly Exhibit[] = rows.map(([kind, name, does, expect, behaviour]) => ({
  kind,
  name,
  does,
  expect,
  open: at(behaviour),
}));
