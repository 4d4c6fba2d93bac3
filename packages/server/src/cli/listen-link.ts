import { WebSocket } from 'ws';
import type { ClientFrame, ServerFrame } from '../api/listen-protocol.ts';

/** The line to a server, kept up over its restarts. */
export type Link = {
  /** False when it is down: nothing was sent. */
  readonly send: (frame: ClientFrame) => boolean;
  readonly close: () => void;
};

export type LinkEvents = {
  /** A new line is open; nothing said on an earlier one counts. */
  readonly onOpen: () => void;
  readonly onFrame: (frame: ServerFrame) => void;
  /** It is down, and will be tried again. */
  readonly onDown: (why: string) => void;
  /** It will not come up again: the server refuses. `status` of HTTP, or of RFC 6455. */
  readonly onRefused: (status: number, why: string) => void;
};

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5_000;
/** The server pings every ten seconds. */
const SILENCE_MS = 25_000;
const HANDSHAKE_MS = 10_000;
/** What trying again does not mend. */
const FINAL = new Set([400, 401, 403, 404, 422, 1008, 4401, 4404]);

export const openLink = (url: string, token: string, random: () => number, events: LinkEvents): Link => {
  let socket: WebSocket | null = null;
  let isOver = false;
  let waitMs = FIRST_WAIT_MS;
  let retry: NodeJS.Timeout | undefined;

  const refuse = (status: number, why: string): void => {
    isOver = true;
    events.onRefused(status, why);
  };

  const dial = (): void => {
    const line = new WebSocket(url, {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: HANDSHAKE_MS,
      perMessageDeflate: false,
      maxPayload: 128 * 1024 * 1024,
    });
    socket = line;
    let why = '';
    let silence: NodeJS.Timeout | undefined;
    const heard = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        why = `nothing heard for ${SILENCE_MS / 1000} s`;
        line.terminate();
      }, SILENCE_MS);
    };
    line.on('open', () => {
      waitMs = FIRST_WAIT_MS;
      heard();
      events.onOpen();
    });
    line.on('ping', heard);
    line.on('message', (data) => {
      heard();
      if (socket === line) events.onFrame(JSON.parse((data as Buffer).toString('utf8')) as ServerFrame);
    });
    line.on('unexpected-response', (_request, response) => {
      const status = response.statusCode ?? 0;
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('close', () => {
        why = `${status} ${reasonOf(body)}`;
        if (FINAL.has(status) && !isOver) refuse(status, reasonOf(body));
        line.terminate();
      });
    });
    line.on('error', (error: Error & { code?: string }) => (why ||= error.code ?? error.message));
    line.on('close', (code, reason) => {
      clearTimeout(silence);
      if (socket === line) socket = null;
      if (isOver) return;
      if (FINAL.has(code)) return refuse(code, reason.toString());
      events.onDown(why || reason.toString() || `closed with ${code}`);
      // Many listeners of one server do not come back in the same moment.
      retry = setTimeout(dial, waitMs * (0.5 + random() / 2));
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
    });
  };
  dial();

  return {
    send: (frame) => {
      if (socket?.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
    close: () => {
      isOver = true;
      clearTimeout(retry);
      socket?.close(1000);
      socket?.terminate();
    },
  };
};

const reasonOf = (body: string): string => {
  try {
    return String((JSON.parse(body) as { detail?: unknown }).detail);
  } catch {
    return body.slice(0, 200);
  }
};
