import { ApiError, createApiClient } from './api-client.ts';
import { causeOf } from './connection.ts';
import type { ExitCode, Streams } from './output.ts';

type Cluster = {
  readonly nodes: readonly {
    readonly id: string;
    readonly name: string;
    readonly role: string;
    readonly joinedAt: string;
    readonly partitions: number;
  }[];
  readonly partitions: readonly unknown[];
  readonly unowned: number;
  readonly lanes: { readonly total: number; readonly due: number; readonly blocked: number };
  readonly queueAgeMs: number;
};

const table = (rows: readonly (readonly string[])[]): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
};

/** The cluster in words and a table. */
export const clusterText = ({ nodes, partitions, unowned, lanes, queueAgeMs }: Cluster): string => {
  const head = ['node', 'role', 'partitions', 'since'];
  const rows = nodes.map(({ name, role, partitions: held, joinedAt }) => [
    name,
    role,
    String(held),
    joinedAt,
  ]);
  return [
    table([head, ...rows]),
    `\n${partitions.length} partitions, ${unowned} without an owner\n`,
    `${lanes.total} lanes: ${lanes.due} with work due, ${lanes.blocked} blocked\n`,
    `the oldest delivery that is due has waited ${(queueAgeMs / 1000).toFixed(1)} s\n`,
  ].join('');
};

/** `posthorn cluster`: who does the work. Exit code 1 when the server refuses or nobody owns a partition, 3 without an answer. */
export const cluster = async (
  url: string,
  token: string,
  asJson: boolean,
  streams: Streams,
): Promise<ExitCode> => {
  let answer: Cluster;
  try {
    answer = (await createApiClient(url, token)('GET', '/api/v1/admin/cluster')) as unknown as Cluster;
  } catch (error) {
    if (error instanceof ApiError) {
      streams.err(
        `posthorn: ${url} refuses: ${error.message}\n  Is POSTHORN_JWT_SECRET the one of this server? A node with POSTHORN_ROLE=worker serves no API: ask another.\n`,
      );
      return 1;
    }
    streams.err(
      `posthorn: no answer from ${url} (${causeOf(error)}). Is it running? Name another address with --url.\n`,
    );
    return 3;
  }
  streams.out(asJson ? `${JSON.stringify(answer)}\n` : clusterText(answer));
  return answer.unowned > 0 ? 1 : 0;
};
