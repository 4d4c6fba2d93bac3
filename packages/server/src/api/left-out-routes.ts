import { OpenAPIHono } from '@hono/zod-openapi';
import { refused, toResponse } from './answers.ts';
import { leftOut } from './left-out.ts';
import type { LeftOut } from './left-out.ts';
import type { ApiDeps } from './port.ts';

/** What is said of an operation that is left out, for people. */
export const notImplemented = ({ why, instead }: LeftOut): string => `Not implemented: ${why}. ${instead}`;

/**
 * A 501 for every operation of {@link leftOut}, after the token was checked. Paths are whole ones:
 * some are not below `/api/v1`.
 */
export const leftOutRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  for (const group of leftOut) {
    const answer = refused(501, 'not_implemented', notImplemented(group));
    for (const operation of group.operations) {
      const [path = '', ...methods] = operation.split(' ').toReversed();
      app.on(methods, path.replaceAll(/\{(\w+)\}/g, ':$1'), async (context) => {
        const auth = await deps.authenticator.authenticate(context.req.header('authorization'));
        return toResponse(auth.kind === 'refusal' ? auth.refusal : answer);
      });
    }
  }
  return app;
};
