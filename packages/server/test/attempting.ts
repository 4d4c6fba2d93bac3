import { onTestFinished } from 'vitest';
import { type Attempter, type AttemptRequest, createAttempter } from '../src/attempt/attempter.ts';
import type { ResolveName } from '../src/attempt/resolver.ts';
import { type AttemptSettings, defaultAttemptSettings } from '../src/attempt/settings.ts';
import { createClock } from '../src/clock.ts';

export const hookSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

/** An attempter that may reach this machine; closed when the test ends. */
export const attempterFor = (settings: Partial<AttemptSettings> = {}, resolve?: ResolveName): Attempter => {
  const attempter = createAttempter({
    clock: createClock(),
    settings: {
      ...defaultAttemptSettings,
      httpsOnly: false,
      allowSubnets: ['127.0.0.0/8'],
      userAgent: 'Posthorn/0.0.0-test',
      ...settings,
    },
    ...(resolve === undefined ? {} : { resolve }),
  });
  onTestFinished(() => attempter.close());
  return attempter;
};

/** A request to a local port, or to a whole URL. */
export const requestTo = (where: number | string, parts: Partial<AttemptRequest> = {}): AttemptRequest => {
  const payload = parts.payload ?? Buffer.from('{"a":1}');
  return {
    endpoint: {
      url: typeof where === 'string' ? where : `http://127.0.0.1:${where}/hook?x=1`,
      keys: [
        { key: { kind: 'hmac256', key: Buffer.from(hookSecret.slice(6), 'base64') }, expiresAtMs: null },
      ],
      headers: [],
    },
    messageId: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    payload,
    contentType: 'application/json',
    ...parts,
  };
};
