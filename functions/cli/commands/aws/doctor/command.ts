import type { Command } from 'commander'
import { DEPLOYMENT_FILE } from '../../../../../shared/deployment/deployment-file.ts'
import type { CommandContext } from '../../../context.ts'
import {
  addSettingOption,
  readDeploymentValues,
  readSettings,
  type SettingOptions,
} from '../deployment-settings.ts'
import type { CheckResult } from './check.ts'
import { examine, type Report } from './run.ts'

interface DoctorOptions extends SettingOptions {
  readonly region?: string
  readonly file?: string
  readonly environment?: string
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  espalier aws doctor
  espalier aws doctor --environment staging
  espalier aws doctor --region eu-west-1
  espalier aws doctor -c cpu.memory=3538 -c cpu.concurrency=50
  espalier aws doctor -c stacks=store,cpu,gpu -c gpu.domain=models.example.com -c gpu.certificate=arn:aws:acm:…
  espalier aws doctor --json`

/** `espalier aws doctor` */
export function addAwsDoctorCommand(group: Command, context: CommandContext): void {
  const command = group
    .command('doctor')
    .summary('say what an account lacks before a deployment')
    .description(
      'Look at an account of AWS and say what a deployment would fail for, each with what to do. It only reads. It ends with 1 if something is missing, or if AWS does not answer.',
    )
  addSettingOption(command)
    .option('--region <region>', 'region of AWS')
    .option('--file <file>', `the deployment file; ${DEPLOYMENT_FILE} where it is there`)
    .option('--environment <name>', 'which environment of it')
    .option('--json', 'print a JSON object')
    .addHelpText('after', EXAMPLES)
    .action(async (options: DoctorOptions) => {
      const { file, environment, region } = options
      const values = readDeploymentValues(readSettings(options, { region }), { file, environment })
      const { openSecret } = await context.boot()
      const report = await examine(values, openSecret)
      await context.print(options.json ? JSON.stringify(report, null, 2) : formatResults(report))
      if (!report.ready) context.exitWith(1)
    })
}

const STATUSES = ['missing', 'warning', 'unknown', 'ok'] as const

/** What was found, a line for each check, with what to do below it. */
function formatResults({ region, results }: Report): string {
  const width = Math.max(...results.map(({ check }) => check.length))
  const lines = results.flatMap((result) => formatResult(result, width))
  return [...lines, '', `${countByStatus(results)}${region ? `, in ${region}` : ''}`].join('\n')
}

function formatResult({ check, status, found, fix }: CheckResult, width: number): string[] {
  const line = `${status.padEnd('missing'.length)}  ${check.padEnd(width)}  ${found}`
  return fix === undefined ? [line] : [line, `${' '.repeat(width + 11)}→ ${fix}`]
}

function countByStatus(results: readonly CheckResult[]): string {
  return STATUSES.flatMap((status) => {
    const count = results.filter((result) => result.status === status).length
    return count > 0 ? [`${count} ${status}`] : []
  }).join(', ')
}
