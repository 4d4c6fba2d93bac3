import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Clock } from '../clock.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import { allows } from './capabilities.ts';
import { refuseSocket, type HttpError } from './http-errors.ts';
import { isIdOrUid } from './fields.ts';
import { parseClientFrame } from './listen-protocol.ts';
import { createListenSession, type ListenSessionDeps } from './listen-session.ts';
import { visibleApplication } from './operation.ts';
import type { ApiDeps, EndpointPath } from './port.ts';

export type ListenChannelDeps = {
  readonly api: Pick<ApiDeps, 'authenticator' | 'store' | 'sleep' | 'report'>;
  readonly clock: Clock;
  readonly loadEndpoint: (endpointId: string) => Promise<EndpointConfig | undefined>;
  readonly oldestWriterMs: ListenSessionDeps['oldestWriterMs'];
  readonly headersOf: ListenSessionDeps['headersOf'];
};

export type ListenChannel = {
  /** Takes a WebSocket handshake for a listen channel and says true, or leaves it. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;
  /** Tells every client that the server goes away, and cuts who does not hang up. */
  readonly close: () => void;
};

const PATH = /^\/api\/v1\/app\/([^/?]+)\/endpoint\/([^/?]+)\/listen\/?(?:\?(.*))?$/;
const MOST_SESSIONS = 256;
const MOST_PER_ORG = 32;
const MOST_EVENT_TYPES = 100;
const FRAME_BYTES = 128 * 1024;
const PULSE_MS = 10_000;
const GOODBYE_MS = 500;

/** Reasons to end a session, as codes of RFC 6455 (4000 and up are free for applications). */
const ENDS = {
  going_away: { code: 1001, reason: 'the server stops' },
  bad_frame: { code: 1008, reason: 'a frame that this protocol does not have' },
  token_ended: { code: 4401, reason: 'the token is not valid any more' },
  endpoint_gone: { code: 4404, reason: 'the endpoint was deleted' },
} as const;

const httpError = (status: number, reason: string, code: string, detail: string): HttpError => ({
  status,
  reason,
  code,
  detail,
});
const noSuch = httpError(404, 'Not Found', 'not_found', 'There is no such application or endpoint.');
const tooMany = httpError(
  503,
  'Service Unavailable',
  'too_many_listeners',
  'As many listen as this server serves. End another posthorn listen, or try again later.',
);
const badTypes = httpError(
  422,
  'Unprocessable Content',
  'bad_event_types',
  'event_types names no event types.',
);
const notAllowed = httpError(
  403,
  'Forbidden',
  'insufficient access',
  'Insufficient access for the given operation.',
);
const unavailable = httpError(
  503,
  'Service Unavailable',
  'unavailable',
  'The database cannot be reached now.',
);

type Admitted = {
  readonly path: EndpointPath;
  readonly eventTypes: readonly string[] | null;
  readonly authorization: string | undefined;
};

const eventTypesOf = (query: string | undefined): readonly string[] | null | 'bad' => {
  const asked = new URLSearchParams(query).get('event_types');
  if (asked === null) return null;
  const types = asked.split(',').filter((type) => type !== '');
  return types.length === 0 || types.length > MOST_EVENT_TYPES || !types.every(isIdOrUid) ? 'bad' : types;
};

/** `GET /api/v1/app/{app}/endpoint/{endpoint}/listen` as a WebSocket: what `posthorn listen` reads. */
export const createListenChannel = (deps: ListenChannelDeps): ListenChannel => {
  const { authenticator, store } = deps.api;
  const server = new WebSocketServer({ noServer: true, maxPayload: FRAME_BYTES, perMessageDeflate: false });
  const perOrg = new Map<string, number>();
  let sessions = 0;
  let isClosed = false;

  const admit = async (match: RegExpExecArray, authorization?: string): Promise<Admitted | HttpError> => {
    const auth = await authenticator.authenticate(authorization);
    if (auth.kind === 'refusal') {
      const detail = auth.refusal.kind === 'refused' ? auth.refusal.detail : 'Invalid token';
      return httpError(401, 'Unauthorized', 'authentication_failed', detail);
    }
    const { principal } = auth;
    // What it hands on is signed and has the endpoint's headers.
    if (principal.kind === 'operator') return notAllowed;
    if (principal.kind === 'app' && !allows(principal.capabilities, 'ManageEndpoint')) return notAllowed;
    const [appId = '', endpointId = ''] = [match[1], match[2]];
    if (!isIdOrUid(appId) || !isIdOrUid(endpointId)) return noSuch;
    const eventTypes = eventTypesOf(match[3]);
    if (eventTypes === 'bad') return badTypes;
    const application = await visibleApplication(deps.api, principal, appId);
    if (application === null) return noSuch;
    const path = { orgId: principal.orgId, applicationId: application.id };
    const endpoint = await store.endpoints.find(path, endpointId);
    if (endpoint === null) return noSuch;
    return { path: { ...path, endpointId: endpoint.id }, eventTypes, authorization };
  };

  const serve = (socket: WebSocket, { path, eventTypes, authorization }: Admitted): void => {
    const { orgId, applicationId, endpointId } = path;
    const end = (why: keyof typeof ENDS): void => socket.close(ENDS[why].code, ENDS[why].reason);
    const session = createListenSession({ orgId, applicationId }, eventTypes, {
      clock: deps.clock,
      messages: store.messages,
      endpoint: async () => {
        const found = await deps.loadEndpoint(endpointId);
        return found?.orgId === orgId && found.applicationId === applicationId ? found : null;
      },
      oldestWriterMs: deps.oldestWriterMs,
      headersOf: deps.headersOf,
      sleep: deps.api.sleep,
      report: (error) => {
        if ((error as Error).name !== 'StoreUnavailable') deps.api.report(error);
      },
      send: (frame) => socket.send(JSON.stringify(frame)),
      end,
    });
    let isAlive = true;
    const pulse = setInterval(() => {
      if (!isAlive) return socket.terminate();
      isAlive = false;
      socket.ping();
      void authenticator.authenticate(authorization).then((auth) => {
        if (auth.kind === 'refusal') end('token_ended');
      });
    }, PULSE_MS);
    socket.on('pong', () => (isAlive = true));
    socket.on('message', (data, isBinary) => {
      const frame = isBinary ? null : parseClientFrame((data as Buffer).toString('utf8'));
      if (frame === null) end('bad_frame');
      else session.take(frame);
    });
    // What broke is told by `close`, which follows.
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(pulse);
      session.close();
    });
  };

  /** Counts a socket from before its handshake until it is closed; false: there are too many. */
  const reserve = (orgId: string, socket: Duplex): boolean => {
    const ofOrg = perOrg.get(orgId) ?? 0;
    if (sessions >= MOST_SESSIONS || ofOrg >= MOST_PER_ORG) return false;
    sessions += 1;
    perOrg.set(orgId, ofOrg + 1);
    socket.once('close', () => {
      sessions -= 1;
      const left = perOrg.get(orgId)! - 1;
      if (left === 0) perOrg.delete(orgId);
      else perOrg.set(orgId, left);
    });
    return true;
  };

  return {
    upgrade: (request, socket, head) => {
      const match = PATH.exec(request.url ?? '');
      if (match === null) return false;
      socket.on('error', () => socket.destroy());
      admit(match, request.headers.authorization).then(
        (admitted) => {
          if (isClosed) return refuseSocket(socket, unavailable);
          if ('status' in admitted) return refuseSocket(socket, admitted);
          if (socket.destroyed) return;
          if (!reserve(admitted.path.orgId, socket)) return refuseSocket(socket, tooMany);
          server.handleUpgrade(request, socket, head, (open) => serve(open, admitted));
        },
        () => refuseSocket(socket, unavailable),
      );
      return true;
    },
    close: () => {
      isClosed = true;
      for (const socket of server.clients) {
        socket.close(ENDS.going_away.code, ENDS.going_away.reason);
        setTimeout(() => socket.terminate(), GOODBYE_MS).unref();
      }
    },
  };
};
