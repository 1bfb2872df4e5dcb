import { PassThrough } from 'node:stream'
import type { Argument, Command, Help, Option } from 'commander'
import type { CommandContext } from '../functions/cli/context.ts'
import { createProgram } from '../functions/cli/run-cli.ts'
import { systemClock } from '../shared/lib/clock.ts'

const INTRODUCTION = `# Command line

<!-- Made from the commands by \`npm run docs:cli\`; a test compares. Change the command, not this page. -->

In a clone, \`espalier\` is \`node dist/cli.js\`; \`npm run build\` makes it. \`espalier help COMMAND\` prints what stands here.
`

/** docs/cli.md: every command with its arguments, options and examples, as the commands themselves say. */
export function renderCliReference(): string {
  const program = createProgram(createIdleContext(), '')
  const commands = listCommands(program)
  const index = commands.map(
    (command) => `| [\`${nameOf(command)}\`](#${anchorOf(command)}) | ${cell(command.summary())} |`,
  )
  return [
    INTRODUCTION,
    readHelpText(program).replace('docs/configuration.md', '[configuration](configuration.md)'),
    '',
    '| command | what it does |',
    '| --- | --- |',
    ...index,
    ...commands.map(renderCommand),
    '',
  ].join('\n')
}

/** Commands in the order of the help; one with commands of its own is followed by these. */
function listCommands(parent: Command): Command[] {
  return parent.commands.flatMap((command) => [command, ...listCommands(command)])
}

function renderCommand(command: Command): string {
  const help = command.createHelp()
  const argumentRows = help
    .visibleArguments(command)
    .map((argument) => renderRow(help.argumentTerm(argument), describeArgument(argument)))
  const optionRows = help
    .visibleOptions(command)
    .filter(({ long }) => long !== '--help')
    .map((option) => renderRow(help.optionTerm(option), describeOption(help, option)))
  const [note = '', examples = ''] = readHelpText(command).split(/^Examples:\n/m)
  return [
    `\n## espalier ${nameOf(command)}\n`,
    `${escapeTags(command.description())}\n`,
    `\`\`\`\n${help.commandUsage(command)}\n\`\`\``,
    ...renderTable('argument', argumentRows),
    ...renderTable('option', optionRows),
    ...(note === '' ? [] : [`\n${escapeTags(note.trim())}`]),
    ...(examples === '' ? [] : [`\n\`\`\`sh\n${unindent(examples)}\n\`\`\``]),
  ].join('\n')
}

function renderTable(title: string, rows: readonly string[]): string[] {
  return rows.length === 0 ? [] : ['', `| ${title} | meaning |`, '| --- | --- |', ...rows]
}

const renderRow = (term: string, meaning: string) =>
  `| \`${term.replaceAll('|', '\\|')}\` | ${cell(meaning)} |`

const describeOption = (help: Help, option: Option) =>
  `${help.optionDescription(option)}${option.mandatory ? ' (required)' : ''}`

const describeArgument = ({ description }: Argument) => description

/** The path of a command below `espalier`: `keys create`. */
function nameOf(command: Command): string {
  const { parent } = command
  return parent?.parent ? `${nameOf(parent)} ${command.name()}` : command.name()
}

const anchorOf = (command: Command) => `espalier-${nameOf(command).replaceAll(' ', '-')}`

/** What a command prints behind its options. */
function readHelpText(command: Command): string {
  let text = ''
  const writeOut = (part: string) => {
    text += part
  }
  command.configureOutput({ writeOut }).outputHelp()
  return text.slice(command.helpInformation().length).trim()
}

const unindent = (text: string) => text.replace(/^ {2}/gm, '')

const cell = (text: string) => escapeTags(text).replaceAll('|', '\\|')

const escapeTags = (text: string) => text.replaceAll('<', '&lt;')

/** What commands are made with when none will run. */
function createIdleContext(): CommandContext {
  const output = new PassThrough()
  return {
    argv: [],
    boot: () => Promise.reject(new Error('no command runs here')),
    stdin: new PassThrough(),
    stdout: output,
    stderr: output,
    signal: new AbortController().signal,
    clock: systemClock,
    print: () => Promise.resolve(),
    progress() {
      throw new Error('no command runs here')
    },
    exitWith() {},
  }
}
