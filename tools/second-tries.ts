import type { Reporter, TestCase } from 'vitest/node';

/** Says at the end which tests passed at a second try only, and what the first one said: a finding, not a success. */
export default class SecondTries implements Reporter {
  readonly #found: string[] = [];

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky !== true) return;
    const said = (test.result().errors ?? []).map(({ message }) => message).join('\n');
    this.#found.push(`${test.module.moduleId} > ${test.fullName}\n${said}`);
  }

  onTestRunEnd(): void {
    for (const one of this.#found) console.error(`\nPassed at the second try only: ${one}`);
  }
}
