// Usage: closing-line.js REPORT STATUS. Reads the tests' JSON report and what the command ended
// with, prints `N passed, N failed` as the last line and fails unless every test ran and passed.
// Plain JavaScript: it has to speak when the installation failed too.
import { readFileSync } from 'node:fs';

const [path, status] = process.argv.slice(2);
const text = readFileSync(path, 'utf8');

if (text === '') {
  console.error(`No test ran: the installation or a check before the tests failed (exit code ${status}).`);
  console.log('0 passed, 1 failed');
  process.exit(1);
}

const report = JSON.parse(text);
const skipped = report.testResults
  .flatMap((file) => file.assertionResults)
  .filter((test) => test.status !== 'passed' && test.status !== 'failed');
for (const test of skipped) console.error(`Skipped, which CI does not allow: ${test.fullName}`);

const broken = report.testResults.filter(
  (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
);
for (const file of broken) console.error(`Failed as a whole: ${file.name}`);

let failed = report.numFailedTests + broken.length + skipped.length;
if (failed === 0 && (status !== '0' || report.numPassedTests === 0)) {
  console.error(`The test command failed outside of a test (exit code ${status}).`);
  failed = 1;
}
console.log(`${report.numPassedTests} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
