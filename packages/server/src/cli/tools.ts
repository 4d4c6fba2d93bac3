import type { Command } from 'commander';
import { benchTool } from './bench.ts';
import { blockedKeyTools } from './blocked-keys.ts';
import { completionTool, type Known } from './completion.ts';
import type { DoctorTools } from './doctor-checks.ts';
import { doctorTool } from './doctor.ts';
import { listenTool } from './listen.ts';
import type { ExitCode } from './output.ts';
import { createPrinter } from './printer.ts';
import type { Flags } from './program.ts';
import { replayTool } from './replay.ts';
import { resourceTools } from './resources.ts';
import { sendTool, triggerTool } from './send.ts';
import { producerTool } from './simulate-producer.ts';
import { receiverTool } from './simulate-receiver.ts';
import { tailTool } from './tail.ts';
import { ToolFailure, type Surroundings, type Tool } from './tool.ts';
import { verifyTool } from './verify.ts';

/** What the first words of commands with several are about. */
const GROUPS: Readonly<Record<string, string>> = {
  apps: 'Applications: your customers.',
  endpoints: 'Endpoints of an application.',
  'event-types': 'Event types and their schemas.',
  messages: 'Messages of an application.',
  simulate: 'Receivers and producers to try things with.',
};

const JSON_OPTION = ['--json', 'Print JSON: one object, or one a line where results stream.'] as const;

/** Adds the commands for developers to the program; each tells its exit code. */
export type AddTools = (program: Command, ended: (code: ExitCode) => void) => void;

export const createTools =
  (surroundings: Surroundings, doctor: DoctorTools): AddTools =>
  (program, ended) => {
    const tools: readonly Tool[] = [
      listenTool,
      triggerTool,
      sendTool,
      tailTool,
      replayTool,
      verifyTool,
      ...resourceTools,
      ...blockedKeyTools,
      receiverTool,
      producerTool,
      doctorTool(doctor),
      benchTool,
      completionTool(() => knownOf(program)),
    ];
    for (const tool of tools) {
      const command = parentOf(program, tool).command(withoutGroup(tool.usage)).description(tool.summary);
      for (const [flags, help] of [...tool.options, JSON_OPTION]) command.option(flags, help);
      command.action(async () =>
        ended(await runTool(tool, command.args, command.opts<Flags>(), surroundings)),
      );
    }
  };

const groupOf = ({ usage }: Tool): string | null => {
  const [first = '', second = ''] = usage.split(' ');
  return /^[a-z]/.test(second) ? first : null;
};

const withoutGroup = (usage: string): string => usage.replace(/^\S+ (?=[a-z])/, '');

const parentOf = (program: Command, tool: Tool): Command => {
  const group = groupOf(tool);
  if (group === null) return program;
  return (
    program.commands.find((command) => command.name() === group) ??
    program.command(group).description(GROUPS[group] ?? '')
  );
};

/** Every command of the program, the server's own too. */
const knownOf = (program: Command, before: readonly string[] = []): readonly Known[] =>
  program.commands.flatMap((command) => {
    const words = [...before, command.name()];
    if (command.commands.length > 0) return knownOf(command, words);
    const flags = command.options.map(({ long }) => long).filter((long) => typeof long === 'string');
    return [{ words, summary: command.description(), flags }];
  });

const runTool = async (
  tool: Tool,
  args: readonly string[],
  flags: Flags,
  surroundings: Surroundings,
): Promise<ExitCode> => {
  const { streams, terminal, env, clock } = surroundings;
  const json = flags['json'] === true;
  const print = createPrinter({
    streams,
    json,
    output: terminal.output,
    errors: terminal.errors,
    noColor: env['NO_COLOR'],
    monotonicMs: clock.monotonicMs,
  });
  try {
    return await tool.run({ ...surroundings, args, flags, print });
  } catch (error) {
    if (!(error instanceof ToolFailure)) throw error;
    print.endProgress();
    const { code, message, next, exitCode } = error;
    if (json) streams.out(`${JSON.stringify({ error: { code, message, next } })}\n`);
    else streams.err(`posthorn: ${message}${next === null ? '' : `\n  ${next}`}\n`);
    return exitCode;
  }
};
