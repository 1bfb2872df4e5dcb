// Prints `passed failed skipped` from a report of vitest's JSON reporter; nothing when there is none.
import { readFileSync } from 'node:fs'

try {
  const report = JSON.parse(readFileSync(process.argv[2], 'utf8'))
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  ).length
  const skipped = report.numPendingTests + report.numTodoTests
  console.log(report.numPassedTests, report.numFailedTests + brokenFiles, skipped)
} catch (error) {
  console.error(`no test report: ${error.message}`)
}
