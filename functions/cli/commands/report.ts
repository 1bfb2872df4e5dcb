import { type Command, Option } from 'commander'
import { REPORT_FILES } from '../../../shared/versions/head-version.ts'
import type { CommandContext } from '../context.ts'
import { writeReport, writeReportFile } from '../output/write-report.ts'

interface ReportFlags {
  readonly output?: string
  readonly html?: string
  readonly markdown?: boolean
  readonly json?: boolean
  readonly beside?: string
}

/** `espalier report intent@v3` */
export function addReportCommand(program: Command, context: CommandContext): void {
  const forms = ['output', 'html', 'markdown', 'json']
  const form = (flags: string, description: string): Option => {
    const option = new Option(flags, description)
    return option.conflicts(forms.filter((name) => name !== option.attributeName()))
  }
  program
    .command('report')
    .summary('write the report of a version')
    .description(
      'Write the report of a classifier version as this release shows it, from what was stored when it was trained: ' +
        'nothing is measured again.',
    )
    .argument('<model>', 'name, name@alias or name@v7')
    .addOption(
      form('--output <folder>', 'write report.md, report.json and report.html into this folder'),
    )
    .addOption(form('--html <file>', 'write the page into this file; - for stdout'))
    .addOption(form('--markdown', 'print it as Markdown, as without any option'))
    .addOption(form('--json', 'print it as JSON, as it was stored'))
    .addOption(
      new Option(
        '--beside <model>',
        'show the figures, labels, confusions and learning curves of another version beside it, as Markdown or a page',
      ).conflicts(['output', 'json']),
    )
    .addHelpText(
      'after',
      `
Examples:
  espalier report intent@v3
  espalier report intent@v3 --html intent.html
  espalier report intent@champion --output ./report
  espalier report intent@v3 --beside intent@v4 --html both.html`,
    )
    .action(async (address: string, flags: ReportFlags) => {
      const registry = await (await context.boot()).openRegistry()
      const stored = await import('../../../shared/jobs/report/render-stored.ts')
      const print = (text: string) => context.print(text.replace(/\n$/, ''))
      const { output, html, json, beside } = flags
      if (beside !== undefined) {
        const two = await stored.renderStoredBeside(registry, [address, beside], context.signal)
        if (html === undefined) return print(two.markdown)
        if (html === '-') return print(two.html)
        await writeReportFile(html, two.html)
        return context.print(`${two.models}: ${html}`)
      }
      const report = await stored.renderStoredReport(registry, address, context.signal)
      if (output !== undefined) {
        await writeReport(output, report, '--output')
        return context.print(
          `${report.model}: ${Object.values(REPORT_FILES).join(', ')} in ${output}`,
        )
      }
      if (html === '-') return print(report.html)
      if (html === undefined) return print(json === true ? report.json : report.markdown)
      await writeReportFile(html, report.html)
      await context.print(`${report.model}: ${html}`)
    })
}
