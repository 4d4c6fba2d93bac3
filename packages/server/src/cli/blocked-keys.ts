import { str, type Json } from './connection.ts';
import { LIMIT_OPTION, listing, ofEndpoint, openEndpoint } from './resources.ts';
import { number, text, type Tool } from './tool.ts';

const COLUMNS = ['orderingKey', 'msgId', 'since', 'reason', 'waiting'];

/** Orders that a dead letter has stopped. */
export const blockedKeyTools: readonly Tool[] = [
  {
    usage: 'endpoints blocked <endpoint>',
    summary: 'List the ordering keys that a dead letter has stopped.',
    options: [...ofEndpoint, LIMIT_OPTION],
    run: async (input) => {
      const { connection, path } = await openEndpoint(input);
      const limit = number(input.flags, 'limit', 50, [1, 100_000]);
      const items = await connection.list(`${path}/blocked-key`, limit);
      const shown = items.map((item) => ({
        ...item,
        orderingKey: item['orderingKey'] ?? '(all of it)',
        waiting: (item['waiting'] as Json | undefined)?.['count'],
      }));
      input.print.result({ data: items }, () => listing(shown, COLUMNS));
      return 0;
    },
  },
  {
    usage: 'endpoints release <endpoint>',
    summary: 'Let blocked ordering keys go on with their next message. Prints how many.',
    options: [...ofEndpoint, ['--key <key>', 'This one only. Default: all of the endpoint.']],
    run: async (input) => {
      const { connection, path } = await openEndpoint(input);
      const key = text(input.flags, 'key');
      const body = key === undefined ? {} : { orderingKey: key };
      const answer = await connection.call('POST', `${path}/blocked-key/release`, body);
      input.print.result(answer, str(answer['released']));
      return 0;
    },
  },
];
