import { readFile } from 'node:fs/promises';
import { ToolFailure, usage, type ToolInput } from './tool.ts';

/** The bytes that an argument names: themselves, `@file`, or `-` for standard input. */
export const readBytes = async (given: string, input: Pick<ToolInput, 'readInput'>): Promise<Buffer> => {
  if (given === '-') return input.readInput();
  if (!given.startsWith('@')) return Buffer.from(given);
  return readFile(given.slice(1)).catch((error: Error) => {
    throw new ToolFailure(2, 'no_file', `${given.slice(1)} cannot be read: ${error.message}`);
  });
};

/** The same as a JSON object. @throws ToolFailure when it is none. */
export const readObject = async (
  given: string,
  input: Pick<ToolInput, 'readInput'>,
): Promise<Readonly<Record<string, unknown>>> => {
  const bytes = await readBytes(given, input);
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw usage(
      `That is no JSON: ${(error as Error).message}`,
      'Quote it for the shell, or use @file or - (standard input).',
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw usage('A JSON object is needed here.');
  return value as Readonly<Record<string, unknown>>;
};
