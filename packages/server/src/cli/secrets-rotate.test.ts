import { expect, it } from 'vitest';
import { rotateSecrets, type RotateSteps } from './secrets-rotate.ts';

type Step = Awaited<ReturnType<RotateSteps['reseal']>>;
const nothing: Step = { walked: 500, cursor: null, resealed: 0, changed: 0, unreadable: [] };

/** Answers with the steps one after another, and the last one again and again. */
const rotate = async (asJson: boolean, ...answers: Step[]) => {
  const said = { out: '', err: '', finished: false, steps: 0 };
  const code = await rotateSecrets(
    {
      total: async () => 900,
      reseal: async () => answers[Math.min(said.steps++, answers.length - 1)]!,
      finish: async () => {
        said.finished = true;
      },
    },
    asJson,
    { out: (text) => (said.out += text), err: (text) => (said.err += text) },
  );
  return { code, ...said };
};

it('walks until a walk finds nothing more, says how far it is, and only then is done', async () => {
  const first = { ...nothing, cursor: 'ep_1', resealed: 400, changed: 1 };
  const done = await rotate(false, first, nothing, { ...nothing, resealed: 1 }, nothing);
  expect(done).toMatchObject({ code: 0, finished: true, steps: 4 });
  expect(done.err).toBe('500 of about 900 endpoints looked at, 400 sealed anew\n');
  expect(done.out).toMatch(/^401 endpoints sealed anew; .*POSTHORN_MAIN_SECRET_OLD/);
});

it('does not go on for ever beside a server that seals with the old secret', async () => {
  const busy = await rotate(false, { ...nothing, resealed: 1 });
  expect(busy).toMatchObject({ code: 1, finished: false, steps: 5, out: '' });
  expect(busy.err).toContain('Restart all servers');
});

it('is not done while something cannot be opened', async () => {
  const lost = await rotate(false, { ...nothing, unreadable: ['ep_7'] });
  expect(lost).toMatchObject({ code: 1, finished: false, err: expect.stringContaining('ep_7') });
  expect(
    await rotate(true, { ...nothing, cursor: 'ep_1' }, { ...nothing, unreadable: ['ep_7'] }),
  ).toMatchObject({
    code: 1,
    out: '{"done":false,"resealed":0,"unreadable":["ep_7"]}\n',
    err: '',
  });
});
