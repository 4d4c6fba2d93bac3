import type { Binaries } from './binaries.ts';

/**
 * How the server runs, apart from its place and port.
 *
 * On the command line and not in postgresql.conf, so that a new version of Posthorn brings its own
 * settings and nothing stale stays behind. `overrides` win.
 */
export const serverSettings = (
  binaries: Pick<Binaries, 'lz4'>,
  overrides: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> => ({
  // Loopback only, with a password. No Unix socket: its path would be too long under deep directories.
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '60',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '128MB',
  // Queries here are short. Parallel ones need /dev/shm, which containers keep at 64 MB.
  jit: 'off',
  max_parallel_workers_per_gather: '0',
  random_page_cost: '1.1',
  // Fewer checkpoints, so fewer whole pages in the write-ahead log, for at most 2 GB of disk.
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  wal_compression: binaries.lz4 ? 'lz4' : 'pglz',
  // Rows of open deliveries live for milliseconds: collect them often and without long pauses.
  autovacuum_naptime: '10s',
  autovacuum_vacuum_cost_delay: '1ms',
  // After a kill -9 of ours, what its sessions still run is ended, and with it their locks.
  client_connection_check_interval: '2s',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Statement errors reach Posthorn anyway. Here they could carry tenants' data, and would grow the file.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
  ...overrides,
});

/** `-c name=value` for each setting. */
export const asArguments = (settings: Readonly<Record<string, string>>): string[] =>
  Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
